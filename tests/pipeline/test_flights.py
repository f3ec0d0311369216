"""Several bodies under way at once: what may overlap, what must not, and who finds out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcflow.clock import FakeClock, SystemClock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import SinkRefused, Stopped, VpcFlowError
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Answer, Bulk, Decoded, ItemError, Origin, Outcome

PATIENCE = 20.0  # of a test; nothing here takes that long unless it hangs


class Lines:
    """The decoder: one document for each character."""

    def decode(self, data: bytes, origin: Origin, **_: object) -> Iterator[Decoded]:
        names = [f"{origin.name}-{n}{letter}" for n, letter in enumerate(data.decode())]
        body = "".join(f'{{"create":{{"_id":"{name}"}}}}\n{{"@timestamp":1}}\n' for name in names)
        yield Decoded(
            body=body.encode(), count=len(names), messages=names, positions=list(range(len(names))), lines=len(names)
        )


class Held:
    """A delivery that holds every body until it is let go, by the first document's name."""

    def __init__(self) -> None:
        self.memory = MemorySink()
        self.lock = threading.Condition()
        self.held: dict[str, Callable[[], None] | None] = {}
        self.bytes = 0
        self.most_bytes = 0

    def deliver(self, bulk: Bulk) -> Answer:
        name = bulk.body.split(b'"')[5].decode()
        with self.lock:
            self.held[name] = None
            self.bytes += len(bulk.body)
            self.most_bytes = max(self.most_bytes, self.bytes)
            self.lock.notify_all()
            assert self.lock.wait_for(lambda: self.held[name] is not None, PATIENCE)
            self.bytes -= len(bulk.body)
            act = self.held.pop(name)
        if act is not None:
            act()
        return self.memory.write(bulk)

    def let_go(self, name: str, act: Callable[[], None] = lambda: None) -> None:
        with self.lock:
            assert self.lock.wait_for(lambda: name in self.held, PATIENCE), self.held
            self.held[name] = act
            self.lock.notify_all()

    def names(self, count: int) -> set[str]:
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.held) >= count, PATIENCE), self.held
            return set(self.held)


def build(delivery: Held, *, letters: MemoryDeadLetters | None = None, **bounds: int) -> Pipeline:
    return Pipeline(
        decoder=Lines(),
        delivery=delivery,
        deadletters=letters or MemoryDeadLetters(),
        bounds=BatchBounds(max_actions=2, **{"in_flight": 3, **bounds}),
        clock=SystemClock(),
    )


def record(number: int, data: str) -> Record:
    return Record(data=data.encode(), origin=Origin(name=str(number)), position=(number, 0))


def settles(pipeline: Pipeline, position: tuple[int, int] | None) -> None:
    """Wait until that is settled; nothing beyond it may be."""
    for _ in range(int(PATIENCE / 0.01)):
        pipeline.flush_if_due()
        if pipeline.settled == position:
            return
        SystemClock().sleep(0.01)
    assert pipeline.settled == position


def test_what_lands_first_is_settled_only_after_all_before_it() -> None:
    held = Held()
    pipeline = build(held)
    for number in range(3):
        pipeline.submit(record(number, "dd"))
    assert held.names(3) == {"0-0d", "1-0d", "2-0d"}
    held.let_go("2-0d")
    held.let_go("1-0d")
    while pipeline.waiting > 2:
        pipeline.flush_if_due()
    assert pipeline.settled is None
    held.let_go("0-0d")
    settles(pipeline, (2, 0))


def test_submit_blocks_when_all_places_are_taken() -> None:
    held = Held()
    pipeline = build(held, in_flight=2)
    pipeline.submit(record(0, "dd"))
    pipeline.submit(record(1, "dd"))
    late = threading.Thread(target=pipeline.submit, args=(record(2, "dd"),))
    late.start()
    assert held.names(2) == {"0-0d", "1-0d"}
    late.join(0.05)
    assert late.is_alive()
    held.let_go("1-0d")
    late.join(PATIENCE)
    assert not late.is_alive()
    assert held.names(2) == {"0-0d", "2-0d"}
    held.let_go("0-0d")
    held.let_go("2-0d")
    pipeline.flush()
    assert pipeline.settled == (2, 0)


def test_bytes_under_way_are_bounded_but_for_a_single_body() -> None:
    held = Held()
    one = len(next(Lines().decode(b"dd", Origin(name="0"))).body)
    pipeline = build(held, in_flight=8, max_in_flight_bytes=2 * one)

    def feed() -> None:
        for number in range(6):
            pipeline.submit(record(number, "dd"))

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert held.names(2) == {"0-0d", "1-0d"}
    feeder.join(0.05)  # time enough to send more, if it would
    for number in range(6):
        held.let_go(f"{number}-0d")
    feeder.join(PATIENCE)
    pipeline.flush()
    assert held.most_bytes <= 2 * one
    single = Held()
    pipeline = build(single, max_in_flight_bytes=1)
    pipeline.submit(record(0, "dd"))
    single.let_go("0-0d")
    pipeline.flush()
    assert pipeline.settled == (0, 0)


def refuse() -> None:
    raise SinkRefused("no")


def test_an_error_is_raised_to_the_caller_and_the_body_kept() -> None:
    held = Held()
    pipeline = build(held)
    pipeline.submit(record(0, "dd"))
    pipeline.submit(record(1, "dd"))
    held.let_go("0-0d", refuse)
    held.let_go("1-0d")
    with pytest.raises(SinkRefused):
        pipeline.flush()
    assert [pipeline.settled] == [None]
    again = threading.Thread(target=pipeline.flush)
    again.start()
    held.let_go("0-0d")
    again.join(PATIENCE)
    assert pipeline.settled == (1, 0)
    assert len(held.memory.documents) == 4


def test_a_flush_with_a_limit_gives_up_and_keeps_everything() -> None:
    held = Held()
    pipeline = build(held)
    pipeline.submit(record(0, "d"))
    assert pipeline.flush(seconds=0.01) is False
    assert (pipeline.waiting, pipeline.settled) == (1, None)
    held.let_go("0-0d")
    assert pipeline.flush(seconds=PATIENCE) is True
    assert pipeline.settled == (0, 0)


def test_a_stop_is_heard_while_an_engine_says_nothing() -> None:
    held = Held()
    asked = threading.Event()
    pipeline = Pipeline(
        decoder=Lines(),
        delivery=held,
        deadletters=MemoryDeadLetters(),
        bounds=BatchBounds(max_actions=2, in_flight=1),
        clock=SystemClock(),
        should_stop=asked.is_set,
        stop_seconds=0.01,
    )
    pipeline.submit(record(0, "dd"))
    asked.set()
    with pytest.raises(Stopped):
        pipeline.submit(record(1, "dd"))
    with pytest.raises(Stopped):
        pipeline.flush()
    assert pipeline.waiting == 4
    held.let_go("0-0d")
    while pipeline.waiting > 2:
        pipeline.flush_if_due()
    assert pipeline.settled == (0, 0)


def test_dead_letters_and_settling_stay_with_the_callers_thread() -> None:
    threads: set[int] = set()

    class Letters(MemoryDeadLetters):
        def put(self, *entries: DeadLetter) -> None:
            threads.add(threading.get_ident())
            super().put(*entries)

    class Rejecting(Held):
        def deliver(self, bulk: Bulk) -> Answer:
            threads_of_delivery.add(threading.get_ident())
            error = ItemError(status=400, type="document_parsing_exception", reason="no")
            return Answer(outcomes=[Outcome.REJECTED] * bulk.count, errors=dict.fromkeys(range(bulk.count), error))

    threads_of_delivery: set[int] = set()
    letters = Letters()
    pipeline = build(Rejecting(), letters=letters)
    for number in range(10):
        pipeline.submit(record(number, "dd"))
    pipeline.flush()
    assert len(letters.entries) == 20
    assert threads == {threading.get_ident()}
    assert threads_of_delivery
    assert threads.isdisjoint(threads_of_delivery)


def test_what_the_failure_store_took_is_a_dead_letter_where_settings_say_so() -> None:
    class Diverting:
        def deliver(self, bulk: Bulk) -> Answer:
            return Answer(outcomes=[Outcome.DIVERTED, Outcome.CREATED])

    for reject in (False, True):
        letters = MemoryDeadLetters()
        pipeline = Pipeline(
            decoder=Lines(),
            delivery=Diverting(),
            deadletters=letters,
            bounds=BatchBounds(),
            clock=FakeClock(),
            reject_diverted=reject,
        )
        pipeline.submit(record(0, "ab"))
        pipeline.flush()
        assert [(letter.reason, letter.raw) for letter in letters.entries] == (
            [("diverted", b"0-0a")] if reject else []
        )
        assert pipeline.settled == (0, 0)


def test_counts_and_what_is_held_are_published() -> None:
    tally, clock = Tally(), FakeClock()
    pipeline = Pipeline(
        decoder=Lines(),
        delivery=_Direct(MemorySink(), iter(())),
        deadletters=MemoryDeadLetters(),
        bounds=BatchBounds(max_age_seconds=10),
        clock=clock,
        meters=tally,
    )
    pipeline.submit(record(0, "abc"))
    clock.advance(1)
    pipeline.flush_if_due()
    assert tally.snapshot().value(catalog.LINES, kind="document") == 3
    assert tally.snapshot().value(catalog.BUFFER_DOCUMENTS) == 3
    assert tally.snapshot().value(catalog.UNSETTLED) == 1
    pipeline.flush()
    found = tally.snapshot()
    assert (found.value(catalog.DOCUMENTS, outcome="created"), found.value(catalog.RECORDS)) == (3, 1)
    assert (found.value(catalog.BUFFER_DOCUMENTS), found.value(catalog.UNSETTLED)) == (0, 0)


class _Direct:
    """Delivers, or fails by script."""

    def __init__(self, memory: MemorySink, script: Iterator[str]) -> None:
        self.memory = memory
        self.script = script
        self.lock = threading.Lock()

    def deliver(self, bulk: Bulk) -> Answer:
        with self.lock:
            step = next(self.script, "")
            if step == "refused":
                raise SinkRefused("no")
            if step == "stopped":
                raise Stopped("now")
            answer = self.memory.write(bulk)
            if step == "lost":
                raise SinkRefused("lost")
            return answer


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    script=st.lists(st.sampled_from(["", "", "", "refused", "stopped", "lost"]), max_size=20),
    in_flight=st.integers(1, 4),
    max_bytes=st.integers(1, 500),
)
def test_with_many_under_way_settled_never_passes_what_is_not_there(
    sizes: list[int], script: list[str], in_flight: int, max_bytes: int
) -> None:
    memory, steps = MemorySink(), iter(script)
    saved = -1
    for _ in range(len(script) + 1):
        pipeline = Pipeline(
            decoder=Lines(),
            delivery=_Direct(memory, steps),
            deadletters=MemoryDeadLetters(),
            bounds=BatchBounds(max_actions=2, in_flight=in_flight, max_in_flight_bytes=max_bytes),
            clock=FakeClock(),
        )
        try:
            for number in range(saved + 1, len(sizes)):
                pipeline.submit(record(number, "d" * sizes[number]))
            pipeline.flush()
        except VpcFlowError:
            pass
        saved = pipeline.settled[0] if pipeline.settled else saved
        names = {name for _, name in memory.documents}
        for number in range(saved + 1):
            assert all(f"{number}-{n}d" in names for n in range(sizes[number]))
        pipeline.close()
    assert saved == len(sizes) - 1


def test_a_body_that_stays_undecided_is_not_passed_without_end() -> None:
    held = Held()
    pipeline = build(held, in_flight=2, max_age_seconds=60)
    bound = BatchBounds(in_flight=2, max_actions=2).max_unsettled
    submitted: list[int] = []
    done = threading.Event()

    def submit() -> None:
        for number in range(bound + 3):
            pipeline.submit(record(number, "d"))
            submitted.append(number)
        done.set()

    thread = threading.Thread(target=submit, daemon=True)
    thread.start()
    for number in range(2, bound, 2):  # the first body stays; those after it are taken
        held.let_go(f"{number}-0d")
    for _ in range(int(PATIENCE / 0.01)):
        if len(submitted) == bound:
            break
        SystemClock().sleep(0.01)
    assert not done.wait(0.5)
    assert len(submitted) == bound
    assert pipeline.settled is None
    held.let_go("0-0d")
    held.let_go(f"{bound}-0d")
    assert done.wait(PATIENCE)


def test_without_another_thread_those_that_there_are_send(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    pipeline = build(held)
    pipeline.submit(record(0, "dd"))
    monkeypatch.setattr(threading.Thread, "start", _no_thread)
    pipeline.submit(record(1, "dd"))
    held.let_go("0-0d")
    held.let_go("1-0d")
    settles(pipeline, (1, 0))


def test_a_body_that_no_thread_could_send_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    pipeline = build(held)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        with pytest.raises(RuntimeError, match="new thread"):
            pipeline.submit(record(0, "dd"))
        for _ in range(2):
            with pytest.raises(RuntimeError, match="new thread"):
                pipeline.flush()
    assert pipeline.waiting == 2
    assert not pipeline.flush(seconds=0)  # it is under way now
    held.let_go("0-0d")
    assert pipeline.flush()
    assert len(held.memory.documents) == 2


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
