"""Ids of documents: fixed vectors. A change here makes every re-delivered event a new document: a breaking release."""

from __future__ import annotations

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from vpcflow.codec.identity import ALPHABET, event_hashes, origin_key, sortable

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
