"""Bodies, compressed by ourselves: the client's own compression is level 9 and costs more than decoding does."""

from __future__ import annotations

import gzip
from collections.abc import Callable

__all__ = ["compress"]

_IGZIP_MAX_LEVEL = 3


def _igzip() -> Callable[[bytes, int], bytes] | None:
    try:
        from isal import igzip
    except ImportError:  # an extra: the standard library does the same, slower
        return None
    fast: Callable[..., bytes] = igzip.compress
    return lambda body, level: fast(body, compresslevel=level, mtime=0)


_FAST = _igzip()


def compress(body: bytes, level: int) -> bytes:
    """Return `body` as gzip of the level (1 to 9), with isal where it is installed and has that level."""
    if _FAST is not None and level <= _IGZIP_MAX_LEVEL:
        return _FAST(body, level)
    return gzip.compress(body, level, mtime=0)
