"""Several outputs, each with a pipeline of its own: what one of them does costs the others nothing.

Deliveries are scripted; they are called by the thread that submits (no request is under way beside it), so that the clock may
stand still.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from vpcflow.clock import FakeClock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import DeadLetterError, SinkRefused, SinkUnavailable, Stopped, VpcFlowError
from vpcflow.forwarding.fan import Fan, Leg
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.pipeline.positions import Position
from vpcflow.types import Answer, Bulk, Decoded, LinesAt, Origin, Outcome, Reason, Undecodable

PATIENCE = 30.0
ORIGIN = Origin(identity=b"i", name="s", fields={})
LETTER = DeadLetter(reason="object", message="gone", raw=b"", source="s3", position=-1, first_seen_ms=0)
Delivers = Callable[[Bulk], Answer]


class Lines:
    """A document for each line, and a dead letter for each that is `bad`."""

    def decode(self, data: bytes, origin: Origin, *, at: LinesAt | None = None) -> Iterator[Decoded]:
        lines = data.decode().split()
        good = [line for line in lines if line != "bad"]
        bad = [
            Undecodable(reason=Reason.COLUMNS, message="odd", position=at, raw=b"bad")
            for at, line in enumerate(lines)
            if line == "bad"
        ]
        yield Decoded(
            body="".join(f'{{"create":{{"_id":"{line}"}}}}\n{{}}\n' for line in good).encode(),
            count=len(good),
            messages=good,
            positions=range(len(good)),
            undecodable=bad,
            lines=len(lines),
        )


@dataclass
class Output:
    """One output. taken: ids, in their order; says: what happens instead of taking a body."""

    name: str
    clock: FakeClock
    says: Callable[[Leg, Bulk], None] = lambda _leg, _bulk: None
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    actions: int = 1
    threads: int = 0
    taken: list[str] = field(default_factory=list)
    closed: int = 0

    def fill(self, leg: Leg) -> None:
        def deliver(bulk: Bulk) -> Answer:
            self.says(leg, bulk)
            self.taken += [json.loads(line)["create"]["_id"] for line in bulk.body.split(b"\n")[0:-1:2]]
            return Answer(outcomes=[Outcome.CREATED] * bulk.count)

        leg.keeper = self.letters
        leg.pipeline = Pipeline(
            decoder=Lines(),
            delivery=Delivery(deliver),
            deadletters=self.letters,
            bounds=BatchBounds(max_actions=self.actions, in_flight=self.threads, storm_fraction=1.0),
            clock=self.clock,
        )
        close = leg.pipeline.close

        def counted() -> None:
            self.closed += 1
            close()

        leg.pipeline.close = counted  # type: ignore[method-assign]


@dataclass
class Delivery:
    deliver: Delivers


class Given:
    """A fan of outputs `a` and `b`."""

    def __init__(self, *names: str, patience: float | None = PATIENCE) -> None:
        self.clock = FakeClock()
        self.stopped = False
        self.fan = Fan(self.clock, lambda: self.stopped, patience_seconds=patience)
        self.outputs = [Output(name, self.clock) for name in names or ("a", "b")]

    def begin(self) -> Fan:
        for output in self.outputs:
            self.fan.add(output.name, output.fill)
        self.fan.begin()
        return self.fan

    def waits(self, leg: Leg, _bulk: Bulk) -> None:
        """Do as an output that is away: wait, second by second, until somebody says stop."""
        while not leg.should_stop():
            self.clock.advance(1)
        raise Stopped("stopped while waiting")


def record(number: int, data: str = "") -> Record:
    return Record(data=(data or f"r{number}").encode(), origin=ORIGIN, position=(number, 0))


def at(*numbers: int) -> set[Position]:
    return {(number, 0) for number in numbers}


def raises(error: BaseException) -> Callable[[Leg, Bulk], None]:
    def say(_leg: Leg, _bulk: Bulk) -> None:
        raise error

    return say


def test_a_record_is_settled_when_every_output_has_settled_it() -> None:
    given = Given()
    a, b = given.outputs
    b.actions = 2
    fan = given.begin()
    fan.submit(record(0))
    assert (a.taken, b.taken) == (["r0"], [])
    assert fan.open == at(0)
    fan.submit(record(1))
    assert fan.open == set()
    fan.submit(record(2))
    assert fan.open == at(2)
    assert fan.flush(1)
    assert fan.open == set()
    assert a.taken == b.taken == ["r0", "r1", "r2"]


def test_counts_are_told_by_output() -> None:
    given = Given()
    given.outputs[1].actions = 9
    fan = given.begin()
    fan.submit(record(0, "x bad y"))
    counts = fan.counts
    assert set(counts) == {"a", "b"}
    assert [(one.lines, one.undecodable, one.created) for one in counts.values()] == [(3, 1, 2), (3, 1, 0)]


def test_an_output_that_is_away_holds_up_the_others_for_its_patience_and_no_longer() -> None:
    given = Given()
    away, well = given.outputs
    away.says = given.waits
    fan = given.begin()
    for number in range(5):
        fan.submit(record(number))
    assert PATIENCE < given.clock.now <= PATIENCE + 1
    assert well.taken == [f"r{number}" for number in range(5)]
    assert fan.open == at(0, 1, 2, 3, 4)
    with pytest.raises(Stopped, match="output a: left behind: it would have held up the other outputs"):
        fan.flush(600)
    assert given.clock.now <= PATIENCE + 1
    assert fan.open == at(0, 1, 2, 3, 4)


def test_what_an_output_settled_before_it_broke_stays_settled() -> None:
    given = Given()
    breaks, well = given.outputs
    fan = given.begin()
    fan.submit(record(0))
    fan.submit(record(1))
    breaks.says = raises(SinkRefused("401 security_exception"))
    fan.submit(record(2))
    fan.submit(record(3))
    assert fan.open == at(2, 3)
    breaks.says = raises(AssertionError("it is asked no more"))
    fan.submit(record(4))
    breaks.says = lambda _leg, _bulk: None
    with pytest.raises(SinkRefused, match=r"^output a: 401 security_exception$"):
        fan.flush(1)
    # What it had been given before is tried once more; what it was not given stays open, whatever happens.
    assert fan.open - at(2) == at(3, 4)
    assert breaks.taken[:2] == ["r0", "r1"]
    assert {"r3", "r4"}.isdisjoint(breaks.taken)
    assert well.taken == ["r0", "r1", "r2", "r3", "r4"]


def test_the_last_of_the_outputs_says_what_it_has_to_say_at_once() -> None:
    given = Given()
    a, b = given.outputs
    a.says = raises(SinkUnavailable("503"))
    b.says = raises(SinkRefused("403"))
    fan = given.begin()
    with pytest.raises(SinkUnavailable, match=r"^output a: 503$"):
        fan.submit(record(0))
    with pytest.raises(SinkUnavailable, match=r"^output a: 503$"):
        fan.submit(record(1))
    assert fan.open == at(0, 1)


def test_a_single_output_is_not_named_and_has_no_patience() -> None:
    given = Given("default", patience=None)
    (only,) = given.outputs
    waited = []

    def long(leg: Leg, _bulk: Bulk) -> None:
        given.clock.advance(10 * PATIENCE)
        waited.append(leg.should_stop())
        raise SinkRefused("403")

    only.says = long
    fan = given.begin()
    with pytest.raises(SinkRefused, match=r"^403$"):
        fan.submit(record(0))
    assert waited == [False]


def test_an_output_that_cannot_be_opened_breaks_its_own_leg() -> None:
    given = Given("a", "b", "c")
    fan = given.fan

    def refuse(_leg: Leg) -> None:
        raise SinkRefused("no template")

    fan.add("a", refuse)
    fan.add("b", given.outputs[1].fill)
    fan.begin()
    fan.submit(record(0))
    assert given.outputs[1].taken == ["r0"]
    assert fan.open == at(0)
    assert set(fan.counts) == {"b"}
    with pytest.raises(SinkRefused, match=r"^output a: no template$"):
        fan.flush(1)
    fan.close()


def test_where_no_output_can_be_opened_there_is_nothing_to_begin_with() -> None:
    given = Given()

    def refuse(_leg: Leg) -> None:
        raise SinkRefused("no template")

    for name in ("a", "b"):
        given.fan.add(name, refuse)
    with pytest.raises(SinkRefused, match=r"^output a: no template$"):
        given.fan.begin()


def test_opening_an_output_has_no_more_patience_than_sending() -> None:
    given = Given()
    given.fan.add("b", given.outputs[1].fill)
    given.fan.add("a", lambda leg: given.waits(leg, Bulk(b"", 0)))
    assert PATIENCE < given.clock.now <= PATIENCE + 1
    given.fan.begin()


def test_a_fault_of_the_program_is_nobodys_trouble() -> None:
    given = Given()
    given.outputs[0].says = raises(ZeroDivisionError("ours"))
    fan = given.begin()
    with pytest.raises(ZeroDivisionError):
        fan.submit(record(0))
    assert fan.open == at(0)
    with pytest.raises(ZeroDivisionError):
        fan.flush(1)


def test_a_dead_letter_that_is_not_kept_settles_nothing() -> None:
    class Broken(MemoryDeadLetters):
        def put(self, *entries: DeadLetter) -> None:
            raise DeadLetterError("disk full")

    given = Given()
    a, b = given.outputs
    a.letters = Broken()
    fan = given.begin()
    fan.submit(record(0))
    fan.submit(record(1, "x bad"))
    assert fan.open == at(1)
    assert [letter.raw for letter in b.letters.entries] == [b"bad"]
    with pytest.raises(DeadLetterError, match=r"^output a: disk full$"):
        fan.flush(1)
    with pytest.raises(DeadLetterError, match=r"^output a: disk full$"):
        fan.keep(LETTER)


def test_a_letter_is_kept_once_in_each_place() -> None:
    given = Given("a", "b", "c")
    a, b, c = given.outputs
    b.letters = a.letters
    fan = given.begin()
    fan.keep(LETTER)
    assert (a.letters.entries, c.letters.entries) == ([LETTER], [LETTER])


def test_a_letter_that_a_closed_door_would_not_take_is_not_kept() -> None:
    given = Given()
    a = given.outputs[0]
    given.fan.add("a", a.fill)

    def refuse(_leg: Leg) -> None:
        raise SinkRefused("no template")

    given.fan.add("b", refuse)
    with pytest.raises(SinkRefused, match=r"^output b: no template$"):
        given.fan.keep(LETTER)


def test_while_all_outputs_are_away_nobody_is_held_up() -> None:
    given = Given()
    for output in given.outputs:
        output.actions = 9
        output.says = lambda leg, _bulk: late(leg)

    def late(leg: Leg) -> None:
        given.clock.advance(2 * PATIENCE)
        assert not leg.should_stop()
        raise SinkUnavailable("503")

    fan = given.begin()
    fan.submit(record(0))
    with pytest.raises(SinkUnavailable, match=r"^output a: 503$"):
        fan.flush(600)


@pytest.mark.parametrize("hangs", [False, True])
def test_at_the_end_patience_begins_once_an_output_has_settled_all(hangs: bool) -> None:  # noqa: FBT001
    """hangs: the thread that sends does not even ask whether to stop, as one in the middle of a request."""
    given = Given()
    away, well = given.outputs
    away.actions = well.actions = 9
    away.threads = 1
    over = threading.Event()

    def waits(leg: Leg, _bulk: Bulk) -> None:
        while not (over.is_set() or (leg.should_stop() and not hangs)):
            over.wait(0.005)
            given.clock.advance(0.5)
        raise Stopped("stopped while waiting")

    away.says = waits
    fan = given.begin()
    fan.submit(record(0))
    try:
        with pytest.raises(Stopped, match=r"^output a: left behind: it would have held up the other outputs$"):
            fan.flush(1e9)
    finally:
        over.set()
        fan.close()
    assert given.clock.now > PATIENCE
    assert well.taken == ["r0"]
    assert fan.open == at(0)


def test_a_stop_is_told_as_such() -> None:
    given = Given()
    away, well = given.outputs
    away.says = given.waits
    fan = given.begin()
    given.stopped = True
    fan.submit(record(0))
    assert given.clock.now == 0
    assert well.taken == ["r0"]
    with pytest.raises(Stopped, match=r"^output a: stopped while waiting$"):
        fan.flush(600)


def test_threads_of_an_output_that_was_left_behind_are_told_to_end() -> None:
    given = Given()
    legs: list[Leg] = []

    def refused(leg: Leg, _bulk: Bulk) -> None:
        legs.append(leg)
        raise SinkRefused("403")

    given.outputs[0].says = refused
    fan = given.begin()
    fan.submit(record(0))
    assert legs[0].should_stop()


def test_threads_of_a_fan_that_is_closed_are_told_to_end() -> None:
    given = Given()
    legs: list[Leg] = []
    given.outputs[0].says = lambda leg, _bulk: legs.append(leg)
    fan = given.begin()
    fan.submit(record(0))
    assert not legs[0].should_stop()
    fan.close()
    assert legs[0].should_stop()


def test_all_are_closed_though_one_cannot_be() -> None:
    class Broken(MemoryDeadLetters):
        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

        def close(self) -> None:
            raise DeadLetterError(self.words)

    given = Given("a", "b", "c")
    given.outputs[0].letters = Broken("first")
    given.outputs[1].letters = Broken("second")
    fan = given.begin()
    with pytest.raises(DeadLetterError, match=r"^first$"):
        fan.close()
    assert [output.closed for output in given.outputs] == [1, 1, 1]


def test_closing_settles_nothing() -> None:
    given = Given()
    given.outputs[0].actions = 9
    fan = given.begin()
    fan.submit(record(0))
    fan.close()
    fan.close()
    assert fan.open == at(0)
    assert given.outputs[0].taken == []


def test_it_is_an_error_of_ours_when_a_leg_without_trouble_keeps_nothing() -> None:
    given = Given()
    given.fan.add("a", lambda _leg: None)
    with pytest.raises(VpcFlowError, match="output a keeps no dead letters"):
        given.fan.keep(LETTER)
