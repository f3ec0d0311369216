"""What a function said about a batch, judged as AWS does where ReportBatchItemFailures is on.

* https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
* https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Literal

from tests.eventsources.emulator.function import Said

ResponseType = Literal["ReportBatchItemFailures"]


class WholeBatch(Exception):
    """Nothing of the batch counts as done; its text says why."""


def failures(said: Said, ids: Collection[str], *, reporting: bool) -> set[str]:
    """Return the identifiers that the function reported; an empty set is a complete success.

    Success: an empty or null list, an empty or null answer. Failure: no JSON, an identifier that is empty, null, under a bad
    key name, or (SQS; for Kinesis *assumed*) of nothing in the batch. That an answer which is no object, a list that is no
    list, and an entry that is no object fail the batch is *assumed*.

    Args:
        said: what Invoke gave.
        ids: of the batch.
        reporting: ReportBatchItemFailures is on; without it an answer is not looked at.

    Raises:
        WholeBatch: the function failed, or what it said fails the batch.
    """
    if said.failed:
        raise WholeBatch(said.payload.decode(errors="replace"))
    if not reporting:
        return set()
    try:
        answer = json.loads(said.payload or b"null")
    except ValueError as error:
        raise WholeBatch("an invalid JSON response") from error
    if answer is None:
        return set()
    if not isinstance(answer, dict):
        raise WholeBatch(f"the answer is no object: {answer!r}")
    rows = answer.get("batchItemFailures")
    if rows is None:
        return set()
    if not isinstance(rows, list):
        raise WholeBatch(f"batchItemFailures is no list: {rows!r}")
    return {_identifier(row, ids) for row in rows}


def _identifier(row: object, ids: Collection[str]) -> str:
    if not isinstance(row, dict) or "itemIdentifier" not in row:
        raise WholeBatch(f"no itemIdentifier in {row!r}")
    name = row["itemIdentifier"]
    if not isinstance(name, str) or name not in ids:
        raise WholeBatch(f"an itemIdentifier of nothing in the batch: {name!r}")
    return name


def said_explicitly(said: Said) -> bool:
    """Return whether an answer holds a list of failures: AWS takes {} and null for a success, a careful function says []."""
    try:
        answer = json.loads(said.payload)
    except ValueError:
        return False
    return isinstance(answer, dict) and isinstance(answer.get("batchItemFailures"), list)
