"""Patience: what is sent again, what is split, when it ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.clock import FakeClock
from vpcflow.errors import SinkRefused, SinkUnavailable, Stopped
from vpcflow.retry import RetryPolicy
from vpcflow.sink.abstract import BodyTooLarge, Overloaded, Sink
from vpcflow.sink.breaker import Breaker
from vpcflow.sink.delivery import Delivery
from vpcflow.sink.memory import Fault, FaultySink, MemorySink
from vpcflow.sink.window import Window
from vpcflow.types import Answer, Bulk, ItemError, Outcome

AWAY = SinkUnavailable("away")


def bulk(*names: int | str, extra: str = "") -> Bulk:
    items = [f'{{"create":{{"_id":"{name}"}}}}\n{{"@timestamp":1,"n":"{name}{extra}"}}\n' for name in names]
    return Bulk("".join(items).encode(), len(items))


def delivery(sink: Sink, clock: FakeClock, *, deadline: float = 0, stop_at: float | None = None) -> Delivery:
    return Delivery(
        sink,
        RetryPolicy(deadline_seconds=deadline),
        clock,
        lambda: stop_at is not None and clock.now >= stop_at,
        lambda _reason, _seconds: None,
    )


def test_only_undecided_items_are_sent_again_and_positions_are_kept() -> None:
    memory = MemorySink()
    script = [Fault(items={1: Outcome.RETRYABLE, 3: Outcome.RETRYABLE, 4: Outcome.REJECTED}), Fault(before=AWAY)]
    sink = FaultySink(memory, script)
    answer = delivery(sink, FakeClock()).deliver(bulk(*"abcdea"))
    c = Outcome.CREATED
    assert answer.outcomes == [c, c, c, c, Outcome.REJECTED, Outcome.DUPLICATE]
    assert [write.count for write in sink.writes] == [6, 2, 2]
    assert sink.writes[2] == bulk("b", "d")
    assert set(answer.errors) == {4, 5}
    assert [name for _, name in memory.documents] == ["a", "c", "b", "d"]


def test_a_lost_answer_is_sent_again_and_found_there() -> None:
    sink = FaultySink(MemorySink(), [Fault(after=SinkUnavailable("lost"))])
    answer = delivery(sink, FakeClock()).deliver(bulk(1, 2))
    assert answer.outcomes == [Outcome.DUPLICATE, Outcome.DUPLICATE]


def test_waits_are_told() -> None:
    waits: list[str] = []
    sink = FaultySink(MemorySink(), [Fault(before=AWAY), Fault(items={0: Outcome.RETRYABLE})])
    clock = FakeClock()
    policy = RetryPolicy()
    Delivery(sink, policy, clock, lambda: False, lambda reason, _seconds: waits.append(reason)).deliver(bulk(1, 2))
    assert waits == ["away", "1 documents wait: 0 scripted: retryable"]


def test_deadline() -> None:
    clock = FakeClock()
    sink = FaultySink(MemorySink(), [Fault(before=AWAY)] * 1000)
    with pytest.raises(SinkUnavailable):
        delivery(sink, clock, deadline=20).deliver(bulk(1))
    assert clock.now == pytest.approx(20)


def test_stop_while_waiting() -> None:
    clock = FakeClock()
    sink = FaultySink(MemorySink(), [Fault(before=AWAY)] * 1000)
    with pytest.raises(Stopped):
        delivery(sink, clock, stop_at=5).deliver(bulk(1))
    assert 5 <= clock.now <= 5.5


def test_a_refusal_ends_it_and_the_same_bulk_may_come_again() -> None:
    sink = FaultySink(MemorySink(), [Fault(items={0: Outcome.RETRYABLE}), Fault(before=SinkRefused("no"))])
    patient = delivery(sink, FakeClock())
    with pytest.raises(SinkRefused):
        patient.deliver(bulk(1, 2))
    assert patient.deliver(bulk(1, 2)).outcomes == [Outcome.CREATED, Outcome.DUPLICATE]


def test_too_large_is_split_down_to_one_document() -> None:
    small = len(bulk(1).body)
    memory = MemorySink(max_body_bytes=2 * small)
    patient = delivery(memory, FakeClock())
    mixed = Bulk(bulk(1, 2, 3).body + bulk(4, extra="x" * 500).body + bulk(5).body, 5)
    answer = patient.deliver(mixed)
    c = Outcome.CREATED
    assert answer.outcomes == [c, c, c, Outcome.REJECTED, c]
    assert answer.errors[3].type == "body_too_large"
    assert list(answer.errors) == [3]
    assert max(memory.bodies) <= 2 * small


def test_a_size_that_was_refused_is_not_tried_again() -> None:
    memory = MemorySink(max_body_bytes=len(bulk(11, 12, 13, 14).body))
    sink = FaultySink(memory, [])
    patient = delivery(sink, FakeClock())
    patient.deliver(bulk(*range(10, 18)))
    patient.deliver(bulk(*range(20, 28)))
    assert [write.count for write in sink.writes] == [8, 4, 4, 4, 4]


def test_another_thread_forgets_a_size_meanwhile() -> None:
    class Meanwhile(FakeClock):
        def monotonic(self) -> float:
            patient._refused = None
            return super().monotonic()

    sink = FaultySink(MemorySink(), [])
    patient = delivery(sink, Meanwhile())
    patient._refused = (1, 0.0)
    assert patient._known_too_large(bulk(1, 2))


def test_a_size_that_was_refused_is_tried_again_later() -> None:
    """A proxy between us and the engine may have been wrong for a minute."""
    memory = MemorySink(max_body_bytes=len(bulk(11).body))
    sink = FaultySink(memory, [])
    clock = FakeClock()
    patient = delivery(sink, clock)
    patient.deliver(bulk(10, 11))
    memory._max_body_bytes = 1_000_000
    patient.deliver(bulk(12, 13))
    clock.sleep(601)
    patient.deliver(bulk(14, 15))
    assert [write.count for write in sink.writes] == [2, 1, 1, 1, 1, 2]


def test_a_body_that_is_always_too_much_is_halved() -> None:
    class Small(MemorySink):
        def write(self, bulk: Bulk) -> Answer:
            if bulk.count > 2:
                raise Overloaded("429")
            return super().write(bulk)

    sink = FaultySink(Small(), [])
    answer = delivery(sink, FakeClock()).deliver(bulk(*range(8)))
    assert list(answer.outcomes) == [Outcome.CREATED] * 8
    assert [write.count for write in sink.writes] == [8, 8, 8, 4, 4, 4, 2, 2, 4, 4, 4, 2, 2]


def test_items_that_all_say_429_are_an_overload_of_the_request() -> None:
    class Small(MemorySink):
        def write(self, bulk: Bulk) -> Answer:
            if bulk.count <= 2:
                return super().write(bulk)
            full = ItemError(status=429, type="es_rejected_execution_exception", reason="no room")
            return Answer(outcomes=[Outcome.RETRYABLE] * bulk.count, errors=dict.fromkeys(range(bulk.count), full))

    clock, window = FakeClock(), Window(8)
    sink = FaultySink(Small(), [])
    breaker = Breaker(failures=2, initial_seconds=1, max_seconds=1, clock=clock)
    patient = Delivery(
        sink, RetryPolicy(), clock, lambda: False, lambda _reason, _seconds: None, window=window, breaker=breaker
    )
    assert list(patient.deliver(bulk(*range(8))).outcomes) == [Outcome.CREATED] * 8
    assert [write.count for write in sink.writes] == [8, 8, 8, 4, 4, 4, 2, 2, 4, 4, 4, 2, 2]
    assert window.size < 8
    assert breaker.recoveries == 0


def test_an_answer_of_the_wrong_length_is_no_success() -> None:
    class Short(MemorySink):
        def write(self, bulk: Bulk) -> Answer:
            return Answer(outcomes=super().write(bulk).outcomes[:-1])

    with pytest.raises(SinkRefused) as caught:
        delivery(Short(), FakeClock()).deliver(bulk(1, 2))
    assert caught.value.exit_code == 70


def test_nothing_to_deliver() -> None:
    sink = FaultySink(MemorySink(), [])
    assert delivery(sink, FakeClock()).deliver(Bulk(b"", 0)).outcomes == ()
    assert sink.writes == []


faults = st.one_of(
    st.none(),
    st.just(Fault(before=AWAY)),
    st.just(Fault(after=AWAY)),
    st.just(Fault(before=Overloaded("429"))),
    st.just(Fault(before=BodyTooLarge("big"))),
    st.dictionaries(st.integers(0, 20), st.sampled_from([Outcome.RETRYABLE, Outcome.REJECTED, Outcome.DIVERTED])).map(
        lambda items: Fault(items=items)
    ),
)


@given(names=st.lists(st.integers(0, 9), min_size=1, max_size=12), script=st.lists(faults, max_size=12))
def test_every_action_gets_exactly_one_outcome_that_is_true(names: list[int], script: list[Fault | None]) -> None:
    memory = MemorySink()
    answer = delivery(FaultySink(memory, script), FakeClock()).deliver(bulk(*names))
    assert len(answer.outcomes) == len(names)
    assert Outcome.RETRYABLE not in answer.outcomes
    kept = {name for _, name in memory.documents}
    for name, outcome in zip(names, answer.outcomes, strict=True):
        if outcome in {Outcome.CREATED, Outcome.DUPLICATE}:
            assert str(name) in kept
    created = [name for name, outcome in zip(names, answer.outcomes, strict=True) if outcome is Outcome.CREATED]
    assert len(created) == len(set(created))
    assert all(position in answer.errors for position, o in enumerate(answer.outcomes) if o is Outcome.REJECTED)
