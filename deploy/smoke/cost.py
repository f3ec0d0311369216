"""What a run costs, with the arithmetic. Prices of AWS's public lists for us-east-1, in US dollars; others differ a little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["CHECKED", "Item", "items", "report"]

CHECKED = "2026-08"  # the month of the price lists
_GB = 1e9
_HOURS_OF_A_MONTH = 730
_EVENT_BYTES = 140 + 26  # a line, and what CloudWatch Logs counts beside it
_FIREHOSE_STEP = 5_000  # bytes: each record is rounded up to it
_PAYLOADS = 20  # records that CloudWatch Logs makes of our events, at most about so many
_PROBE_RECORDS = 7 * 4
_REQUESTS = 600  # of S3: what is put, listed and got
_CALLS = 200  # of functions, a second of 256 MB each
_ALARMS = 40


class Item(NamedTuple):
    """An amount with its price."""

    what: str
    amount: float
    unit: str
    price: float

    @property
    def dollars(self) -> float:
        """Return what it costs."""
        return self.amount * self.price


def items(*, events: int, hours: float) -> list[Item]:
    """Return what is billed of a run that puts so many events into the log group and lasts so long."""
    gigabytes = events * _EVENT_BYTES / _GB
    rounded = (_PAYLOADS + _PROBE_RECORDS) * _FIREHOSE_STEP / _GB
    whole_hours = -(-hours // 1)
    return [
        Item("CloudWatch Logs, taken in", gigabytes, "GB", 0.50),
        Item("Kinesis, a shard", whole_hours, "hours", 0.015),
        Item("Kinesis, kept longer than 24 hours", whole_hours, "shard hours", 0.020),
        Item("Firehose, records rounded up to 5 KB", rounded, "GB", 0.029),
        Item("Lambda, 256 MB for a second", _CALLS * 0.25, "GB seconds", 0.0000166667),
        Item("S3, requests", _REQUESTS / 1000, "thousand", 0.005),
        Item("KMS, requests of the stream", 1.0, "ten thousand", 0.03),
        Item("CloudWatch, alarms", _ALARMS * hours / _HOURS_OF_A_MONTH, "months", 0.10),
    ]


def report(*, events: int, hours: float) -> Iterator[str]:
    """Yield the arithmetic, a line each, the sum last."""
    found = items(events=events, hours=hours)
    for item in found:
        yield f"{item.what}: {item.amount:.6f} {item.unit} x ${item.price:g} = ${item.dollars:.4f}"
    total = sum(item.dollars for item in found)
    yield f"about ${total:.2f} for {hours:.2f} hours, by list prices of us-east-1 ({CHECKED}); a search engine is not counted"
