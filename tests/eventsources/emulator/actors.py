"""Simulated time: whatever is due first happens first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from vpcflow.clock import FakeClock


class Actor(Protocol):
    """Something that acts at its own moments, in seconds of the clock."""

    def due(self) -> float | None:
        """Return when it acts next; None: never, as things stand."""
        ...

    def step(self) -> None:
        """Act once."""
        ...


class Times:
    """A clock and those who act on it."""

    def __init__(self, clock: FakeClock, *actors: Actor) -> None:
        self.clock, self.actors = clock, actors

    def run_for(self, seconds: float) -> None:
        """Let so many seconds pass, with all that is due in them. A call that takes longer ends later."""
        end = self.clock.monotonic() + seconds
        self._run(lambda moment: moment < end)
        self.clock.advance(max(0.0, end - self.clock.monotonic()))

    def drain(self, *, days: float = 15) -> None:
        """Let time pass until nobody is due any more; fails when that takes longer than AWS keeps anything."""
        end = self.clock.monotonic() + days * 86_400

        def in_time(moment: float) -> bool:
            assert moment <= end, f"work goes on after {days} days"
            return True

        self._run(in_time)

    def _run(self, wanted: Callable[[float], bool]) -> None:
        while (first := self._first()) is not None and wanted(first[0]):
            moment, actor = first
            self.clock.advance(max(0.0, moment - self.clock.monotonic()))
            actor.step()

    def _first(self) -> tuple[float, Actor] | None:
        moments = [(moment, actor) for actor in self.actors if (moment := actor.due()) is not None]
        return min(moments, key=lambda pair: pair[0], default=None)
