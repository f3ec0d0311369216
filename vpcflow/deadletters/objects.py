"""Dead letters in S3: each `put` is one object of JSON lines.

The key is made from what is in the object, so that the same letters, put again after a crash, overwrite it. A PUT is durable
when S3 has answered: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from gzip import GzipFile
from hashlib import blake2b
from typing import Any, BinaryIO, cast

from vpcflow.aws import explained
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import DeadLetterError

__all__ = ["ObjectDeadLetters", "ObjectShelf", "ObjectShelves", "object_key"]

_HINT = "deadletters.bucket"
_SUFFIX = ".jsonl"
_KEY_BYTES = 16


def object_key(prefix: str, entries: Sequence[DeadLetter], *, attempts: int = 1) -> str:
    """Return `<prefix>/YYYY/MM/DD/<32 hexadecimal characters>.jsonl`: the day when the first of them was seen first.

    attempts: over 1 it makes another key: of one who puts a letter that failed again, and then takes the older object away.
    """
    digest = blake2b(digest_size=_KEY_BYTES)
    for entry in entries:
        digest.update(entry.id.encode())
    if attempts > 1:
        digest.update(str(attempts).encode())
    day = datetime.fromtimestamp(entries[0].first_seen_ms / 1000, UTC).strftime("%Y/%m/%d")
    return "/".join(filter(None, (prefix.strip("/"), day, f"{digest.hexdigest()}{_SUFFIX}")))


class ObjectDeadLetters:
    """Dead letters in a bucket."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:  # noqa: ANN401 - boto3 has no types
        """Keep the client; nothing is asked."""
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    def put(self, *entries: DeadLetter) -> None:
        """Write one object, see `DeadLetters.put`."""
        if entries:
            self.place(entries)

    def place(self, entries: Sequence[DeadLetter], *, attempts: int = 1) -> str:
        """Write one object and return its URL, `s3://bucket/key`; `attempts`: see `object_key`. Raises DeadLetterError."""
        key = object_key(self._prefix, entries, attempts=attempts)
        url = f"s3://{self._bucket}/{key}"
        body = b"".join(entry.to_json() for entry in entries)
        with explained(f"dead letters: {url}", _HINT):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/x-ndjson")
        return url

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()


class ObjectShelf:
    """One object."""

    def __init__(self, s3: Any, bucket: str, key: str, *, max_bytes: int) -> None:  # noqa: ANN401
        """Keep the address; nothing is asked. `max_bytes`: what it may expand to."""
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._max_bytes = max_bytes
        self.where = f"s3://{bucket}/{key}"

    def letters(self) -> Iterator[tuple[int, DeadLetter | Unreadable]]:
        """Yield each line; its place is its number, from 1."""
        for number, line in enumerate(self._lines(), start=1):
            try:
                yield number, DeadLetter.from_json(line)
            except ValueError as error:
                yield number, Unreadable(f"{self.where}:{number}", str(error))

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Overwrite the object, or delete it when nothing is left in it."""
        if not changes:
            return
        body = b"".join(
            b"".join(one.to_json() for one in changes[number]) if number in changes else line
            for number, line in enumerate(self._lines(), start=1)
        )
        with explained(self.where, _HINT):
            if body:
                if self._key.endswith(".gz"):
                    body = _gzipped(body)
                self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=body)
            else:
                self._s3.delete_object(Bucket=self._bucket, Key=self._key)

    def _lines(self) -> list[bytes]:
        with explained(self.where, _HINT):
            body = self._s3.get_object(Bucket=self._bucket, Key=self._key)["Body"]
            file = cast("BinaryIO", GzipFile(fileobj=body)) if self._key.endswith(".gz") else body
            try:
                data: bytes = file.read(self._max_bytes + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise DeadLetterError(f"{self.where}: damaged gzip: {error}; mend or move it") from error
        if len(data) > self._max_bytes:
            raise DeadLetterError(f"{self.where}: over limits.max_inflated_bytes ({self._max_bytes}); raise it")
        return data.splitlines(keepends=True)


class ObjectShelves:
    """The objects below a prefix, in the order of their keys."""

    def __init__(self, s3: Any, bucket: str, prefix: str, *, max_bytes: int) -> None:  # noqa: ANN401
        """Keep the client; nothing is asked."""
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._max_bytes = max_bytes

    def shelves(self) -> Iterator[ObjectShelf]:
        """Yield them."""
        with explained(f"s3://{self._bucket}/{self._prefix}", _HINT):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                for found in page.get("Contents", ()):
                    if found["Key"].removesuffix(".gz").endswith(_SUFFIX):
                        yield ObjectShelf(self._s3, self._bucket, found["Key"], max_bytes=self._max_bytes)

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()


def _gzipped(body: bytes) -> bytes:
    out = io.BytesIO()
    with GzipFile(fileobj=out, mode="wb", mtime=0) as file:
        file.write(body)
    return out.getvalue()
