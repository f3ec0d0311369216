"""Waits that grow, with jitter."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Exponential waits between half of and a whole bound that doubles."""

    def __init__(self, first: float = 0.5, most: float = 8.0, *, jitter: Callable[[], float] = random.random) -> None:
        """Begin at `first` seconds; never wait longer than `most`."""
        self._first = first
        self._most = most
        self._jitter = jitter
        self._step = 0

    def next(self) -> float:
        """Return the next wait in seconds."""
        bound = min(self._most, self._first * 2.0**self._step)
        self._step = min(self._step + 1, 32)
        return bound * (0.5 + self._jitter() / 2)

    def reset(self) -> None:
        """Begin again."""
        self._step = 0
