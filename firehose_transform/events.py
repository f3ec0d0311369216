"""What Firehose sends and what it wants back.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html. Emulators leave out ids and ARNs: only `data` is
needed here, and a missing `recordId` is answered as it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["EventError", "Record", "Request", "Result", "parse_request"]

Result = Literal["Ok", "Dropped", "ProcessingFailed"]


class EventError(ValueError):
    """An event that is none of Firehose's; the invocation fails and says what it saw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record. data: base64, as it came. arrival_ms: milliseconds since 1970, or None."""

    record_id: str | None
    data: str
    arrival_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One invocation. source_arn: the delivery stream, or '' where the event names none."""

    source_arn: str
    records: Sequence[Record]


def _arrival(raw: Mapping[str, Any]) -> int | None:
    value = raw.get("approximateArrivalTimestamp")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_request(event: object) -> Request:
    """Return the request. Raises EventError for anything without a list of records that hold data."""
    records = event.get("records") if isinstance(event, Mapping) else None
    if not isinstance(event, Mapping) or not isinstance(records, list):
        shape = sorted(map(str, event)) if isinstance(event, Mapping) else type(event).__name__
        raise EventError(f"not a Firehose transformation event (no `records`): {shape}")
    parsed = []
    for number, raw in enumerate(records):
        if not isinstance(raw, Mapping) or not isinstance(raw.get("data"), str):
            raise EventError(f"record {number} of the Firehose event has no `data`")
        parsed.append(Record(record_id=raw.get("recordId"), data=raw["data"], arrival_ms=_arrival(raw)))
    arn = event.get("deliveryStreamArn")
    return Request(source_arn=arn if isinstance(arn, str) else "", records=parsed)
