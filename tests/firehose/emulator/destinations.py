"""What the three destinations have in common, and the first of them: S3."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.firehose.emulator import limits
from tests.firehose.emulator.bucket import Bucket, Prefixes
from tests.firehose.emulator.buffering import Buffer
from tests.firehose.emulator.limits import within
from tests.firehose.emulator.records import Failure, Record
from vpcflow.clock import FakeClock


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a destination gets of its stream. failed: keeps a record in the error prefix, under a kind, with more keys."""

    clock: FakeClock
    bucket: Bucket
    prefixes: Prefixes
    arn: str
    failed: Callable[[str, Record, Failure, Mapping[str, object]], None]


class Destination(Protocol):
    """A place where records go, on simulated time."""

    def start(self, around: Surroundings) -> None: ...

    def add(self, record: Record) -> None: ...

    def due(self) -> float | None:
        """Return when there is something to do, or None."""
        ...

    def step(self) -> None:
        """Do the one thing that is due first."""
        ...


class S3Destination:
    """Objects of records, one after the other, with nothing in between.

    https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html. partitioned: dynamic partitioning by the function's
    keys, a buffer for each, https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html.
    """

    def __init__(
        self, *, megabytes: float = 5, seconds: float = 300, partitioned: bool = False, compressed: bool = False
    ) -> None:
        within("SizeInMBs", megabytes, limits.S3_MEGABYTES)
        within("IntervalInSeconds", seconds, limits.DESTINATION_SECONDS)
        self._bytes, self._seconds = megabytes * limits.MEGABYTE, seconds
        self._partitioned, self._compressed = partitioned, compressed
        self._buffers: dict[tuple[tuple[str, str], ...], Buffer] = {}
        self.delivered = 0

    def start(self, around: Surroundings) -> None:
        if "partitionKeyFromLambda" in around.prefixes.prefix and not self._partitioned:
            raise limits.Refused("InvalidArgumentException", "partition keys need dynamic partitioning")
        self._around = around

    def add(self, record: Record) -> None:
        keys = tuple(sorted(record.keys.items())) if self._partitioned else ()
        if self._partitioned and not self._keyed(record):
            failure = Failure(
                code="DynamicPartitioning.MetadataExtractionFailed", message="A partition key is missing."
            )
            self._around.failed("dynamic-partitioning-failed", record, failure, {})
            return
        if keys not in self._buffers:
            self._buffers[keys] = Buffer(max_bytes=self._bytes, seconds=self._seconds, now=self._around.clock.monotonic)
        self._buffers[keys].add(record)

    def _keyed(self, record: Record) -> bool:
        try:
            self._around.prefixes.key(record.arrival_ms, record.keys)
        except KeyError:
            return False
        return True

    def due(self) -> float | None:
        moments = (buffer.due() for buffer in self._buffers.values())
        return min((moment for moment in moments if moment is not None), default=None)

    def step(self) -> None:
        due = {keys: moment for keys, buffer in self._buffers.items() if (moment := buffer.due()) is not None}
        keys = min(due, key=lambda one: due[one])
        batch = self._buffers[keys].take()
        self._write(batch, dict(keys))
        self.delivered += len(batch)

    def _write(self, batch: Sequence[Record], keys: Mapping[str, str]) -> None:
        body = b"".join(record.data for record in batch)
        key = self._around.prefixes.key(min(record.arrival_ms for record in batch), keys)
        if self._compressed:
            key, body = key + ".gz", gzip.compress(body)
        self._around.bucket.put(key, body)
