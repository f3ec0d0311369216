"""Records wait until there are enough of them, or until the first has waited long enough."""

from __future__ import annotations

from collections.abc import Callable

from tests.firehose.emulator.records import Record


class Buffer:
    """Gives batches by size and by time, whichever is met first.

    A batch has at most `max_bytes`, or one record. With `overshoot` it has the record that goes beyond them, too: AWS calls
    its sizes hints (*assumed*: that this is how far they may be from it). `most`, if given: records in a batch.
    """

    def __init__(
        self,
        *,
        max_bytes: float,
        seconds: float,
        now: Callable[[], float],
        most: int | None = None,
        overshoot: bool = False,
    ) -> None:
        self._max_bytes, self._seconds, self._now, self._most = max_bytes, seconds, now, most
        self._overshoot = overshoot
        self._waiting: list[tuple[float, Record]] = []
        self._bytes = 0

    def add(self, record: Record) -> None:
        self._waiting.append((self._now(), record))
        self._bytes += len(record.data)

    def due(self) -> float | None:
        """Return the moment at which a batch is to be taken, or None while nothing waits."""
        if not self._waiting:
            return None
        if self._bytes >= self._max_bytes or (self._most and len(self._waiting) >= self._most):
            return self._now()
        return self._waiting[0][0] + self._seconds

    def take(self) -> list[Record]:
        """Return the next batch; the rest waits on."""
        size = count = 0
        for _, record in self._waiting:
            if count and not self._overshoot and size + len(record.data) > self._max_bytes:
                break
            size, count = size + len(record.data), count + 1
            if size >= self._max_bytes or count == self._most:
                break
        batch = [record for _, record in self._waiting[:count]]
        self._waiting, self._bytes = self._waiting[count:], self._bytes - size
        return batch
