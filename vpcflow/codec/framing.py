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
_NESTED = 2  # a payload that was gzipped by its producer and once more by its carrier
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
        yield data
        return
    number = 0
    while data:
        if not data.startswith(GZIP_MAGIC):
            if data.strip(b"\0"):  # gzip allows zeros as padding
                raise FramingError(Reason.GZIP, f"{len(data)} bytes after gzip member {number} are no gzip")
            return
        number += 1
        content, data = _member(data, left[0], limit, number)
        if depth == 1 or not content.startswith(GZIP_MAGIC):
            left[0] -= len(content)
        yield from _unpack(content, left, limit, depth - 1)


def _member(data: bytes, room: int, limit: int, number: int) -> tuple[bytes, bytes]:
    unpacker = _zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        content = unpacker.decompress(data, room + 1)
    except _ERRORS as error:
        raise FramingError(Reason.GZIP, f"gzip member {number} is damaged ({error})") from error
    if len(content) > room:
        raise FramingError(Reason.TOO_LARGE, f"expands beyond limits.max_inflated_bytes ({limit})")
    if not unpacker.eof:
        # All input may have been taken while the trailer is still to be read: ask once more before calling it cut off.
        try:
            content += unpacker.decompress(unpacker.unconsumed_tail, room + 1)
        except _ERRORS as error:
            raise FramingError(Reason.GZIP, f"gzip member {number} is damaged ({error})") from error
        if len(content) > room:
            raise FramingError(Reason.TOO_LARGE, f"expands beyond limits.max_inflated_bytes ({limit})")
        if not unpacker.eof:
            raise FramingError(Reason.GZIP, f"gzip member {number} is cut off")
    return bytes(content), bytes(unpacker.unused_data)
