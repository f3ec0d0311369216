"""Ids of documents: fixed vectors. A change here makes every re-delivered event a new document: a breaking release."""

from __future__ import annotations

import json
from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from vpcflow.codec import Decoder
from vpcflow.codec.identity import ALPHABET, event_hashes, origin_key, sortable
from vpcflow.codec.origins import kinesis_origin, s3_origin

KEY = origin_key("cloudwatch", "123456789012", "group", "eni-1-all")


def test_vectors() -> None:
    assert KEY.hex() == "2390e3d1746ecfc3d8e5c4ec095e3e72"
    assert event_hashes(KEY, [b"36", b""]) == ["6GKFWl2bIKZip3gUCt3WT5To", "FKgm4Y4d4NY852fLi6V~iRe~"]
    assert sortable((1_418_530_070_000).to_bytes(6, "big")) == "0Ke6zmsl"


def test_the_scheme_as_its_description_says() -> None:
    text = "vpcflow-id-1" + "".join(f"{len(one)}:{one}" for one in ("cloudwatch", "123456789012", "group", "eni-1-all"))
    assert blake2b(text.encode(), digest_size=16).digest() == KEY
    assert event_hashes(KEY, [b"36"]) == [sortable(blake2b(KEY + b"36", digest_size=18).digest())]


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_two_lists_of_parts_have_two_keys(first: list[str], second: list[str]) -> None:
    assert (origin_key(*first) == origin_key(*second)) is (first == second)


@given(st.binary(min_size=6, max_size=6), st.binary(min_size=6, max_size=6))
def test_text_sorts_as_bytes_do(first: bytes, second: bytes) -> None:
    assert (sortable(first) < sortable(second)) is (first < second)


def test_the_alphabet_needs_no_escape_and_is_sorted() -> None:
    assert len(set(ALPHABET)) == 64
    assert sorted(ALPHABET) == list(ALPHABET)
    assert all(one.isalnum() or one in "_~" for one in ALPHABET)


def test_half_a_surrogate_in_a_name_has_a_key() -> None:
    assert len(origin_key("\ud800")) == 16


def test_14_ids_are_short_and_distinct_however_long_the_names_are() -> None:
    """As long as AWS allows: a stream of 128 characters, a bucket of 63, a key of 1,024 bytes."""
    line = b"2 123456789010 eni-1235b8ca123456789 10.0.0.1 10.0.0.2 1 443 6 20 4249 1418530010 1418530070 ACCEPT OK"
    origins = [
        kinesis_origin(stream="s" * 128, shard="shardId-" + "9" * 12, sequence="9" * 56, subsequence=number)
        for number in range(2)
    ]
    origins += [s3_origin(bucket="b" * 63, key="k" * 1023 + end, etag="e" * 32) for end in "ab"]
    found: list[list[str]] = []
    for _ in range(2):
        bodies = [b"".join(chunk.body for chunk in Decoder().decode(line + b"\n" + line, one)) for one in origins]
        actions = [json.loads(action) for body in bodies for action in body.splitlines()[::2]]
        found.append([action["create"]["_id"] for action in actions])
    assert found[0] == found[1]
    assert len(set(found[0])) == 8
    assert {len(one) for one in found[0]} == {32}
