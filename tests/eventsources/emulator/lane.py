"""What waits in one shard, or in one of its parts where several batches of it are worked on at once."""

from __future__ import annotations

import base64
import json
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.eventsources.emulator import limits
from tests.eventsources.emulator.function import Said
from tests.eventsources.emulator.stream import Record, Stream

_ENVELOPE_BYTES = len('{"Records": []}')


@dataclass(eq=False)
class Batch:
    """Records that are given together until they are done with.

    failures: of the function, as they count for MaximumRetryAttempts. wait: before the next try.
    """

    records: Sequence[Record]
    again: float
    failures: int = 0
    calls: int = 0
    wait: float = limits.THROTTLED_SECONDS[0]
    said: Said | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def put_off(self, now: float) -> None:
        """Let it wait twice as long as before (*assumed*: from 1 s to 5 min)."""
        self.again = now + self.wait
        self.wait = min(self.wait * 2, limits.THROTTLED_SECONDS[1])

    def part(self, records: Sequence[Record]) -> Batch:
        """Return a batch of some of the records, that has been tried as often."""
        return Batch(records, self.again, self.failures, self.calls, self.wait, self.said, self.request_id)


class Lane:
    """Reads a shard from its beginning. number, of: which of its partition keys are its own."""

    def __init__(self, stream: Stream, shard: str, number: int, of: int, *, batch_size: int, window: float) -> None:
        self.stream, self.shard, self.window = stream, shard, window
        self.batches: deque[Batch] = deque()
        self._number, self._of, self._batch_size = number, of, batch_size
        self._read = 0
        self._unread: list[Record] = []
        self._bytes = _ENVELOPE_BYTES
        self._opened: float | None = None

    def due(self) -> float | None:
        """Return when it acts next."""
        if self.batches:
            return self.batches[0].again
        self._fill()
        if not self._unread:
            return None
        now = self.stream.clock.monotonic()
        if self._opened is None:
            self._opened = now
        return now if self._is_full() else self._opened + self.window

    def take(self) -> Batch:
        """Return the batch that is due.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching:
        the window is over, the batch is full, or the event would exceed 6 MB.
        """
        if self.batches:
            return self.batches.popleft()
        size, count = _ENVELOPE_BYTES, 0
        for record in self._unread[: self._batch_size]:
            size += self._size(record)
            if count and size > limits.PAYLOAD_BYTES:
                break
            count += 1
        taken, self._unread = self._unread[:count], self._unread[count:]
        self._bytes = _ENVELOPE_BYTES + sum(map(self._size, self._unread))
        self._opened = None
        return Batch(taken, self.stream.clock.monotonic())

    def again(self, *batches: Batch) -> None:
        """Put batches back in front, in this order."""
        self.batches.extendleft(reversed(batches))

    def event(self, records: Sequence[Record]) -> dict[str, Any]:
        """Return the event of a batch."""
        return {"Records": [self._row(record) for record in records]}

    def _fill(self) -> None:
        records = self.stream.shards[self.shard]
        for record in records[self._read :]:
            if len(self._unread) >= self._batch_size or self._bytes > limits.PAYLOAD_BYTES:
                break
            self._read += 1
            if hash_of(record.key) % self._of == self._number:
                self._unread.append(record)
                self._bytes += self._size(record)

    def _is_full(self) -> bool:
        return len(self._unread) >= self._batch_size or self._bytes > limits.PAYLOAD_BYTES

    def _size(self, record: Record) -> int:
        return len(json.dumps(self._row(record))) + 2

    def _row(self, record: Record) -> dict[str, Any]:
        """Return a record of the event, as on https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html."""
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.key,
                "sequenceNumber": record.sequence,
                "data": base64.b64encode(record.data).decode(),
                "approximateArrivalTimestamp": record.arrived_ms / 1000,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self.shard}:{record.sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/forwarder",
            "awsRegion": "us-east-1",
            "eventSourceARN": self.stream.arn,
        }


def hash_of(key: str) -> int:
    """Return a number that is the same for a key each time."""
    return sum(key.encode())
