"""Bytes as they came: gzip by its magic number, any number of members, and a cap on what they expand to."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from vpcflow.types import Reason

_zlib: ModuleType = zlib
with suppress(ImportError):  # the `fast` extra; the result is the same
    _zlib = import_module("isal.isal_zlib")

__all__ = ["GZIP_MAGIC", "FramingError", "members"]

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_FIRST_STEP = 1024
_NESTED = 2  # a payload that was gzipped by its producer and once more by its carrier
_NEVER_A_CROWD = 1_000_000
_BYTES_A_LINE, _BYTES_A_VALUE = 64, 8
_ERRORS: tuple[type[Exception], ...] = (zlib.error, getattr(_zlib, "error", zlib.error))


class FramingError(ValueError):
    """Bytes that do not unpack. Members before the damage were given out already."""

    def __init__(self, reason: Reason, message: str) -> None:
        """Keep the reason beside the words."""
        super().__init__(message)
        self.reason = reason


def members(data: bytes, limit: int) -> Iterator[bytes]:
    """Yield the contents of each gzip member, or the data itself where it is none.

    Raises FramingError for damage, for a truncated member, and when all members together expand beyond `limit` bytes.
    """
    yield from _unpack(data, [limit], limit, _NESTED)


def _unpack(data: bytes, left: list[int], limit: int, depth: int) -> Iterator[bytes]:
    if depth == 0 or not data.startswith(GZIP_MAGIC):
        _refuse_crowd(data, limit)
        yield data
        return
    number = at = 0
    while at < len(data):
        if not data.startswith(GZIP_MAGIC, at):
            if data[at:].strip(b"\0"):  # gzip allows zeros as padding
                raise FramingError(Reason.GZIP, f"{len(data) - at} bytes after gzip member {number} are no gzip")
            return
        number += 1
        content, at = _member(data, at, left[0], limit, number)
        left[0] -= len(content)
        yield from _unpack(content, left, limit, depth - 1)


def _refuse_crowd(content: bytes, limit: int) -> None:
    """Refuse what has hardly any bytes for each line or value: as objects of Python it would be many times as large.

    A flow takes more than a hundred bytes, so this is reached by nothing that is one.
    """
    if len(content) <= _NEVER_A_CROWD:
        return
    most = limit // _BYTES_A_LINE
    if sum(map(content.count, (b"\n", b"{", b"["))) > most or content.count(b",") > limit // _BYTES_A_VALUE:
        message = f"more than {most} lines or objects, one for each {_BYTES_A_LINE} bytes of limits.max_inflated_bytes"
        raise FramingError(Reason.TOO_LARGE, message)


def _member(data: bytes, at: int, room: int, limit: int, number: int) -> tuple[bytes, int]:
    """Return what the member at `at` holds, and where the next one begins."""
    unpacker = _zlib.decompressobj(wbits=_GZIP_WINDOW)
    # What follows a member is copied each time one ends, so many small ones must not be handed all of the rest.
    step = len(data) if number == 1 else _FIRST_STEP
    parts, size, asked_again = [], 0, False
    while not unpacker.eof:
        # All input may have been taken while the trailer is still to be read: ask once more before calling it cut off.
        if at == len(data) and asked_again:
            raise FramingError(Reason.GZIP, f"gzip member {number} is cut off")
        asked_again = at == len(data)
        piece = data[at : at + step]
        at += len(piece)
        step *= 2
        tail = unpacker.unconsumed_tail
        try:
            content = unpacker.decompress(tail + piece if tail else piece, room - size + 1)
        except _ERRORS as error:
            raise FramingError(Reason.GZIP, f"gzip member {number} is damaged ({error})") from error
        parts.append(content)
        size += len(content)
        if size > room:
            raise FramingError(Reason.TOO_LARGE, f"expands beyond limits.max_inflated_bytes ({limit})")
    return b"".join(parts), at - len(unpacker.unused_data)
