"""Waiting with an end, and a line on a terminal that says for what."""

from __future__ import annotations

from collections.abc import Callable

from vpcflow.cli.status import StatusLine
from vpcflow.clock import Clock

__all__ = ["Patience"]

_EACH_SECONDS = 10.0


class Patience:
    """once: look once and go on, whatever is seen: nothing really happens."""

    def __init__(self, clock: Clock, *, once: bool = False) -> None:
        """Begin to count the time of the run."""
        self.clock = clock
        self._once = once
        self._status = StatusLine(clock)
        self._began = clock.monotonic()

    def elapsed(self) -> float:
        """Return the seconds since the run began."""
        return self.clock.monotonic() - self._began

    def until(self, what: str, look: Callable[[], bool], *, minutes: float) -> bool:
        """Look every ten seconds; return whether it was seen in time.

        Args:
            what: is waited for, in a few words.
            look: returns True once it is there.
            minutes: that this may take.
        """
        end = self.clock.monotonic() + minutes * 60
        try:
            while not look():
                if self._once:
                    return True
                if self.clock.monotonic() >= end:
                    return False
                left = int(end - self.clock.monotonic())
                self._status.say(f"waiting for {what}, {left // 60}:{left % 60:02d} left")
                self.clock.sleep(_EACH_SECONDS)
            return True
        finally:
            self._status.clear()

    def wait(self, what: str, seconds: float) -> None:
        """Let so much time pass."""
        end = self.clock.monotonic() + seconds
        self.until(what, lambda: self.clock.monotonic() >= end, minutes=seconds / 60)
