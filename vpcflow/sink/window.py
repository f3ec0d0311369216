"""How many requests may be under way at once: as many as the engine bears.

Additive increase, multiplicative decrease, as TCP does it: a 429 halves the number, a whole round of answers without one lets
in one more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vpcflow.metrics import catalog
from vpcflow.metrics.meters import UNMETERED, Meters

__all__ = ["Slot", "Window"]


class Slot:
    """The right to have one request under way."""

    __slots__ = ("busy", "round")

    def __init__(self, number: int) -> None:
        """`number`: of the round in which it was given."""
        self.round = number
        self.busy = False

    def overloaded(self) -> None:
        """Say that the engine had no room for the request, or for a part of it."""
        self.busy = True


class Window:
    """Slots for requests, shared by all threads that send to one engine."""

    def __init__(self, limit: int, *, meters: Meters = UNMETERED) -> None:
        """Begin with all of `limit` slots; there is always at least one."""
        self._limit = max(1, limit)
        self._size = self._limit
        self._used = 0
        self._answered = 0  # since the size changed
        self._round = 0  # counts the decreases
        self._changed = threading.Condition()
        self._meters = meters
        meters.set(catalog.WINDOW, self._size)

    @property
    def size(self) -> int:
        """Return how many requests may be under way now."""
        return self._size

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """Hold one slot; wait for it if need be, which takes no longer than the requests that are under way.

        A block that is left by an exception had no answer.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._used < self._size)
            self._used += 1
            slot = Slot(self._round)
            self._meters.set(catalog.IN_FLIGHT, self._used)
        answered = False
        try:
            yield slot
            answered = True
        finally:
            with self._changed:
                self._used -= 1
                self._learn(slot, answered=answered)
                self._meters.set(catalog.IN_FLIGHT, self._used)
                self._meters.set(catalog.WINDOW, self._size)
                self._changed.notify_all()

    def _learn(self, slot: Slot, *, answered: bool) -> None:
        if not slot.busy:
            self._answered += answered
            if self._answered >= self._size and self._size < self._limit:
                self._size += 1
                self._answered = 0
        elif slot.round == self._round:  # requests that were under way together tell of one and the same overload
            self._size = max(1, self._size // 2)
            self._round += 1
            self._answered = 0
