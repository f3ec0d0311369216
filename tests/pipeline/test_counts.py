"""Storms, and things that are said once."""

from __future__ import annotations

from vpcflow.pipeline.counts import Once, Storm


def test_a_storm_needs_a_full_window() -> None:
    storm = Storm(window=100, fraction=0.5)
    assert storm.note(99, 99) == ""
    assert storm.note(1, 1) == "100 of 100"


def test_good_ones_in_between_are_counted() -> None:
    storm = Storm(window=100, fraction=0.5)
    assert all(storm.note(10, 5) == "" for _ in range(50))
    assert storm.note(10, 6) == "51 of 100"


def test_what_was_long_ago_does_not_hide_a_storm() -> None:
    storm = Storm(window=100, fraction=0.5)
    for _ in range(1_000):
        storm.note(10, 0)
    verdicts = [storm.note(10, 10) for _ in range(10)]
    assert verdicts[-1]
    assert not any(verdicts[:5])


def test_a_storm_that_passed_is_forgotten() -> None:
    storm = Storm(window=100, fraction=0.5)
    storm.note(100, 100)
    assert storm.note(1_000, 0) == ""
    assert storm.note(100, 50) == ""


def test_off() -> None:
    storm = Storm(window=1, fraction=1)
    assert not any(storm.note(1, 1) for _ in range(100))


def test_once_has_an_end() -> None:
    once = Once(limit=2)
    assert [once.is_new(name) for name in "aabcab"] == [True, False, True, False, False, False]
