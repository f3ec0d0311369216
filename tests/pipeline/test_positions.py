"""Settled never passes what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.pipeline.positions import Settlement


def test_the_first_gap_holds_everything_back() -> None:
    settlement = Settlement()
    first, second, third = (settlement.begin((7, n)) for n in range(3))
    third.settle()
    second.settle()
    before, unsettled = settlement.settled, settlement.unsettled
    first.settle()
    assert (before, settlement.settled) == (None, (7, 2))
    assert unsettled == 3
    assert settlement.unsettled == 0


@pytest.mark.parametrize("later", [(4, 9), (5, 0), (5, 1)])
def test_records_come_in_order(later: tuple[int, int]) -> None:
    settlement = Settlement()
    settlement.begin((5, 1))
    with pytest.raises(ValueError, match="comes after"):
        settlement.begin(later)


def test_no_more_parts_are_settled_than_there_are() -> None:
    record = Settlement().begin((1, 0))
    record.add(2)
    with pytest.raises(ValueError, match="3 parts left, not 4"):
        record.settle(4)
    record.settle(3)
    with pytest.raises(ValueError, match="settled already"):
        record.add(1)


@given(parts=st.lists(st.integers(0, 4), min_size=1, max_size=20), data=st.data())
def test_any_order(parts: list[int], data: st.DataObject) -> None:
    settlement = Settlement()
    records = [settlement.begin((n, 0)) for n in range(len(parts))]
    for record, count in zip(records, parts, strict=True):
        record.add(count)
    left = [count + 1 for count in parts]
    order = data.draw(st.permutations([n for n, count in enumerate(left) for _ in range(count)]))
    for n in order:
        records[n].settle()
        left[n] -= 1
        done = next((index for index, count in enumerate(left) if count), len(left))
        assert settlement.settled == ((done - 1, 0) if done else None)
