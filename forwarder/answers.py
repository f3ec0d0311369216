"""What an event source mapping wants back: which items come again. Made of what is known to be settled, item by item.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting,
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["NOTHING", "queue_answer", "stream_answer"]

NOTHING: Mapping[str, Any] = {}
"""To who listens to no answer: an asynchronous invocation that raised nothing has settled all."""


def queue_answer(identifiers: Sequence[str], settled: Sequence[bool], *, fifo: bool) -> dict[str, Any]:
    """Return what of a batch of SQS comes again: each message that is not settled.

    Args:
        identifiers: of all messages, in the order of the batch.
        settled: for each of them.
        fifo: the first that is not settled, and all after it, come again: else later ones would overtake it.
    """
    failed = [name for name, is_settled in zip(identifiers, settled, strict=True) if not is_settled]
    if fifo and failed:
        failed = list(identifiers[list(settled).index(False) :])
    return _answer(failed)


def stream_answer(sequences: Sequence[str], settled: Sequence[bool]) -> dict[str, Any]:
    """Return where a batch of Kinesis begins again: at its lowest sequence number that is not settled.

    Later ones that are settled come again with it, and add nothing.
    """
    failed = [name for name, is_settled in zip(sequences, settled, strict=True) if not is_settled]
    return _answer([min(failed, key=int)] if failed else [])


def _answer(identifiers: Sequence[str]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": name} for name in identifiers]}
