"""An object from its reference to its lines, whatever it holds: text, gzip, Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

from vpcflow.clock import Clock
from vpcflow.objects import parquet, text
from vpcflow.objects.block import Block, Damage
from vpcflow.objects.fetching import ObjectReader
from vpcflow.objects.ranged import RangedFile
from vpcflow.objects.reference import ObjectRef

__all__ = ["Bounds", "OpenObject", "open_object"]

_PARQUET_SUFFIX = ".parquet"
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Caps of what is read, in bytes; see the settings `objects.…` and `limits.max_line_bytes`. attempts: see `read`."""

    block_bytes: int = 1_000_000
    max_line_bytes: int = 65_536
    max_inflated_bytes: int = 5_000_000_000
    max_row_group_bytes: int = 512_000_000
    attempts: int = 5


class OpenObject:
    """An object that answered.

    etag: of what is read, without quotes: a part of its lines' ids.
    first_line: where reading begins: that of the resume; 0 if there is none, or it was meant for another object.
    """

    def __init__(self, *, etag: str, first_line: int, found: Iterator[Block | Damage], end: Callable[[], None]) -> None:
        """Keep what was found."""
        self.etag = etag
        self.first_line = first_line
        self._found = found
        self._end = end

    def blocks(self) -> Iterator[Block | Damage]:
        """Yield lines and damage in order, once. Raises as `ObjectReader.chunks` does."""
        return self._found

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what is not read."""
        self._end()


def open_object(
    s3: Any,  # noqa: ANN401 - boto3 has no types
    ref: ObjectRef,
    *,
    bounds: Bounds,
    clock: Clock,
    should_stop: Callable[[], bool] = lambda: False,
) -> OpenObject:
    """Ask for an object, and find out what it holds: Parquet by its key's end or its first bytes, gzip by its first bytes.

    Args:
        s3: see `vpcflow.objects.fetching.s3_client`.
        ref: the object, with a resume or without.
        bounds: caps.
        clock: for waits between requests.
        should_stop: asked before and during these, and while it is read.

    Raises:
        ObjectGone: it is not there.
        ObjectDenied: it may not be read.
        ObjectAway: it could not be had now.
        ConfigError: Parquet, and pyarrow is not installed.
        Stopped: `should_stop` said so.
    """
    reader = ObjectReader(s3, ref, clock=clock, attempts=bounds.attempts, should_stop=should_stop)
    if ref.key.endswith(_PARQUET_SUFFIX):
        return _parquet(reader, ref, bounds)
    reader.open()
    pieces = reader.chunks()
    head = next(pieces, b"")
    if head.startswith(_PARQUET_MAGIC):
        pieces.close()
        return _parquet(reader, ref, bounds)
    line = _first_line(reader, ref)
    found = text.blocks(
        chain([head], pieces),
        block_bytes=bounds.block_bytes,
        max_line_bytes=bounds.max_line_bytes,
        max_inflated_bytes=bounds.max_inflated_bytes,
        from_line=line,
    )
    return OpenObject(etag=reader.etag, first_line=line, found=found, end=pieces.close)


def _parquet(reader: ObjectReader, ref: ObjectRef, bounds: Bounds) -> OpenObject:
    parquet.require(ref.url)
    file = RangedFile(reader)
    line = _first_line(reader, ref)
    found = parquet.blocks(
        file,
        block_bytes=bounds.block_bytes,
        max_line_bytes=bounds.max_line_bytes,
        max_row_group_bytes=bounds.max_row_group_bytes,
        from_line=line,
    )
    return OpenObject(etag=reader.etag, first_line=line, found=found, end=reader.close)


def _first_line(reader: ObjectReader, ref: ObjectRef) -> int:
    return ref.resume.line if ref.resume and not reader.changed else 0
