"""The retry policy on a clock that never sleeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vpcflow.clock import FakeClock
from vpcflow.errors import CheckpointThrottled, SinkUnavailable, Stopped
from vpcflow.retry import RetryPolicy, sleep_interruptibly


def failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    calls: list[int] = []

    def attempt() -> str:
        calls.append(len(calls))
        if len(calls) <= times:
            raise error
        return "done"

    return attempt, calls


def test_returns_after_failures_and_tells_of_each_wait() -> None:
    attempt, calls = failing(4, SinkUnavailable("away"))
    waits: list[tuple[str, float]] = []
    clock = FakeClock()
    result = RetryPolicy().run(
        attempt, again_on=SinkUnavailable, clock=clock, on_wait=lambda reason, seconds: waits.append((reason, seconds))
    )
    assert result == "done"
    assert len(calls) == 5
    assert [reason for reason, _ in waits] == ["away"] * 4
    assert clock.now == pytest.approx(sum(seconds for _, seconds in waits))


def test_waits_stay_below_their_growing_bounds() -> None:
    attempt, _ = failing(12, SinkUnavailable("away"))
    waits: list[float] = []
    policy = RetryPolicy(initial_seconds=1, max_seconds=20)
    policy.run(attempt, again_on=SinkUnavailable, clock=FakeClock(), on_wait=lambda _reason, s: waits.append(s))
    bounds = [min(20, 2**n) for n in range(12)]
    assert all(wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert max(waits) > 2, "twelve jittered waits that all stay below 2 s are no backoff"


def test_deadline_is_kept_on_the_given_clock() -> None:
    attempt, calls = failing(10_000, SinkUnavailable("away"))
    clock = FakeClock()
    with pytest.raises(SinkUnavailable, match="away"):
        RetryPolicy(deadline_seconds=10).run(attempt, again_on=SinkUnavailable, clock=clock)
    assert clock.now == pytest.approx(10)
    assert len(calls) > 2


def test_no_deadline_waits_without_limit() -> None:
    attempt, calls = failing(3_000, SinkUnavailable("away"))
    clock = FakeClock()
    assert RetryPolicy().run(attempt, again_on=SinkUnavailable, clock=clock) == "done"
    assert clock.now > 3_600
    assert len(calls) == 3_001


def test_a_server_that_asks_for_time_gets_it_up_to_a_cap() -> None:
    for asked, waited in ((17.0, 17.0), (1e9, 300.0)):
        attempt, _ = failing(1, SinkUnavailable("busy", retry_after=asked))
        clock = FakeClock()
        RetryPolicy(initial_seconds=0.01).run(attempt, again_on=SinkUnavailable, clock=clock)
        assert clock.now == pytest.approx(waited)


def test_a_stop_ends_the_wait_within_half_a_second() -> None:
    attempt, calls = failing(10, SinkUnavailable("busy", retry_after=60))
    clock = FakeClock()
    with pytest.raises(Stopped):
        RetryPolicy().run(attempt, again_on=SinkUnavailable, clock=clock, should_stop=lambda: clock.now >= 7.2)
    assert 7.2 <= clock.now <= 7.7
    assert max(clock.sleeps) <= 0.5
    assert len(calls) == 1


def test_a_stop_does_not_prevent_the_first_attempt() -> None:
    attempt, calls = failing(0, SinkUnavailable("never"))
    assert RetryPolicy().run(attempt, again_on=SinkUnavailable, clock=FakeClock(), should_stop=lambda: True) == "done"
    assert len(calls) == 1


def test_other_errors_pass_at_once() -> None:
    attempt, calls = failing(1, CheckpointThrottled("slow"))
    with pytest.raises(CheckpointThrottled):
        RetryPolicy().run(attempt, again_on=SinkUnavailable, clock=FakeClock())
    assert len(calls) == 1


def test_sleep_ends_on_time() -> None:
    clock = FakeClock()
    sleep_interruptibly(1.2, clock=clock, should_stop=lambda: False)
    assert clock.sleeps == pytest.approx([0.5, 0.5, 0.2])
