"""A Kinesis data stream on simulated time: https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tests.eventsources.emulator import limits
from tests.eventsources.emulator.limits import Refused, within
from vpcflow.clock import FakeClock

ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/"
_RECORD_BYTES = 10 * 1024 * 1024  # https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
_HASHES = 2**128


@dataclass(frozen=True, slots=True)
class Record:
    """arrived: seconds of the clock; arrived_ms: wall clock."""

    sequence: str
    key: str
    data: bytes
    arrived: float
    arrived_ms: int


class Stream:
    """Shards of records, in order of arrival."""

    def __init__(self, name: str, clock: FakeClock, *, shards: int = 1, retention_hours: float = 24) -> None:
        self.retention = retention_hours * 3600
        within("RetentionPeriodHours", self.retention, limits.STREAM_RETENTION_SECONDS)
        self.name, self.arn, self.clock = name, ARN + name, clock
        self.shards: dict[str, list[Record]] = {f"shardId-{number:012}": [] for number in range(shards)}
        self._sequence = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898

    def put(self, data: bytes, key: str = "a key") -> Record:
        """PutRecord: the key's MD5 tells the shard."""
        if len(data) + len(key.encode()) > _RECORD_BYTES:
            raise Refused("InvalidArgumentException", f"a record has {_RECORD_BYTES} bytes at most")
        number = int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big")
        self._sequence += 7
        record = Record(str(self._sequence), key, data, self.clock.monotonic(), self.clock.wall_ms())
        list(self.shards.values())[number * len(self.shards) // _HASHES].append(record)
        return record

    def has_expired(self, record: Record) -> bool:
        """Return whether a record is older than what the stream keeps."""
        return self.clock.monotonic() - record.arrived >= self.retention

    def __len__(self) -> int:
        return sum(map(len, self.shards.values()))
