"""Gzip as it streams by: any number of members, twice packed too, damage told apart from the end. See RFC 1952."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

from vpcflow.codec.framing import GZIP_MAGIC, FramingError
from vpcflow.types import Reason

__all__ = ["BrokenError", "inflated"]

_GZIP_WINDOW = 31
_OUT = 262_144
_FIRST_STEP = 1024
_NESTED = 2  # a file that was packed by its producer and once more by its carrier


class BrokenError(FramingError):
    """What came before was given out.

    raw: the first bytes of what is wrong, where it follows a member that is whole; then `whole` is true, and the text before
        it ends where it should.
    """

    def __init__(self, reason: Reason, message: str, *, raw: bytes = b"", whole: bool = False) -> None:
        """Keep what was there beside the words."""
        super().__init__(reason, message)
        self.raw = raw
        self.whole = whole


def inflated(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Yield what the pieces hold, inflated if it is gzip (by its first two bytes), in pieces of some 256 KiB at most.

    Raises BrokenError for damage, for a member that is cut off, and after `limit` bytes if there are more.
    """
    left = limit
    for piece in _unpacked(iter(pieces), _NESTED):
        if len(piece) > left:
            yield piece[:left]
            raise BrokenError(Reason.TOO_LARGE, f"expands beyond objects.max_inflated_bytes ({limit})")
        left -= len(piece)
        yield piece


def _unpacked(pieces: Iterator[bytes], depth: int) -> Iterator[bytes]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= len(GZIP_MAGIC):
            break
    whole = chain([head], pieces) if head else iter(())
    if depth and head and (head.startswith(GZIP_MAGIC) or head == GZIP_MAGIC[:1]):
        yield from _unpacked(_members(whole), depth - 1)
    else:
        yield from whole


def _members(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the contents of gzip members; zeros between and behind them are padding."""
    number, held = 0, b""
    unpacker: zlib._Decompress | None = None
    for piece in pieces:
        at, step = 0, len(piece)
        while at < len(piece):
            if unpacker is None:
                rest = (held + piece[at:]).lstrip(b"\0")
                if len(rest) < len(GZIP_MAGIC) and GZIP_MAGIC.startswith(rest):
                    held = rest
                    break
                if not rest.startswith(GZIP_MAGIC):
                    raise BrokenError(
                        Reason.GZIP, f"what follows gzip member {number} is no gzip", raw=rest, whole=True
                    )
                number += 1
                unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
                piece, at, held = rest, 0, b""  # noqa: PLW2901 - what is left of it
                # What follows a member is copied each time one ends, so many small ones must not be handed all of the rest.
                step = _FIRST_STEP if number > 1 else len(piece)
            portion = piece[at : at + step]
            at += len(portion)
            step *= 2
            yield from _contents(unpacker, portion, number)
            if unpacker.eof:
                at -= len(unpacker.unused_data)
                unpacker = None
    if unpacker is not None:
        yield from _contents(unpacker, b"", number)
        if not unpacker.eof:
            raise BrokenError(Reason.GZIP, f"gzip member {number} is cut off")
    elif held:
        raise BrokenError(Reason.GZIP, f"gzip member {number + 1} is cut off", raw=held, whole=True)


def _contents(unpacker: zlib._Decompress, portion: bytes, number: int) -> Iterator[bytes]:
    """Yield what the portion expands to, with no more of it in memory than one piece."""
    while True:
        # zlib gives nothing of a portion that it finds damage in, and all before the damage counts: so a way back is kept.
        # isal's is faster and has no way back; beside what decoding takes, neither is to be seen.
        before = unpacker.copy()
        try:
            content = unpacker.decompress(portion, _OUT)
        except zlib.error as error:
            yield _before_damage(before, portion)
            raise BrokenError(Reason.GZIP, f"gzip member {number} is damaged ({error})") from error
        if content:
            yield content
        portion = unpacker.unconsumed_tail
        if unpacker.eof or not (portion or content):
            return


def _before_damage(unpacker: zlib._Decompress, portion: bytes) -> bytes:
    found = bytearray()
    try:
        for at in range(len(portion)):
            found += unpacker.decompress(portion[at : at + 1], _OUT)
    except zlib.error:
        pass
    return bytes(found)
