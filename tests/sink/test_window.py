"""How many requests may be under way."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally
from vpcflow.sink.window import Window


def overload(window: Window) -> None:
    with window.slot() as slot:
        slot.overloaded()


def answer(window: Window) -> None:
    with window.slot():
        pass


def test_a_429_halves_it_and_a_round_of_answers_lets_in_one_more() -> None:
    window = Window(8)
    sizes = []
    for _ in range(5):
        overload(window)
        sizes.append(window.size)
    assert sizes == [4, 2, 1, 1, 1]
    answer(window)
    assert window.size == 2
    answer(window)
    assert window.size == 2
    answer(window)
    assert window.size == 3
    for _ in range(100):
        answer(window)
    assert window.size == 8


def test_requests_that_were_under_way_together_count_as_one_overload() -> None:
    window = Window(8)
    with ExitStack() as together:
        for _ in range(6):
            together.enter_context(window.slot()).overloaded()
    assert window.size == 4
    overload(window)
    assert window.size == 2


def test_a_request_without_an_answer_lets_in_no_more() -> None:
    window = Window(8)
    overload(window)
    for _ in range(20):
        with pytest.raises(ZeroDivisionError), window.slot():
            _ = 1 / 0
    assert window.size == 4


def test_a_failed_request_gives_its_slot_back() -> None:
    window = Window(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), window.slot():
            _ = 1 / 0
    answer(window)


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=40))
def test_never_more_than_the_window_at_once(limit: int, overloads: list[bool]) -> None:
    window = Window(limit)
    lock = threading.Lock()
    now, most = 0, 0

    def request(busy: bool) -> None:  # noqa: FBT001 - a thread's argument
        nonlocal now, most
        with window.slot() as slot:
            with lock:
                now += 1
                most = max(most, now)
            if busy:
                slot.overloaded()
            with lock:
                now -= 1

    threads = [threading.Thread(target=request, args=(busy,)) for busy in overloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert most <= limit
    assert 1 <= window.size <= limit


def test_a_smaller_window_makes_later_ones_wait() -> None:
    window = Window(2)
    entered = threading.Event()

    def second() -> None:
        with window.slot():
            entered.set()

    with window.slot():
        overload(window)
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.05)
    thread.join(60)
    assert entered.is_set()


def test_it_is_measured() -> None:
    tally = Tally()
    window = Window(4, meters=tally)
    with window.slot() as slot:
        assert tally.snapshot().value(catalog.IN_FLIGHT) == 1
        slot.overloaded()
    found = tally.snapshot()
    assert (found.value(catalog.IN_FLIGHT), found.value(catalog.WINDOW)) == (0, 2)
