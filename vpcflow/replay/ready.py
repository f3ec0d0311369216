"""What our transformation Lambda has Firehose write to S3: documents in the modes `bulk` and `documents`, not yet sent.

They are told by their first line. The index that an action names is where others wanted it: the settings' target counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vpcflow.codec.ready import NotReadyError, ReadyItem, checked, is_ready, ready_items
from vpcflow.codec.stamps import StampCache
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.replay.blobs import DAMAGED, Blob, numbered_lines
from vpcflow.replay.firehose import delivery_origin
from vpcflow.replay.trial import DOCUMENT
from vpcflow.types import Origin

__all__ = ["ReadyShelf", "holds_ready", "ready_shelves"]

_LETTERS = 5_000
_BYTES = 16_000_000


class ReadyShelf:
    """A part of such an object: some thousand documents, so that an object is never held as a whole."""

    def __init__(self, where: str, found: Sequence[DeadLetter | Unreadable]) -> None:
        """Keep the parts."""
        self.where = where
        self._found = found

    def letters(self) -> Iterator[tuple[int, DeadLetter | Unreadable]]:
        """Yield the documents, and what is none."""
        yield from enumerate(self._found)

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Change nothing: the object is somebody's archive."""


def holds_ready(blob: Blob, max_bytes: int) -> bool:
    """Return whether the first line that is not blank is an action or a document. `max_bytes`: of a line."""
    try:
        with blob.opened() as file:
            _, line = next(numbered_lines(file, max_bytes), (0, None))
    except DAMAGED:
        return False
    return line is not None and is_ready(line)


def ready_shelves(blob: Blob, *, arn: str, max_bytes: int) -> Iterator[ReadyShelf]:
    """Yield an object in parts, in its order; the next is read when it is asked for.

    Args:
        blob: one that `holds_ready`.
        arn: of the delivery stream; '' where nobody knows.
        max_bytes: of a line.
    """
    part: list[DeadLetter | Unreadable] = []
    size = 0
    for one in _found(blob, delivery_origin(blob.name, arn, None), max_bytes):
        part.append(one)
        size += len(one.raw) if isinstance(one, DeadLetter) else 0
        if len(part) >= _LETTERS or size >= _BYTES:
            yield ReadyShelf(blob.name, part)
            part, size = [], 0
    if part:
        yield ReadyShelf(blob.name, part)


class _TooLong(Exception):
    """A line is; what follows it is not read."""


def _found(blob: Blob, origin: Origin, max_bytes: int) -> Iterator[DeadLetter | Unreadable]:
    stamps = StampCache()
    try:
        with blob.opened() as file:
            for item in ready_items(_short(numbered_lines(file, max_bytes))):
                try:
                    yield _letter(item, origin, stamps)
                except NotReadyError as error:
                    yield Unreadable(f"{blob.name}:{item.position}", str(error))
    except _TooLong as error:
        yield Unreadable(f"{blob.name}:{error}", f"over limits.max_inflated_bytes ({max_bytes}); raise it")
    except DAMAGED as error:
        yield Unreadable(blob.name, f"cannot be read to its end: {error}")


def _short(lines: Iterable[tuple[int, bytes | None]]) -> Iterator[tuple[int, bytes]]:
    for number, line in lines:
        if line is None:
            raise _TooLong(number)
        yield number, line


def _letter(item: ReadyItem, origin: Origin, stamps: StampCache) -> DeadLetter:
    """Return a document as a letter; it was seen, for all that is known, at its own time. Raises NotReadyError."""
    name, stamp = checked(item, stamps)
    return DeadLetter(
        reason="documents" if item.action is None else "bulk",
        message="not sent yet",
        raw=item.document,
        source=origin.name,
        position=-1,
        first_seen_ms=stamp.ms,
        origin=origin,
        context={DOCUMENT: 1},
        document_id=name,
    )
