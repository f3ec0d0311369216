"""The `_id` of a document: the same event gets the same one on every path.

Scheme 1: 32 characters = 8 for the milliseconds of `@timestamp`, so that ids of one time lie together, + 24 for the first
18 bytes of BLAKE2b over (origin's key, event). The alphabet sorts like the bytes do and needs no escape in JSON or URLs.
Origin of a CloudWatch event: owner, log group, log stream, and the event's own id. AWS promises no uniqueness of event ids
across accounts and groups, so the id alone would let a collision pass for a duplicate.

A change of this scheme makes every re-delivered event a new document: a breaking release. `tests/codec/test_input.py` has
its test vectors.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import blake2b

__all__ = ["ALPHABET", "event_hashes", "origin_key", "sortable"]

_SCHEME = b"vpcflow-id-1"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_SORTABLE = bytes.maketrans(_STANDARD, ALPHABET.encode())
_HASH_BYTES = 18
_HASH_CHARACTERS = 24


def sortable(data: bytes) -> str:
    """Encode bytes (a multiple of 3) with 6 bits a character, so that the text sorts as the bytes do."""
    return b64encode(data).translate(_TO_SORTABLE).decode("ascii")


def origin_key(*parts: str | bytes) -> bytes:
    """Return 16 bytes for an origin. Each part is preceded by its length: no two lists of parts run into one."""
    digest = blake2b(_SCHEME, digest_size=16)
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw) + raw)
    return digest.digest()


def event_hashes(key: bytes, events: Iterable[bytes]) -> list[str]:
    """Return the 24-character hash of each event of one origin."""
    digests = b"".join([blake2b(key + event, digest_size=_HASH_BYTES).digest() for event in events])
    text = sortable(digests)
    return [text[at : at + _HASH_CHARACTERS] for at in range(0, len(text), _HASH_CHARACTERS)]
