"""What went through a pipeline, what became of it, and whether too much of it goes wrong."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Counts", "Once", "Storm"]


@dataclass(slots=True, kw_only=True)
class Counts:
    """Totals since the pipeline was made.

    records: read to their end.
    lines: lines or events, whatever they were.
    documents: decoded; each becomes one of created, duplicate, diverted, rejected once it is delivered.
    undecodable: dead letters of lines, or of records without lines.
    control, headers, skipped: see `vpcflow.types.Decoded`.
    bytes: of delivered bodies, before compression.
    """

    records: int = 0
    lines: int = 0
    documents: int = 0
    created: int = 0
    duplicate: int = 0
    diverted: int = 0
    rejected: int = 0
    undecodable: int = 0
    control: int = 0
    headers: int = 0
    skipped: int = 0
    bytes: int = 0


class Storm:
    """Notices when more than a fraction of the latest events is bad.

    Judged over whole steps (a chunk, a body) that together hold at least `window` events: the first `window` events never
    raise an alarm, so up to `fraction * window` bad ones, and one step, get through after each start.
    """

    def __init__(self, *, window: int, fraction: float) -> None:
        """A fraction of 1 or more never alarms."""
        self._window = window
        self._fraction = fraction
        self._steps: deque[tuple[int, int]] = deque()
        self._total = 0
        self._bad = 0

    def note(self, total: int, bad: int) -> str:
        """Take one step into account; return `N of M` where this is a storm, else nothing."""
        self._steps.append((total, bad))
        self._total += total
        self._bad += bad
        while self._total - self._steps[0][0] >= self._window:
            oldest, worst = self._steps.popleft()
            self._total -= oldest
            self._bad -= worst
        storm = self._total >= self._window and self._bad > self._fraction * self._total
        return f"{self._bad} of {self._total}" if storm else ""


class Once:
    """Says of each thing once that it is new; after so many things it says so of none, so that a log has an end."""

    def __init__(self, limit: int = 1_000) -> None:
        """Remember at most `limit` things."""
        self._limit = limit
        self._seen: set[tuple[str, ...]] = set()

    def is_new(self, *thing: str) -> bool:
        """Return whether it is."""
        if thing in self._seen or len(self._seen) >= self._limit:
            return False
        self._seen.add(thing)
        return True
