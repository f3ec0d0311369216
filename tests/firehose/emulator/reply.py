"""Is what the function answered what Firehose asked for?

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html; the codes are those of
https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.firehose.emulator.records import Failure, Record

MISSING = Failure(
    code="Lambda.MissingRecordId",
    message="One or more record Ids were not returned. Ensure that the Lambda function returns all received record Ids.",
)
DUPLICATED = Failure(
    code="Lambda.DuplicatedRecordId",
    message="Multiple records were returned with the same record ID. Ensure that the Lambda function returns unique record"
    " IDs for each record.",
)
NO_JSON = Failure(
    code="Lambda.JsonProcessingException",
    message="There was an error parsing returned records from the Lambda function. Ensure that the returned records follow"
    " the status model required by Amazon Data Firehose.",
)
PROCESSING_FAILED = Failure(code="Lambda.ProcessingFailedStatus", message="ProcessingFailed status set for record")
RESULTS = ("Ok", "Dropped", "ProcessingFailed")


class BadReply(Exception):
    """The reply as a whole cannot be used; every record of the batch has failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was said about one record. data: transformed, for Ok."""

    result: str
    data: bytes
    keys: Mapping[str, str]


def judged(payload: bytes, batch: Sequence[Record]) -> list[Answer]:
    """Return one answer for each record, in the order of the batch.

    Any breach fails the whole batch; AWS names the codes but not whether only the one record fails (*assumed*: the batch).
    Raises BadReply.
    """
    try:
        rows = json.loads(payload)["records"]
        given = [(row["recordId"], _answer(row)) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadReply(NO_JSON) from error
    wanted = [record.record_id for record in batch]
    ids = Counter(name for name, _ in given)
    if any(count > 1 for count in ids.values()):
        raise BadReply(DUPLICATED)
    # "Any mismatch between the ID of the original record and the ID of the transformed record is treated as a data
    # transformation failure": an id that was never sent means that another one is missing, or is one too many.
    if set(ids) != set(wanted):
        raise BadReply(MISSING)
    answers = dict(given)
    return [answers[name] for name in wanted]


def _answer(row: Mapping[str, object]) -> Answer:
    """Return one row of the reply. Raises ValueError, KeyError or TypeError."""
    result = row["result"]
    if result not in RESULTS or not isinstance(row["recordId"], str):
        raise ValueError(row)
    # A dropped record needs no data: AWS's own blueprint returns none for it.
    text = row.get("data") if result != "Ok" else row["data"]
    if text is not None and not isinstance(text, str):
        raise TypeError(text)
    try:
        data = base64.b64decode(text or "", validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
    return Answer(result=str(result), data=data, keys=_keys(row))


def _keys(row: Mapping[str, object]) -> Mapping[str, str]:
    """Return the partition keys: https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-partitioning-keys.html."""
    metadata = row.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise TypeError(metadata)
    keys = metadata.get("partitionKeys") or {}
    if not isinstance(keys, Mapping) or not all(isinstance(text, str) for pair in keys.items() for text in pair):
        raise TypeError(keys)
    return {str(name): str(value) for name, value in keys.items()}
