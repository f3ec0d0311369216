"""What went through a pipeline, what became of it, and whether too much of it goes wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from vpcflow.clock import Clock
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Meters

__all__ = ["Counts", "Gauges", "Once", "Publisher", "Storm"]

_PUBLISH_SECONDS = 1.0
_KINDS = {
    "documents": "document",
    "undecodable": "undecodable",
    "control": "control",
    "headers": "header",
    "skipped": "skipped",
    "filtered": "filtered",
}
_OUTCOMES = ("created", "duplicate", "diverted", "rejected")


@dataclass(slots=True, kw_only=True)
class Counts:
    """Totals since the pipeline was made.

    records: read to their end.
    lines: lines or events, whatever they were.
    documents: decoded; each becomes one of created, duplicate, diverted, rejected once it is delivered.
    undecodable: dead letters of lines, or of records without lines.
    control, headers, skipped, filtered: see `vpcflow.types.Decoded`.
    bytes: of delivered bodies, before compression.
    wire_bytes: of the requests that were answered, as they were sent.
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
    filtered: int = 0
    bytes: int = 0
    wire_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """What a pipeline holds at one moment: gathered or returned, under way, and not settled."""

    buffer_documents: int
    buffer_bytes: int
    in_flight_bytes: int
    unsettled: int


class Publisher:
    """Tells meters what changed, about once a second: counting each record there would cost more than decoding it."""

    def __init__(self, meters: Meters, clock: Clock) -> None:
        """Nothing is told yet."""
        self._meters = meters
        self._clock = clock
        self._told = Counts()
        self._last = clock.monotonic()

    def publish_if_due(self, counts: Counts, gauges: Callable[[], Gauges]) -> None:
        """Publish if the last time is a second ago."""
        if self._clock.monotonic() - self._last >= _PUBLISH_SECONDS:
            self.publish(counts, gauges())

    def publish(self, counts: Counts, gauges: Gauges) -> None:
        """Tell what was counted since the last time, and what is held now."""
        self._last = self._clock.monotonic()
        told, self._told = self._told, replace(counts)
        self._meters.count(catalog.RECORDS, counts.records - told.records)
        for name, kind in _KINDS.items():
            self._meters.count(catalog.LINES, getattr(counts, name) - getattr(told, name), kind=kind)
        for outcome in _OUTCOMES:
            self._meters.count(catalog.DOCUMENTS, getattr(counts, outcome) - getattr(told, outcome), outcome=outcome)
        self._meters.count(catalog.BODY_BYTES, counts.bytes - told.bytes)
        self._meters.count(catalog.WIRE_BYTES, counts.wire_bytes - told.wire_bytes)
        self._meters.set(catalog.BUFFER_DOCUMENTS, gauges.buffer_documents)
        self._meters.set(catalog.BUFFER_BYTES, gauges.buffer_bytes)
        self._meters.set(catalog.IN_FLIGHT_BYTES, gauges.in_flight_bytes)
        self._meters.set(catalog.UNSETTLED, gauges.unsettled)


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
