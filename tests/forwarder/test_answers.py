from __future__ import annotations

import pytest

from forwarder.answers import queue_answer, stream_answer


def told(*names: str) -> dict[str, list[dict[str, str]]]:
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


def test_a_queue_gets_back_exactly_what_is_not_settled() -> None:
    assert queue_answer(["a", "b", "c"], [True, False, True], fifo=False) == told("b")
    assert queue_answer(["a", "b"], [False, False], fifo=False) == told("a", "b")
    assert queue_answer(["a", "b"], [True, True], fifo=False) == told()


def test_in_a_fifo_queue_nothing_overtakes_what_failed() -> None:
    assert queue_answer(["a", "b", "c"], [True, False, True], fifo=True) == told("b", "c")
    assert queue_answer(["a", "b", "c"], [True, True, True], fifo=True) == told()


def test_a_stream_begins_again_at_its_lowest_number() -> None:
    assert stream_answer(["9", "10", "11"], [True, False, False]) == told("10")
    assert stream_answer(["10", "9"], [False, False]) == told("9")  # as numbers, not as text
    assert stream_answer(["9"], [True]) == told()


def test_an_outcome_that_is_missing_is_no_success() -> None:
    with pytest.raises(ValueError):
        queue_answer(["a", "b"], [True], fifo=False)
    with pytest.raises(ValueError):
        stream_answer(["1", "2"], [True])
