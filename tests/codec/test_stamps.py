"""Times: how they are read, how they are written, and the index names made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.codec.stamps import LATEST_MS, StampCache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(0, LATEST_MS))
def test_any_moment_is_written_as_the_calendar_says(ms: int) -> None:
    moment = EPOCH + timedelta(milliseconds=ms)
    stamp = StampCache("flows-{yyyy.MM.dd}-{HH}").of_ms(ms)
    assert stamp.iso == f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
    assert stamp.index_name == f"flows-{moment:%Y.%m.%d}-{moment:%H}"
    assert stamp.ms == ms


@given(st.lists(st.integers(0, LATEST_MS), min_size=2, max_size=2, unique=True))
def test_prefixes_sort_as_times_do(pair: list[int]) -> None:
    stamps = StampCache()
    assert [stamps.of_ms(ms).prefix for ms in sorted(pair)] == sorted(stamps.of_ms(ms).prefix for ms in pair)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("1477913820", 1_477_913_820_000),
        ("99999999999", 99_999_999_999_000),  # eleven digits: seconds
        ("100000000000", 100_000_000_000),  # twelve: milliseconds
        ("1477913820123", 1_477_913_820_123),
        (str(LATEST_MS), LATEST_MS),
    ],
)
def test_seconds_and_milliseconds(text: str, ms: int) -> None:
    assert StampCache()[text].ms == ms


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e9", "٣", " 1", "1 ", str(LATEST_MS + 1), "9" * 16, "9" * 5000])
def test_what_is_no_time(text: str) -> None:
    stamps = StampCache()
    with pytest.raises(ValueError):
        stamps[text]
    assert text not in stamps


@pytest.mark.parametrize("ms", [-1, LATEST_MS + 1, 10**400])
def test_milliseconds_out_of_range(ms: int) -> None:
    with pytest.raises(ValueError):
        StampCache().of_ms(ms)


@pytest.mark.parametrize("name", ["a-{yyyy}-{week}", 'a"-{yyyy}', "a\\{yyyy}", "a b{yyyy}", "a\n{yyyy}", "a*{yyyy}"])
def test_index_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match="index name"):
        StampCache(name)


def test_a_percent_sign_is_no_part() -> None:
    assert StampCache("a%d-{yyyy}").of_ms(0).index_name == "a%d-1970"
