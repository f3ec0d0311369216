"""A line on a terminal that says how far things are; nothing elsewhere, and nothing about what is done at once."""

from __future__ import annotations

import sys
from collections.abc import Callable

from vpcflow.clock import Clock

__all__ = ["StatusLine"]

_SECONDS = 0.5


class StatusLine:
    """On stderr. shown: whether that is a terminal."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing on the screen."""
        self.shown = sys.stderr.isatty()
        self._clock = clock
        self._last = clock.monotonic()
        self._there = False

    def tell(self, words: Callable[[], str]) -> None:
        """Say how far things are, twice a second at most."""
        now = self._clock.monotonic()
        if self.shown and now - self._last >= _SECONDS:
            self._last = now
            self.say(words())

    def say(self, text: str) -> None:
        """Say something now."""
        if self.shown:
            self._there = True
            self._write(f"\r{text}\x1b[K")

    def clear(self) -> None:
        """Leave nothing on the screen."""
        if self._there:
            self._there = False
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # the terminal is gone, what is done there is not
            self.shown = False
