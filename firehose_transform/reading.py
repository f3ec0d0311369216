"""One record read: its documents, as long as there is room for them, and its bad lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from firehose_transform.opening import Opened
from vpcflow.codec import Decoder
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Meters
from vpcflow.types import Decoded, Undecodable

__all__ = ["LateError", "Reading", "base64_bytes", "read"]


class LateError(Exception):
    """There is no time to go on."""


@dataclass(slots=True)
class Reading:
    """What is known of a record.

    bulk: whether `_bulk` action lines stand before the documents.
    pieces: its documents, newline-terminated; none where they did not fit.
    size: of all of them.
    documents, bad: how many there are; filtered: flows that the filter leaves out.
    undecodable: the first `keep` bad lines, in full.
    """

    bulk: bool
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    fits: bool = True
    documents: int = 0
    bad: int = 0
    filtered: int = 0
    undecodable: list[Undecodable] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    first: str = ""

    def lines(self) -> list[bytes]:
        """Return the documents."""
        lines = b"".join(self.pieces).splitlines()
        return lines[1::2] if self.bulk else lines

    def note(self, chunk: Decoded, keep: int) -> None:
        """Count the chunk, and keep its documents and its bad lines."""
        self.documents += chunk.count
        self.bad += len(chunk.undecodable)
        self.filtered += chunk.filtered
        if self.fits and chunk.count:
            piece = chunk.body if self.bulk else b"\n".join(chunk.body.split(b"\n")[1::2]) + b"\n"
            self.pieces.append(piece)
            self.size += len(piece)
        self.reasons.update(entry.reason.value for entry in chunk.undecodable)
        if chunk.undecodable and not self.first:
            entry = chunk.undecodable[0]
            self.first = f"{entry.position}: {entry.reason}: {entry.message}"
        self.undecodable += chunk.undecodable[: max(0, keep - len(self.undecodable))]


def read(
    opened: Opened,
    decoder: Decoder,
    *,
    bulk: bool,
    fits: Callable[[Reading], bool],
    go_on: bool,
    keep: int,
    expired: Callable[[], bool],
    meters: Meters,
) -> Reading:
    """Decode a record.

    Args:
        opened: the record.
        decoder: with today's options.
        bulk: whether `_bulk` action lines are wanted.
        fits: whether what has been read so far has room in the reply; once it has not, no document is kept any more.
        go_on: read on to the end then, to know all bad lines; else stop.
        keep: how many bad lines are kept.
        expired: whether there is no more time.
        meters: told of lines.

    Raises:
        LateError: the time is over.
    """
    reading = Reading(bulk=bulk)
    for chunk in opened.decoded(decoder):
        if expired():
            raise LateError
        _count(chunk, meters)
        reading.note(chunk, keep)
        if reading.fits and not fits(reading):
            reading.fits, reading.pieces = False, []
        if not reading.fits and not go_on:
            break
    for reason, count in reading.reasons.items():
        meters.count(catalog.UNDECODABLE, count, reason=reason)
    return reading


def base64_bytes(size: int) -> int:
    """Return how long so many bytes are as base64."""
    return (size + 2) // 3 * 4


def _count(chunk: Decoded, meters: Meters) -> None:
    """Count what there was: in CloudWatch each name costs, also one that is always 0."""
    kinds = {
        "document": chunk.count,
        "undecodable": len(chunk.undecodable),
        "control": chunk.control,
        "header": chunk.headers,
        "skipped": chunk.skipped,
        "filtered": chunk.filtered,
    }
    for kind, count in kinds.items():
        if count:
            meters.count(catalog.LINES, count, kind=kind)
