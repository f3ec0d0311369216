"""Records of a Kinesis stream, by way of an event source mapping.

The ids are those that the consumer gives: stream, shard, sequence number and number in an aggregated record. Lambda does not
take aggregated records apart; that is done here: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from forwarder.answers import stream_answer
from forwarder.batch import Batch
from forwarder.events import KinesisEvent, KinesisRecord
from forwarder.invocation import Invocation
from vpcflow.codec.aggregation import AggregationError, user_records
from vpcflow.codec.origins import kinesis_origin
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.pipeline.pipeline import Record
from vpcflow.types import Origin

__all__ = ["answered"]

_AGGREGATION = "aggregation"  # reasons of dead letters
_BASE64 = "base64"


def answered(event: KinesisEvent, invocation: Invocation) -> dict[str, Any]:
    """Forward the records; return where the batch begins again.

    Raises:
        VpcFlowError: nothing at all was settled; Lambda tries the whole batch again, and counts an error.
    """
    records = event.records
    batch = invocation.batch(_stream_arn(records[0]))
    try:
        for item, (record, number) in enumerate(zip(records, _numbers(records), strict=True)):
            _give(item, record, number, invocation, batch)
        batch.settle()
        problems = [batch.problem(item) for item in range(len(records))]
    finally:
        batch.close()
    invocation.report([record.sequence for record in records], problems, batch.trouble)
    return stream_answer([record.sequence for record in records], [not problem for problem in problems])


def _give(item: int, record: KinesisRecord, number: int, invocation: Invocation, batch: Batch) -> None:
    try:
        data = base64.b64decode(record.data, validate=True)
    except ValueError as error:
        letter = _letter(record, record.data.encode(), _BASE64, f"data is no base64: {error}", invocation)
        batch.keep(item, letter)
        return
    if not data or data.isspace():
        invocation.count_empty()
        batch.pass_by(item)
        return
    try:
        parts = user_records(data)
    except AggregationError as error:
        batch.keep(item, _letter(record, data, _AGGREGATION, f"a damaged aggregated record: {error}", invocation))
        return
    batch.give(item, _records(record, number, [data] if parts is None else parts))


def _records(record: KinesisRecord, number: int, parts: Sequence[bytes]) -> Iterator[Record]:
    for subsequence, part in enumerate(parts):
        yield Record(data=part, origin=_origin(record, subsequence), position=(number, subsequence))


def _origin(record: KinesisRecord, subsequence: int) -> Origin:
    return kinesis_origin(
        stream=_stream_arn(record).rpartition("/")[2],
        shard=record.shard,
        sequence=record.sequence,
        subsequence=subsequence,
        arrival_ms=record.arrival_ms,
    )


def _letter(record: KinesisRecord, raw: bytes, reason: str, message: str, invocation: Invocation) -> DeadLetter:
    """Return a record as one dead letter, as it came."""
    origin = _origin(record, 0)
    return DeadLetter(
        reason=reason,
        message=message,
        raw=raw,
        source=origin.name,
        identity={**origin.fields, "sequence": record.sequence, "subsequence": 0},
        position=-1,
        first_seen_ms=invocation.now_ms(),
        origin=origin,
    )


def _stream_arn(record: KinesisRecord) -> str:
    """Return the ARN of the stream, also where that of a consumer of it (enhanced fan-out) is named."""
    return record.stream_arn.partition("/consumer/")[0]


def _numbers(records: Sequence[KinesisRecord]) -> Sequence[int]:
    """Return numbers that rise: the sequence numbers, as Kinesis gives them; else the places in the event."""
    numbers = [int(record.sequence) for record in records]
    rises = all(one < other for one, other in itertools.pairwise(numbers))
    return numbers if rises else range(len(records))
