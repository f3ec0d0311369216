"""Which records are settled: the highest position such that it and everything before it is."""

from __future__ import annotations

from collections import deque

__all__ = ["Pending", "Position", "Settlement"]

Position = tuple[int, int]  # sequence number, number of the user record in an aggregated one


class Pending:
    """One record with parts that are not settled yet. Begins with one: that it is still being read."""

    __slots__ = ("parts", "position")

    def __init__(self, position: Position) -> None:
        """Begin with the part that stands for reading."""
        self.position = position
        self.parts = 1

    def add(self, parts: int) -> None:
        """Add so many parts; only while the record is being read, or the count could have met zero before."""
        if self.parts <= 0:
            raise ValueError(f"record {self.position} is settled already")
        self.parts += parts

    def settle(self, parts: int = 1) -> None:
        """Settle so many parts."""
        if parts > self.parts:
            raise ValueError(f"record {self.position} has {self.parts} parts left, not {parts}")
        self.parts -= parts


class Settlement:
    """Records in the order they came. Forgets them once they and all before them are settled."""

    def __init__(self) -> None:
        """Start with no record."""
        self._waiting: deque[Pending] = deque()
        self._last: Position | None = None
        self._settled: Position | None = None

    def begin(self, position: Position) -> Pending:
        """Register the next record.

        Raises:
            ValueError: it does not come after the one before.
        """
        if self._last is not None and position <= self._last:
            raise ValueError(f"record {position} comes after {self._last}")
        self._last = position
        pending = Pending(position)
        self._waiting.append(pending)
        return pending

    @property
    def settled(self) -> Position | None:
        """Return the position that may be checkpointed; None before the first. It never goes back."""
        self.forget()
        return self._settled

    @property
    def unsettled(self) -> int:
        """Return how many records are not settled, or come after one that is not."""
        self.forget()
        return len(self._waiting)

    def open(self) -> list[Position]:
        """Return the positions of the records that are not settled themselves, whatever stands before them."""
        self.forget()
        return [pending.position for pending in self._waiting if pending.parts]

    def forget(self) -> None:
        """Drop what is settled from the front; without it a long run that nobody asks would remember everything."""
        while self._waiting and self._waiting[0].parts == 0:
            self._settled = self._waiting.popleft().position
