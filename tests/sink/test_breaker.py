"""The circuit breaker, and what a delivery makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from vpcflow.clock import FakeClock
from vpcflow.errors import SinkRefused, SinkUnavailable, Stopped
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally
from vpcflow.retry import RetryPolicy
from vpcflow.sink.abstract import Overloaded, Sink
from vpcflow.sink.breaker import Breaker, CircuitOpen
from vpcflow.sink.delivery import Delivery
from vpcflow.sink.memory import Fault, FaultySink, MemorySink
from vpcflow.sink.window import Window
from vpcflow.types import Answer, Bulk, ItemError, Outcome

AWAY = SinkUnavailable("away")


def bulk(*names: int | str) -> Bulk:
    items = [f'{{"create":{{"_id":"{name}"}}}}\n{{"@timestamp":1}}\n' for name in names]
    return Bulk("".join(items).encode(), len(items))


def breaker(clock: FakeClock, failures: int = 3) -> Breaker:
    return Breaker(failures=failures, initial_seconds=1, max_seconds=8, clock=clock, jitter=lambda: 1.0)


def opened(clock: FakeClock) -> Breaker:
    one = breaker(clock)
    for _ in range(3):
        assert one.admit() is False
        one.failed("away", probe=False)
    return one


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    one = breaker(FakeClock())
    for _ in range(2):
        one.failed("away", probe=False)
    one.answered()
    for _ in range(2):
        one.failed("away", probe=False)
    assert one.admit() is False
    one.failed("away", probe=False)
    with pytest.raises(CircuitOpen, match="away") as caught:
        one.admit()
    assert caught.value.retry_after == 1


def test_one_probe_at_a_time_and_never_before_its_time() -> None:
    clock = FakeClock()
    one = opened(clock)
    clock.advance(1)
    assert one.admit() is True
    with pytest.raises(CircuitOpen):
        one.admit()
    one.failed("still away", probe=True)
    with pytest.raises(CircuitOpen, match="still away") as caught:
        one.admit()
    assert caught.value.retry_after == 2


def test_waits_before_probes_double_up_to_their_bound() -> None:
    clock = FakeClock()
    one = opened(clock)
    waits = []
    for _ in range(6):
        with pytest.raises(CircuitOpen) as caught:
            one.admit()
        waits.append(caught.value.retry_after)
        clock.advance(caught.value.retry_after or 0)
        assert one.admit() is True
        one.failed("away", probe=True)
    assert waits == [1, 2, 4, 8, 8, 8]


def test_an_answer_closes_it_and_is_news() -> None:
    clock = FakeClock()
    one = opened(clock)
    clock.advance(1)
    one.admit()
    one.answered()
    assert one.recoveries == 1
    assert one.admit() is False
    one.answered()
    assert one.recoveries == 1


def test_a_probe_that_tells_nothing_lets_another_one_go() -> None:
    clock = FakeClock()
    one = opened(clock)
    clock.advance(1)
    one.admit()
    one.neither(probe=False)
    with pytest.raises(CircuitOpen):
        one.admit()
    one.neither(probe=True)
    assert one.admit() is True


def test_a_probe_that_fails_after_a_late_answer_is_one_failure_like_any() -> None:
    clock, tally = FakeClock(), Tally()
    one = Breaker(failures=3, initial_seconds=1, max_seconds=8, clock=clock, meters=tally)
    for _ in range(3):
        one.failed("away", probe=False)
    clock.sleep(10)
    assert one.admit() is True
    one.answered()  # to a request that was sent before it opened
    one.failed("away", probe=True)
    assert one.admit() is False
    one.failed("away", probe=False)
    assert one.admit() is False
    one.failed("away", probe=False)
    with pytest.raises(CircuitOpen):
        one.admit()
    assert tally.snapshot().value(catalog.BREAKER_OPEN) == 1


def deliver(sink: Sink, clock: FakeClock, *bodies: Bulk, stop: Callable[[], bool] = lambda: False) -> list[Answer]:
    delivery = Delivery(
        sink,
        RetryPolicy(initial_seconds=1, max_seconds=8),
        clock,
        stop,
        lambda _reason, _seconds: None,
        window=Window(4),
        breaker=breaker(clock),
    )
    return [delivery.deliver(body) for body in bodies]


def test_a_dead_engine_is_probed_with_one_document() -> None:
    sink = FaultySink(MemorySink(), [Fault(before=AWAY)] * 6)
    (answer,) = deliver(sink, FakeClock(), bulk(*"abcd"))
    assert list(answer.outcomes) == [Outcome.CREATED] * 4
    assert [write.count for write in sink.writes] == [4, 4, 4, 1, 1, 1, 1, 3]


def test_an_engine_that_decides_nothing_is_probed_too() -> None:
    blocked = Fault(items={0: Outcome.RETRYABLE, 1: Outcome.RETRYABLE})
    sink = FaultySink(MemorySink(), [blocked] * 5)
    (answer,) = deliver(sink, FakeClock(), bulk(1, 2))
    assert list(answer.outcomes) == [Outcome.CREATED] * 2
    assert [write.count for write in sink.writes] == [2, 2, 2, 1, 1, 1, 1]


def test_a_block_is_probed_though_it_says_429() -> None:
    class Blocked(MemorySink):
        left = 4

        def write(self, bulk: Bulk) -> Answer:
            self.left -= 1
            if self.left < 0:
                return super().write(bulk)
            full = ItemError(
                status=429, type="cluster_block_exception", reason="disk usage exceeded flood-stage watermark"
            )
            return Answer(outcomes=[Outcome.RETRYABLE] * bulk.count, errors=dict.fromkeys(range(bulk.count), full))

    sink = FaultySink(Blocked(), [])
    deliver(sink, FakeClock(), bulk(1, 2))
    assert [write.count for write in sink.writes] == [2, 2, 2, 1, 1, 1]


def test_an_overloaded_engine_is_no_dead_one() -> None:
    sink = FaultySink(MemorySink(), [Fault(before=Overloaded("429"))] * 8)
    deliver(sink, FakeClock(), bulk(1))
    assert [write.count for write in sink.writes] == [1] * 9


def test_an_overloaded_probe_is_followed_by_another_one() -> None:
    sink = FaultySink(MemorySink(), [Fault(before=AWAY)] * 3 + [Fault(before=Overloaded("429"))])
    deliver(sink, FakeClock(), bulk(1, 2))
    assert [write.count for write in sink.writes] == [2, 2, 2, 1, 1, 1]


def test_a_refused_probe_leaves_no_probe_behind() -> None:
    clock = FakeClock()
    sink = FaultySink(MemorySink(), [Fault(before=AWAY)] * 3 + [Fault(before=SinkRefused("no"))])
    delivery = Delivery(
        sink, RetryPolicy(), clock, lambda: False, lambda _r, _s: None, window=Window(1), breaker=breaker(clock)
    )
    with pytest.raises(SinkRefused):
        delivery.deliver(bulk(1, 2))
    assert list(delivery.deliver(bulk(1, 2)).outcomes) == [Outcome.CREATED] * 2


def test_a_stop_is_heard_while_the_circuit_is_open() -> None:
    clock = FakeClock()
    sink = FaultySink(MemorySink(), [Fault(before=AWAY)] * 1000)
    with pytest.raises(Stopped):
        deliver(sink, clock, bulk(1, 2), stop=lambda: clock.now >= 60)
    assert 60 <= clock.now <= 61
    assert len(sink.writes) < 20


class Gate:
    """Away until it is opened; counts who knocks."""

    def __init__(self) -> None:
        self.memory = MemorySink()
        self.open = False
        self.knocks: list[int] = []

    def write(self, bulk: Bulk) -> Answer:
        self.knocks.append(bulk.count)
        if not self.open:
            raise AWAY
        return self.memory.write(bulk)

    def close(self) -> None:
        pass


def test_many_threads_are_one_probe_and_wake_together() -> None:
    from vpcflow.clock import SystemClock

    clock, gate, tally = SystemClock(), Gate(), Tally()
    one = Breaker(failures=3, initial_seconds=0.05, max_seconds=0.2, clock=clock, meters=tally)
    policy = RetryPolicy(initial_seconds=0.05, max_seconds=30)
    delivery = Delivery(
        gate, policy, clock, lambda: False, lambda _r, _s: None, window=Window(8), breaker=one, meters=tally
    )
    outcomes: list[Outcome] = []

    def send(first: int) -> None:
        outcomes.extend(delivery.deliver(bulk(*range(first, first + 10))).outcomes)

    threads = [threading.Thread(target=send, args=(first,)) for first in range(0, 80, 10)]
    for thread in threads:
        thread.start()
    for _ in range(2_000):
        if gate.knocks.count(1) >= 3:
            break
        clock.sleep(0.01)
    assert tally.snapshot().value(catalog.BREAKER_OPEN) == 1
    assert gate.knocks.count(10) <= 8 + 3  # those that were on their way before it opened
    gate.open = True
    for thread in threads:
        thread.join(20)  # not the 30 seconds that single waits have grown to
    assert outcomes == [Outcome.CREATED] * 80
    assert tally.snapshot().value(catalog.BREAKER_OPEN) == 0
