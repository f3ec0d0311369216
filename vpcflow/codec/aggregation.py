"""Aggregated Kinesis records: many user records that the Kinesis Producer Library put into one.

https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md: four bytes of magic, a protobuf message,
the MD5 of that message. The Kinesis Client Library unpacks them by itself; event sources of Lambda do not. A user record's
index in its aggregated record is its subsequence number in both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import md5

__all__ = ["AggregationError", "user_records"]

_MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16

# https://protobuf.dev/programming-guides/encoding/
_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_SIZES = {_FIXED64: 8, _FIXED32: 4, _GROUP: 0, _GROUP_END: 0}
_VARINT_BYTES = 10
_LARGEST_TAG = (1 << 32) - 1
_DEEPEST = 100  # groups in groups: protobuf's own limit

_RECORDS = 3  # in AggregatedRecord
_PARTITION_KEY_INDEX, _DATA, _TAGS = 1, 3, 4  # in Record; the first two are required


class AggregationError(ValueError):
    """An aggregated record, as magic and digest say, whose message cannot be read; `str()` says why."""


def user_records(data: bytes) -> list[bytes] | None:
    """Return the user records of an aggregated record in their order; None where it is an ordinary record.

    One whose digest is wrong is an ordinary record, as for the Kinesis Client Library. Of what is inside nothing is unpacked
    once more. All of them together are no larger than `data`. Unlike in that library, a user record whose hash key belongs
    to another shard is one like the others: it costs none of them.

    Raises:
        AggregationError: the digest is right, and the message is none.
    """
    if not data.startswith(_MAGIC) or len(data) <= len(_MAGIC) + _DIGEST_BYTES:
        return None
    message = data[len(_MAGIC) : -_DIGEST_BYTES]
    if md5(message, usedforsecurity=False).digest() != data[-_DIGEST_BYTES:]:
        return None
    found: list[bytes] = []
    for number, kind, value in _fields(message):
        if number == _RECORDS and kind == _BYTES:
            found.append(_data(value, len(found)))
    return found


def _data(record: bytes, index: int) -> bytes:
    data, has_key = None, False
    for number, kind, value in _fields(record):
        if number == _DATA and kind == _BYTES:
            data = value  # the last one counts, says protobuf
        elif number == _PARTITION_KEY_INDEX and kind == _VARINT:
            has_key = True
        elif number == _TAGS and kind == _BYTES:
            deque(_fields(value), maxlen=0)  # must be readable, then they are let go
    if data is None or not has_key:
        raise AggregationError(f"user record {index} has no {'data' if data is None else 'partition key'}")
    return data


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, wire type and, of those that have a length, value of each field."""
    at = 0
    groups: list[int] = []  # that are open, by number: nobody knows what is in them
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if tag > _LARGEST_TAG or (number == 0 and not groups):
            raise AggregationError(f"no field of protobuf at byte {at}")
        size, at = _size(message, at, kind)
        value, at = message[at : at + size], at + size
        if at > len(message):
            raise AggregationError(f"a field ends {at - len(message)} bytes after its message")
        if kind == _GROUP and len(groups) < _DEEPEST:
            groups.append(number)
        elif kind in (_GROUP, _GROUP_END):
            if kind == _GROUP or not groups or groups.pop() != number:
                raise AggregationError(f"no field of protobuf at byte {at}")
        elif not groups:
            yield number, kind, value
    if groups:
        raise AggregationError(f"{len(groups)} groups are not closed")


def _size(message: bytes, at: int, kind: int) -> tuple[int, int]:
    """Return the size of a value, and where it begins."""
    if kind == _VARINT:
        return 0, _varint(message, at)[1]
    if kind == _BYTES:
        return _varint(message, at)
    if kind in _SIZES:
        return _SIZES[kind], at
    raise AggregationError(f"no field of protobuf at byte {at}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, and the place after it."""
    number = 0
    for index, byte in enumerate(message[at : at + _VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that another one follows
            return number, at + index + 1
    raise AggregationError(f"no number of protobuf at byte {at}")
