"""Aggregated Kinesis records, against the library that AWS has for them (`aws_kinesis_agg`)."""

from __future__ import annotations

import base64
from hashlib import md5
from typing import Any

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records, messages_pb2
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.codec.aggregation import AggregationError, user_records

MAGIC = b"\xf3\x89\x9a\xc2"
LINE = b"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"


def sealed(message: bytes) -> bytes:
    return MAGIC + message + md5(message, usedforsecurity=False).digest()


def length(content: bytes) -> bytes:
    size, number = b"", len(content)
    while number >= 0x80:
        size, number = size + bytes([number & 0x7F | 0x80]), number >> 7
    return size + bytes([number]) + content


def record(data: bytes = LINE, *, before: bytes = b"", after: bytes = b"") -> bytes:
    return b"\x1a" + length(before + b"\x08\x00\x1a" + length(data) + after)


def oracle(data: bytes) -> list[bytes]:
    event = {
        "kinesis": {
            "data": base64.b64encode(data),
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 1.0,
        }
    }
    found: list[dict[str, Any]] = deaggregate_records([event])
    for number, one in enumerate(found):
        assert one["kinesis"].get("subSequenceNumber", 0) == number
    return [base64.b64decode(one["kinesis"]["data"]) for one in found]


KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256)
HASH_KEYS = st.none() | st.integers(0, 2**128 - 1).map(str)


@given(st.lists(st.tuples(KEYS, HASH_KEYS, st.binary(max_size=300)), min_size=1, max_size=20))
def test_what_the_library_packs_we_unpack(records: list[tuple[str, str | None, bytes]]) -> None:
    packer = RecordAggregator()
    for key, hash_key, data in records:
        assert packer.add_user_record(key, data, hash_key) is None
    _, _, packed = packer.clear_and_get().get_contents()
    assert user_records(packed) == [data for _, _, data in records]
    assert user_records(packed) == oracle(packed)


MESSAGES = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.binary(max_size=8).map(record),
        st.binary(max_size=8).map(lambda more: record(after=more)),
        st.binary(max_size=8).map(lambda more: record(before=more)),
        st.sampled_from([b"\x0a\x01k", b"\x12\x017", b"\x23\x08\x01\x24", b"\x25abcd", b"\x21abcdefgh", b"\x18\x07"]),
    ),
    max_size=5,
).map(b"".join)


@given(MESSAGES)
def test_a_message_is_read_as_protobuf_reads_it(message: bytes) -> None:
    """Texts aside: whether keys are UTF-8 is nothing to us."""
    known = messages_pb2.AggregatedRecord()
    expected: list[bytes] | None = None
    try:
        known.ParseFromString(message)
        required = [one.HasField("data") and one.HasField("partition_key_index") for one in known.records]
        expected = [one.data for one in known.records] if all(required) else None
    except DecodeError as error:
        if "UTF-8" in str(error):
            return
    if not message:
        assert user_records(sealed(message)) is None
    elif expected is None:
        with pytest.raises(AggregationError):
            user_records(sealed(message))
    else:
        assert user_records(sealed(message)) == expected


@given(st.lists(st.binary(max_size=20), max_size=4), st.data())
def test_any_damage_makes_it_an_ordinary_record(parts: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(sealed(b"\x0a\x01k" + b"".join(map(record, parts))))
    assert user_records(bytes(whole)) == parts
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    assert user_records(bytes(whole)) is None
    assert user_records(bytes(whole[:at])) is None


@given(st.binary(max_size=200))
def test_anything_else_is_an_ordinary_record(data: bytes) -> None:
    assert user_records(data) is None
    assert user_records(MAGIC + data) is None


def test_unknown_fields_are_passed_over_wherever_they_stand() -> None:
    strange = b"\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + b"\x7a\x03abc" + b"\x7d1234" + b"\x7912345678"
    tags = b"\x22\x05\x0a\x01k\x12\x00"
    group = b"\x7b" + record(b"not this one") + b"\x7b\x7c\x7c"
    message = strange + record(b"1", before=strange, after=tags) + group + record(b"2", after=group) + strange
    assert user_records(sealed(message)) == [b"1", b"2"]


def test_a_user_record_may_be_empty_or_aggregated_itself() -> None:
    inner = sealed(record())
    assert user_records(sealed(record(b"") + record(inner))) == [b"", inner]


def test_keys_without_records_are_none() -> None:
    assert user_records(sealed(b"\x0a\x01k")) == []


def test_a_large_record() -> None:
    lines = [LINE + b" %d" % number for number in range(90_000)]
    assert user_records(sealed(b"".join(map(record, lines)))) == lines


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\x1a\x02\x08\x00", "user record 0 has no data"),
        (record() + b"\x1a\x03\x1a\x01x", "user record 1 has no partition key"),
        (b"\x1a", "no number"),
        (b"\x1a\x80", "no number"),
        (b"\x18" + b"\xff" * 10 + b"\x01", "no number"),
        (b"\x1a\x05\x08\x00", "ends 3 bytes after its message"),
        (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "after its message"),
        (b"\x1a\x04\x08\x00\x1a\x05", "ends 5 bytes after its message"),
        (b"\x7d123", "ends 1 bytes after"),
        (b"\x7912345", "ends 3 bytes after"),
        (b"\x02\x00", "no field"),
        (b"\x1e", "no field"),
        (b"\xf8\xff\xff\xff\xff\x01\x00", "no field"),
        (b"\x7b", "1 groups are not closed"),
        (b"\x7b\x74", "no field"),
        (b"\x7c", "no field"),
        (b"\x7b" * 101 + b"\x7c" * 101, "no field"),
    ],
)
def test_a_damaged_message_with_a_right_digest_is_no_ordinary_record(message: bytes, words: str) -> None:
    with pytest.raises(AggregationError, match=words):
        user_records(sealed(message))
