"""Time as an argument: the system's clock, and one for tests that never sleeps."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "FakeClock", "SystemClock"]


class Clock(Protocol):
    """Seconds since some start, wall-clock milliseconds since 1970, and a sleep."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def wall_ms(self) -> int:
        """Return milliseconds since 1970-01-01T00:00:00Z."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block for so many seconds."""
        ...


class SystemClock:
    """The real clock."""

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Return the wall clock in milliseconds."""
        return time.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        """Sleep for real."""
        time.sleep(seconds)


class FakeClock:
    """A clock that stands still until somebody sleeps on it or moves it."""

    def __init__(self, *, wall_ms: int = 1_700_000_000_000) -> None:
        """Start at monotonic 0 and the given wall time."""
        self.now = 0.0
        self.sleeps: list[float] = []
        self._wall_ms = wall_ms

    def monotonic(self) -> float:
        """Return the seconds slept or moved so far."""
        return self.now

    def wall_ms(self) -> int:
        """Return the wall time moved by the same seconds."""
        return self._wall_ms + int(self.now * 1000)

    def sleep(self, seconds: float) -> None:
        """Move the clock, note the request, return at once."""
        self.sleeps.append(seconds)
        self.now += seconds

    def advance(self, seconds: float) -> None:
        """Move the clock without a sleep being noted."""
        self.now += seconds
