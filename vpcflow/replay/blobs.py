"""Files and S3 objects, alike: names, and bytes as they are needed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

from vpcflow.aws import explained
from vpcflow.errors import DataError

__all__ = ["DAMAGED", "Blob", "blobs", "numbered_lines"]

DAMAGED = (OSError, EOFError, zlib.error)  # what reading raises where it is the bytes that are wrong

_EX_NOINPUT = 66
_MAGIC = b"\x1f\x8b"
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Blob:
    """name: path or URL; open_raw: gives the bytes as they lie there."""

    name: str
    open_raw: Callable[[], BinaryIO]

    @contextmanager
    def raw(self) -> Iterator[BinaryIO]:
        """Open it as it is."""
        with closing(self.open_raw()) as file:
            yield cast("BinaryIO", BufferedReader(cast("Any", file), _BUFFER))

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open it, unpacked where it is gzip. Reading raises one of `DAMAGED` where that is damaged."""
        with closing(self.open_raw()) as file:
            buffered = BufferedReader(cast("Any", file), _BUFFER)
            packed = buffered.peek(len(_MAGIC)).startswith(_MAGIC)
            yield cast("BinaryIO", gzip.GzipFile(fileobj=buffered)) if packed else cast("BinaryIO", buffered)


class _Body(RawIOBase):
    """The bytes of an object. A connection that breaks is no damage: reading raises DeadLetterError."""

    def __init__(self, name: str, body: Any) -> None:  # noqa: ANN401 - boto3 has no types
        self._name = name
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        with explained(self._name, ""):
            return int(self._body.readinto(buffer))

    def close(self) -> None:
        self._body.close()
        super().close()


def numbered_lines(file: BinaryIO, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line that is not blank, with its number; None for one beyond `max_bytes`, after which nothing is read."""
    number = 0
    while line := file.readline(max_bytes + 1):
        number += 1
        if len(line) > max_bytes:
            yield number, None
            return
        if line.strip():
            yield number, line


def blobs(source: str, s3: Callable[[], Any]) -> Iterator[Blob]:
    """Yield what a source names, in the order of the names.

    Args:
        source: `s3://bucket/prefix`, a file, or a folder with all that is below it.
        s3: makes a client.

    Raises:
        DataError: no such file, no bucket (exit 66).
        DeadLetterError: the bucket cannot be listed.
    """
    if source.startswith("s3://"):
        yield from _objects(source, s3)
        return
    path = Path(source)
    if not path.exists():
        raise DataError(f"{source}: not there; give s3://BUCKET/PREFIX, a file or a folder", exit_code=_EX_NOINPUT)
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    for file in files:
        yield Blob(str(file), lambda file=file: file.open("rb"))  # type: ignore[misc]


def _objects(source: str, s3: Callable[[], Any]) -> Iterator[Blob]:
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not bucket:
        raise DataError(f"{source}: no bucket; give s3://BUCKET/PREFIX", exit_code=_EX_NOINPUT)
    client = s3()

    def opened(key: str) -> BinaryIO:
        name = f"s3://{bucket}/{key}"
        with explained(name, ""):
            return cast("BinaryIO", _Body(name, client.get_object(Bucket=bucket, Key=key)["Body"]))

    with explained(source, ""):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", ()):
                if found["Size"]:
                    key = found["Key"]
                    yield Blob(f"s3://{bucket}/{key}", lambda key=key: opened(key))  # type: ignore[misc]
