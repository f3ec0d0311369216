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

    bodies: `_bulk` bodies of its chunks; none where they did not fit.
    documents, bad: how many there are.
    document_bytes, bulk_bytes: of all of them, newlines included.
    undecodable: the first `keep` bad lines, in full.
    """

    bodies: list[bytes] = field(default_factory=list)
    fits: bool = True
    documents: int = 0
    bad: int = 0
    document_bytes: int = 0
    bulk_bytes: int = 0
    undecodable: list[Undecodable] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    first: str = ""

    def lines(self) -> list[bytes]:
        """Return the documents."""
        return [line for body in self.bodies for line in body.split(b"\n")[1::2]]

    def note(self, chunk: Decoded, keep: int) -> None:
        """Count the chunk, and keep its bad lines."""
        self.documents += chunk.count
        self.bad += len(chunk.undecodable)
        self.bulk_bytes += len(chunk.body)
        self.document_bytes += _document_bytes(chunk.body)
        self.reasons.update(entry.reason.value for entry in chunk.undecodable)
        if chunk.undecodable and not self.first:
            entry = chunk.undecodable[0]
            self.first = f"{entry.position}: {entry.reason}: {entry.message}"
        self.undecodable += chunk.undecodable[: max(0, keep - len(self.undecodable))]


def read(
    opened: Opened,
    decoder: Decoder,
    *,
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
        fits: whether what has been read so far has room in the reply; once it has not, no document is kept any more.
        go_on: read on to the end then, to know all bad lines; else stop.
        keep: how many bad lines are kept.
        expired: whether there is no more time.
        meters: told of lines.

    Raises:
        LateError: the time is over.
    """
    reading = Reading()
    for chunk in opened.decoded(decoder):
        if expired():
            raise LateError
        _count(chunk, meters)
        reading.note(chunk, keep)
        if reading.fits and chunk.body:
            reading.bodies.append(chunk.body)
            if not fits(reading):
                reading.fits, reading.bodies = False, []
        if not reading.fits and not go_on:
            break
    for reason, count in reading.reasons.items():
        meters.count(catalog.UNDECODABLE, count, reason=reason)
    return reading


def base64_bytes(size: int) -> int:
    """Return how long so many bytes are as base64."""
    return (size + 2) // 3 * 4


def _document_bytes(body: bytes) -> int:
    return sum(len(line) + 1 for line in body.split(b"\n")[1::2])


def _count(chunk: Decoded, meters: Meters) -> None:
    """Count what there was: in CloudWatch each name costs, also one that is always 0."""
    kinds = {
        "document": chunk.count,
        "undecodable": len(chunk.undecodable),
        "control": chunk.control,
        "header": chunk.headers,
        "skipped": chunk.skipped,
    }
    for kind, count in kinds.items():
        if count:
            meters.count(catalog.LINES, count, kind=kind)
