"""What the tests of the stream share: functions that answer in some way, and short ways to a stream."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.invocation import in_process
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from vpcflow.clock import FakeClock

Rows = list[dict[str, Any]]
START_MS = 1_790_000_000_000


def clock() -> FakeClock:
    return FakeClock(wall_ms=START_MS)


def ok(row: dict[str, Any], data: bytes | None = None) -> dict[str, Any]:
    """Answer Ok for a record, with its own data unless other is given."""
    text = row["data"] if data is None else base64.b64encode(data).decode()
    return {"recordId": row["recordId"], "result": "Ok", "data": text}


def all_ok(rows: Rows) -> Rows:
    return [ok(row) for row in rows]


class Told:
    """A function that notes its events and answers by `rows`: a list for the list of records, or an exception."""

    def __init__(self, rows: Callable[[Rows], Rows] | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.rows = rows or all_ok

    def __call__(self, event: dict[str, Any], _context: object) -> object:
        self.events.append(event)
        return {"records": self.rows(event["records"])}

    def sizes(self) -> list[int]:
        return [len(event["records"]) for event in self.events]


def transformed(
    handler: Callable[[Any, Any], object],
    *,
    time: FakeClock | None = None,
    timeout: float = 60.0,
    kinesis: str = "",
    **processing: Any,  # noqa: ANN401 - of Processing
) -> DeliveryStream:
    """Return a stream to S3 whose records pass a handler, by default at once."""
    time = time or clock()
    processing = {"seconds": 0, **processing}
    return DeliveryStream(
        "flows",
        S3Destination(seconds=60),
        clock=time,
        processing=Processing(invoke=in_process(handler, time, timeout=timeout), **processing),
        prefix="out/",
        error_prefix="errors/!{firehose:error-output-type}/",
        kinesis=kinesis,
    )


def delivered(stream: DeliveryStream) -> bytes:
    """Return all that was written, in order of keys."""
    return b"".join(stream.bucket.below("out/"))


def failed(stream: DeliveryStream, kind: str = "processing-failed") -> Rows:
    """Return the lines of an error prefix."""
    rows: Rows = stream.bucket.entries(f"errors/{kind}/")
    return rows


def raw(entry: dict[str, Any]) -> bytes:
    return base64.b64decode(entry["rawData"])


def boom(_event: object, _context: object) -> object:
    raise RuntimeError("boom")
