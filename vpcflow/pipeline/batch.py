"""What waits to be sent, and where each document of it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vpcflow.pipeline.positions import Pending
from vpcflow.types import Bulk, Decoded, Origin

__all__ = ["Batch", "BatchBounds", "Segment", "Source", "pieces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchBounds:
    """When a batch is sent, whichever comes first; and when so much goes wrong that everything stops.

    max_bytes: body before compression. Only a single document may be larger.
    max_actions: documents in a body.
    max_age_seconds: longest wait of a document for company.
    in_flight: bodies under way at once; 0: the caller itself waits for each.
    max_in_flight_bytes: of all bodies under way, before compression; a single one may be larger.
    storm_window: over at least the last so many lines, or documents, …
    storm_fraction: … more than this part undecodable, or rejected, is a fault of the settings, not of the data. 1: never.
    """

    max_bytes: int = 5_000_000
    max_actions: int = 5_000
    max_age_seconds: float = 1.0
    in_flight: int = 0
    max_in_flight_bytes: int = 32_000_000
    storm_window: int = 1_000
    storm_fraction: float = 0.5

    @property
    def max_unsettled(self) -> int:
        """Return how many records may be read and not settled: as if each were one of the documents that are held."""
        return (self.in_flight + 1) * self.max_actions


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a dead letter says about the record it came from."""

    name: str
    identity: Mapping[str, str | int]
    first_seen_ms: int
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A run of `count` documents of one chunk: those from index `start` in `decoded`, which has no body any more."""

    count: int
    start: int
    decoded: Decoded
    source: Source
    pending: Pending

    def line(self, index: int) -> tuple[bytes, int]:
        """Return the flow-log line of a document of this run, and its place in its record."""
        at = self.start + index
        return self.decoded.messages[at].encode(errors="surrogatepass"), self.decoded.positions[at]


class Batch:
    """Segments in the order they came, and the body that their documents make."""

    def __init__(self) -> None:
        """Start empty."""
        self.segments: list[Segment] = []
        self.bytes = 0
        self.count = 0
        self.since = 0.0
        self._bodies: list[bytes] = []

    def add(self, segment: Segment, body: bytes, *, now: float) -> None:
        """Append; the first one starts the age."""
        if not self.segments:
            self.since = now
        self.segments.append(segment)
        self._bodies.append(body)
        self.bytes += len(body)
        self.count += segment.count

    def has_room(self, bulk: Bulk, bounds: BatchBounds) -> bool:
        """Return whether this much more would be within the bounds."""
        return self.bytes + len(bulk.body) <= bounds.max_bytes and self.count + bulk.count <= bounds.max_actions

    def is_full(self, bounds: BatchBounds) -> bool:
        """Return whether nothing more can come in."""
        return self.bytes >= bounds.max_bytes or self.count >= bounds.max_actions

    def bulk(self) -> Bulk:
        """Return all of it as one body. The pieces are joined once, and then let go."""
        if len(self._bodies) > 1:
            self._bodies = [b"".join(self._bodies)]
        return Bulk(self._bodies[0] if self._bodies else b"", self.count)

    def places(self) -> Sequence[tuple[Segment, int]]:
        """Return, by position in the body, the segment of each document and its index there."""
        return [(segment, index) for segment in self.segments for index in range(segment.count)]


def pieces(bulk: Bulk, bounds: BatchBounds) -> Iterator[Bulk]:
    """Cut a bulk at its items into such that are within the bounds; one of a single document may be larger."""
    if len(bulk.body) <= bounds.max_bytes and bulk.count <= bounds.max_actions:
        yield bulk
        return
    items: list[bytes] = []
    size = 0
    for item in bulk.items():
        if items and (size + len(item) > bounds.max_bytes or len(items) >= bounds.max_actions):
            yield Bulk(b"".join(items), len(items))
            items, size = [], 0
        items.append(item)
        size += len(item)
    if items:
        yield Bulk(b"".join(items), len(items))
