"""Memory for the bodies of all requests together, and how a body is unpacked in it."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable

from vpcflow.receiver.protocol import AWAY, BAD_REQUEST, Refusal

__all__ = ["Room", "Share", "inflate"]

_STEP = 1 << 20
_GZIP_WINDOW = 31


class Room:
    """So many bytes, for all."""

    def __init__(self, limit: int) -> None:
        """Begin empty."""
        self._limit = limit
        self._lock = threading.Lock()
        self.used = 0

    def take(self, size: int) -> bool:
        """Take `size` bytes, if they are there."""
        with self._lock:
            if self.used + size > self._limit:
                return False
            self.used += size
            return True

    def give(self, size: int) -> None:
        """Give them back."""
        with self._lock:
            self.used -= size


class Share:
    """What one request has taken. Used by one thread after the other.

    remainder: waits for what still goes on although the request is over; None: nothing does.
    """

    def __init__(self, room: Room) -> None:
        """Begin with nothing."""
        self._room = room
        self._taken = 0
        self.remainder: Callable[[], None] | None = None

    def take(self, size: int) -> None:
        """Take more.

        Raises:
            Refusal: there is no more.
        """
        if not self._room.take(size):
            raise Refusal(AWAY, "busy", "too many bytes of other requests; see receiver.max_buffered_bytes")
        self._taken += size

    def give_back(self) -> None:
        """Give all of it back."""
        self._room.give(self._taken)
        self._taken = 0


def inflate(data: bytes, *, limit: int, share: Share) -> bytes:
    """Return what a gzip body (of one or several members) holds; what it grows to is taken from the share as it grows.

    Raises:
        Refusal: damaged; larger than `limit`; no room.
    """
    parts: list[bytes] = []
    size, rest = 0, data
    while rest:
        unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
        while not unpacker.eof:
            try:
                part = unpacker.decompress(rest, _STEP)
            except zlib.error as error:
                raise Refusal(BAD_REQUEST, "invalid", f"the body is damaged gzip ({error})") from None
            if not part and not unpacker.unconsumed_tail and not unpacker.eof:
                raise Refusal(BAD_REQUEST, "invalid", "the body is gzip that is cut off")
            rest = unpacker.unconsumed_tail
            size += len(part)
            if size > limit:
                raise Refusal(AWAY, "too_large", f"the body unpacks beyond receiver.max_inflated_bytes ({limit})")
            share.take(len(part))
            parts.append(part)
        rest = unpacker.unused_data
    return b"".join(parts)
