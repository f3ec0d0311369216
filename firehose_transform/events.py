"""What Firehose sends.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html. Emulators leave out ids and ARNs: only `data` is
needed here, and a missing `recordId` is answered as it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["EventError", "Record", "Request", "parse_request"]

_REGION_PART = 3  # arn:partition:service:region:account:resource


class EventError(ValueError):
    """An event that is none of Firehose's; the invocation fails and says what it saw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record.

    data: base64, as it came. arrival_ms: milliseconds since 1970, or None. partition_key: of the record in its Kinesis
    stream, or '' where it came another way.
    """

    record_id: str | None
    data: str
    arrival_ms: int | None
    partition_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One invocation.

    delivery_arn: the delivery stream, stream_arn: the Kinesis stream that it reads; '' where the event names none.
    region: AWS region of the delivery stream, or ''.
    """

    delivery_arn: str
    stream_arn: str
    region: str
    records: Sequence[Record]


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _record(raw: Mapping[str, Any]) -> Record:
    kinesis = raw.get("kinesisRecordMetadata")
    known: Mapping[str, Any] = kinesis if isinstance(kinesis, Mapping) else {}
    arrival = raw.get("approximateArrivalTimestamp", known.get("approximateArrivalTimestamp"))
    return Record(
        record_id=raw.get("recordId"),
        data=raw["data"],
        arrival_ms=arrival if type(arrival) is int else None,
        partition_key=_text(known, "partitionKey"),
    )


def parse_request(event: object) -> Request:
    """Return the request. Raises EventError for anything without a list of records that hold data."""
    records = event.get("records") if isinstance(event, Mapping) else None
    if not isinstance(event, Mapping) or not isinstance(records, list):
        shape = sorted(map(str, event)) if isinstance(event, Mapping) else type(event).__name__
        raise EventError(f"not a Firehose transformation event (no `records`): {shape}")
    for number, raw in enumerate(records):
        if not isinstance(raw, Mapping) or not isinstance(raw.get("data"), str):
            raise EventError(f"record {number} of the Firehose event has no `data`")
    delivery_arn = _text(event, "deliveryStreamArn")
    region = _text(event, "region") or next(iter(delivery_arn.split(":")[_REGION_PART:]), "")
    return Request(
        delivery_arn=delivery_arn,
        stream_arn=_text(event, "sourceKinesisStreamArn"),
        region=region,
        records=[_record(raw) for raw in records],
    )
