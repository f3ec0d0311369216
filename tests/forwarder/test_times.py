from __future__ import annotations

import pytest

from forwarder.times import LAMBDA_SECONDS, Times, bounded, request_seconds
from tests.forwarder.scene import Context
from vpcflow.clock import FakeClock
from vpcflow.settings.model import Settings


def test_the_margin_is_kept_for_settling_and_for_the_answer() -> None:
    clock = FakeClock()
    times = Times(clock, Context(60.0), 20.0)
    assert not times.is_over()
    clock.advance(39.9)
    assert not times.is_over()
    clock.advance(0.2)
    assert times.is_over()
    assert times.settle_seconds == pytest.approx(11.9)
    clock.advance(12.0)
    assert times.settle_seconds == 0.0
    assert times.left == pytest.approx(7.9)


def test_half_of_the_time_is_the_largest_margin() -> None:
    clock = FakeClock()
    times = Times(clock, Context(4.0), 20.0)
    assert times.margin == 2.0
    assert not times.is_over()
    clock.advance(2.0)
    assert times.is_over()
    assert times.settle_seconds == pytest.approx(1.2)


def test_without_a_context_there_is_as_much_as_lambda_gives() -> None:
    assert Times(FakeClock(), None, 20.0).left == LAMBDA_SECONDS
    assert Times(FakeClock(), Context(10_000.0), 20.0).left == LAMBDA_SECONDS


@pytest.mark.parametrize("seconds", [0.5, 3.0, 10.0, 60.0, 900.0])
def test_a_request_that_is_begun_in_time_is_answered_in_time(seconds: float) -> None:
    clock = FakeClock()
    times = Times(clock, Context(seconds), 20.0)
    clock.advance(seconds - times.margin)  # the last moment at which one may begin
    assert request_seconds(times.margin, 30.0) <= max(times.settle_seconds, 0.1) + 1e-9


def test_a_shorter_patience_stays() -> None:
    assert request_seconds(20.0, 5.0) == 5.0
    assert bounded(Settings(), 20.0).elasticsearch.request_timeout_seconds == pytest.approx(12.0)
