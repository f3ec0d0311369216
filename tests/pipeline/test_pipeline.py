"""From bytes to settled, with a decoder that takes its orders from the data.

A record's data is a list of characters: `d` a document, `r` one that the engine rejects, `u` an undecodable line, `c` a
control message, `h` a header, `s` a skipped event, `|` the end of a chunk.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcflow.clock import FakeClock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import DataError, DeadLetterError, SinkRefused, SinkUnavailable, Stopped, VpcFlowError
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.retry import RetryPolicy
from vpcflow.sink.abstract import Sink
from vpcflow.sink.delivery import Delivery
from vpcflow.sink.memory import Fault, FaultySink, MemorySink
from vpcflow.types import Answer, Bulk, Decoded, Origin, Outcome, Reason, Undecodable


class Letters:
    """The decoder."""

    def decode(self, data: bytes, origin: Origin, **_: object) -> Iterator[Decoded]:
        at = 0
        for chunk in data.decode().split("|"):
            yield self.chunk(chunk, at, origin.identity.decode())
            at += len(chunk)

    def chunk(self, letters: str, at: int, name: str) -> Decoded:
        places = [(at + n, letter) for n, letter in enumerate(letters)]
        documents = [(place, letter) for place, letter in places if letter in "dr"]
        lines = [
            f'{{"create":{{"_id":"{name}-{place}"}}}}\n{{{self.stamp(letter)}"n":{place}}}\n'
            for place, letter in documents
        ]
        return Decoded(
            body="".join(lines).encode(),
            count=len(documents),
            messages=[f"line {name}-{place}" for place, _ in documents],
            positions=[place for place, _ in documents],
            undecodable=[
                Undecodable(reason=Reason.COLUMNS, message="odd", position=place, raw=f"bad {name}-{place}".encode())
                for place, letter in places
                if letter == "u"
            ],
            lines=len(letters),
            control=letters.count("c"),
            headers=letters.count("h"),
            skipped=letters.count("s"),
            notices=["format guessed"] if "h" in letters else (),
        )

    def stamp(self, letter: str) -> str:
        return '"@timestamp":1,' if letter == "d" else ""


@dataclass
class Given:
    pipeline: Pipeline
    memory: MemorySink
    sink: FaultySink
    letters: MemoryDeadLetters
    clock: FakeClock
    submitted: int = 0

    @property
    def settled(self) -> tuple[int, int] | None:
        return self.pipeline.settled

    def submit(self, data: str) -> None:
        self.pipeline.submit(record(self.submitted, data))
        self.submitted += 1

    def names(self) -> set[str]:
        return {name for _, name in self.memory.documents}


def record(number: int, data: str) -> Record:
    origin = Origin(identity=str(number).encode(), name="kinesis:s", fields={"aws.kinesis.name": "s"})
    return Record(data=data.encode(), origin=origin, position=(number, 0))


def build(
    script: list[Fault | None] | None = None,
    *,
    bounds: BatchBounds | None = None,
    letters: MemoryDeadLetters | None = None,
    deadline: float = 0,
) -> Given:
    clock, memory, kept = FakeClock(), MemorySink(), letters or MemoryDeadLetters()
    sink = FaultySink(memory, script or [])
    delivery = Delivery(
        sink, RetryPolicy(deadline_seconds=deadline), clock, lambda: False, lambda _reason, _seconds: None
    )
    pipeline = Pipeline(
        decoder=Letters(), delivery=delivery, deadletters=kept, bounds=bounds or BatchBounds(), clock=clock
    )
    return Given(pipeline, memory, sink, kept, clock)


def test_nothing_is_settled_before_it_is_delivered() -> None:
    given_ = build()
    given_.submit("dd")
    given_.submit("d")
    assert [given_.settled, given_.pipeline.waiting] == [None, 3]
    given_.pipeline.flush()
    assert given_.settled == (1, 0)
    assert given_.pipeline.waiting == 0
    assert given_.names() == {"0-0", "0-1", "1-0"}
    assert [write.count for write in given_.sink.writes] == [3]


def test_a_record_without_documents_settles_when_all_before_are() -> None:
    given_ = build()
    given_.submit("c")
    assert given_.settled == (0, 0)
    given_.submit("d")
    given_.submit("c")
    given_.submit("u")
    given_.submit("")
    assert given_.settled == (0, 0)
    given_.pipeline.flush()
    assert given_.settled == (4, 0)


def test_bounds_send_by_themselves() -> None:
    given_ = build(bounds=BatchBounds(max_actions=3))
    given_.submit("dd")
    given_.submit("dd")
    assert [write.count for write in given_.sink.writes] == [2]
    assert given_.settled == (0, 0)
    given_.submit("d")
    assert [write.count for write in given_.sink.writes] == [2, 3]
    assert given_.settled == (2, 0)


def test_a_chunk_beyond_the_bounds_is_split() -> None:
    given_ = build(bounds=BatchBounds(max_actions=2))
    given_.submit("ddd|dd")
    assert [write.count for write in given_.sink.writes] == [2, 1, 2]
    assert given_.settled == (0, 0)
    assert given_.names() == {f"0-{n}" for n in range(5)}


def test_age() -> None:
    given_ = build(bounds=BatchBounds(max_age_seconds=2))
    assert given_.pipeline.flush_if_due() is False
    given_.submit("d")
    given_.clock.advance(1.5)
    assert given_.pipeline.flush_if_due() is False
    given_.clock.advance(0.5)
    assert given_.pipeline.flush_if_due() is True
    assert given_.settled == (0, 0)
    given_.submit("d")
    given_.clock.advance(5)
    given_.submit("d")
    assert given_.settled == (2, 0)


def test_undecodable_lines_are_dead_letters_of_their_own() -> None:
    given_ = build()
    given_.submit("")
    given_.submit("du|u")
    assert given_.letters.entries == [
        DeadLetter(
            reason="columns",
            message="odd",
            raw=f"bad 1-{place}".encode(),
            source="kinesis:s",
            identity={"aws.kinesis.name": "s", "sequence": "1", "subsequence": 0},
            position=place,
            first_seen_ms=given_.clock.wall_ms(),
            origin=Origin(identity=b"1", name="kinesis:s", fields={"aws.kinesis.name": "s"}),
        )
        for place in (1, 2)
    ]


def test_rejected_documents_are_dead_letters_with_their_line() -> None:
    given_ = build(bounds=BatchBounds(max_actions=3))
    given_.submit("drd|dr")
    given_.pipeline.flush()
    assert given_.settled == (0, 0)
    assert [(letter.raw, letter.position, letter.error_type) for letter in given_.letters.entries] == [
        (b"line 0-1", 1, "document_parsing_exception"),
        (b"line 0-4", 4, "document_parsing_exception"),
    ]
    assert all(letter.reason == "rejected" and "@timestamp" in letter.message for letter in given_.letters.entries)
    assert all(letter.message.startswith("400: ") for letter in given_.letters.entries)


def test_counts() -> None:
    given_ = build([Fault(items={1: Outcome.DIVERTED})])
    given_.submit("ddchs|uur")
    given_.submit("d")
    given_.pipeline.flush()
    counts = given_.pipeline.counts
    assert (counts.records, counts.lines, counts.documents) == (2, 9, 4)
    assert (counts.created, counts.duplicate, counts.diverted, counts.rejected) == (2, 0, 1, 1)
    assert (counts.undecodable, counts.control, counts.headers, counts.skipped) == (2, 1, 1, 1)
    assert counts.bytes == len(given_.sink.writes[0].body)
    counts.records = 99
    assert given_.pipeline.counts.records == 2


def test_notices_are_logged_once_for_each_source(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    given_ = build()
    for _ in range(3):
        given_.submit("h")
    assert [line.__dict__["fields"] for line in caplog.records if line.message == "notice about a source"] == [
        {"source": "kinesis:s", "notice": "format guessed"}
    ]


class FullDisk(MemoryDeadLetters):
    """Keeps nothing until it is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.mended = False

    def put(self, *entries: DeadLetter) -> None:
        if not self.mended:
            raise DeadLetterError("full")
        super().put(*entries)


def test_without_dead_letters_nothing_is_settled() -> None:
    disk = FullDisk()
    given_ = build(letters=disk)
    given_.submit("dr")
    with pytest.raises(DeadLetterError):
        given_.pipeline.flush()
    assert [given_.settled] == [None]
    assert given_.pipeline.counts.created == 0
    disk.mended = True
    given_.pipeline.flush()
    assert given_.settled == (0, 0)
    assert (given_.pipeline.counts.duplicate, given_.pipeline.counts.rejected) == (1, 1)


def test_a_record_whose_submit_failed_is_never_settled() -> None:
    given_ = build(letters=FullDisk())
    given_.submit("d")
    with pytest.raises(DeadLetterError):
        given_.submit("d|u")
    given_.pipeline.flush()
    assert given_.settled == (0, 0)
    given_.pipeline.submit(record(5, "c"))
    assert given_.settled == (0, 0)


@pytest.mark.parametrize("error", [SinkRefused("no"), SinkUnavailable("away")])
def test_what_stops_a_flush_leaves_everything_waiting(error: SinkRefused | SinkUnavailable) -> None:
    given_ = build([Fault(before=error)] * 3, deadline=1e-9)
    given_.submit("dd")
    with pytest.raises(type(error)):
        given_.pipeline.flush()
    assert (given_.settled, given_.pipeline.waiting) == (None, 2)
    for _ in range(3):
        with contextlib.suppress(VpcFlowError):
            given_.pipeline.flush()
    assert given_.settled == (0, 0)
    assert given_.names() == {"0-0", "0-1"}


class Broken:
    """A delivery that forgets some."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = outcomes

    def deliver(self, bulk: Bulk) -> Answer:
        return Answer(outcomes=self.outcomes)


@pytest.mark.parametrize("outcomes", [(), (Outcome.CREATED,), (Outcome.CREATED, Outcome.RETRYABLE)])
def test_a_delivery_that_forgets_settles_nothing(outcomes: tuple[Outcome, ...]) -> None:
    pipeline = Pipeline(
        decoder=Letters(),
        delivery=Broken(*outcomes),
        deadletters=MemoryDeadLetters(),
        bounds=BatchBounds(),
        clock=FakeClock(),
    )
    pipeline.submit(record(0, "dd"))
    with pytest.raises(VpcFlowError) as caught:
        pipeline.flush()
    assert caught.value.exit_code == 70
    assert pipeline.settled is None


def test_a_storm_of_undecodables_halts() -> None:
    given_ = build(bounds=BatchBounds(storm_window=20))
    for _ in range(9):
        given_.submit("uu")
    with pytest.raises(DataError, match=r"20 of 20 lines.*codec\.formats") as caught:
        given_.submit("uu")
    assert caught.value.exit_code == 65
    assert len(given_.letters.entries) == 18
    assert given_.settled == (8, 0)


def test_a_storm_of_rejections_halts() -> None:
    given_ = build(bounds=BatchBounds(storm_window=20, max_actions=10))
    given_.submit("rrrrrddddd")
    assert given_.settled == (0, 0)
    given_.submit("rrrrr")
    with pytest.raises(SinkRefused, match="11 of 20 documents") as caught:
        given_.submit("rdddd")
    assert caught.value.exit_code == 78
    assert given_.settled == (0, 0)
    assert len(given_.letters.entries) == 5


def test_half_bad_is_no_storm() -> None:
    given_ = build(bounds=BatchBounds(storm_window=10, max_actions=4))
    for _ in range(100):
        given_.submit("dudr")
    given_.pipeline.flush()
    assert given_.settled == (99, 0)


class Wrecked:
    """A sink, or a dead-letter store, that fails by script, with any error."""

    def __init__(self, memory: Sink, script: Iterator[str], disk: MemoryDeadLetters) -> None:
        self.memory = memory
        self.script = script
        self.disk = disk

    def deliver(self, bulk: Bulk) -> Answer:
        step = next(self.script, "")
        if step == "refused":
            raise SinkRefused("no")
        if step == "unavailable":
            self.memory.write(bulk)
            raise SinkUnavailable("lost")
        if step == "stopped":
            raise Stopped("now")
        return self.memory.write(bulk)

    def put(self, *entries: DeadLetter) -> None:
        if next(self.script, "") in {"refused", "stopped"}:
            raise DeadLetterError("full")
        self.disk.put(*entries)

    def close(self) -> None:
        pass


@dataclass
class World:
    """What survives a restart: documents, dead letters, the checkpoint."""

    memory: MemorySink = field(default_factory=MemorySink)
    disk: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    saved: int = -1

    def check(self, records: list[str]) -> None:
        """Each line up to the checkpoint has its fate."""
        names = {name for _, name in self.memory.documents}
        raws = {letter.raw.decode().split()[1] for letter in self.disk.entries}
        for number in range(self.saved + 1):
            for place, letter in enumerate(records[number].replace("|", "")):
                name = f"{number}-{place}"
                assert letter != "d" or name in names
                assert letter not in "ru" or name in raws

    def run(self, records: list[str], script: Iterator[str], bounds: BatchBounds) -> None:
        wreck = Wrecked(self.memory, script, self.disk)
        pipeline = Pipeline(decoder=Letters(), delivery=wreck, deadletters=wreck, bounds=bounds, clock=FakeClock())
        try:
            for number in range(self.saved + 1, len(records)):
                pipeline.submit(record(number, records[number]))
                self.save(pipeline, records)
            pipeline.flush()
        except VpcFlowError:
            with contextlib.suppress(VpcFlowError):
                pipeline.flush()
        self.save(pipeline, records)

    def save(self, pipeline: Pipeline, records: list[str]) -> None:
        if pipeline.settled is not None:
            assert pipeline.settled[0] >= self.saved
            self.saved = pipeline.settled[0]
        self.check(records)


@settings(max_examples=300, deadline=None)
@given(
    records=st.lists(st.text("ddddruc|", max_size=8), min_size=1, max_size=10),
    script=st.lists(st.sampled_from(["", "", "refused", "unavailable", "stopped"]), max_size=30),
    max_actions=st.integers(1, 6),
    max_bytes=st.integers(1, 400),
)
def test_settled_never_passes_what_has_no_fate(
    records: list[str], script: list[str], max_actions: int, max_bytes: int
) -> None:
    world = World()
    steps = iter(script)
    bounds = BatchBounds(max_actions=max_actions, max_bytes=max_bytes)
    for _ in range(len(script) + 1):
        world.run(records, steps, bounds)
    assert world.saved == len(records) - 1
    names = {name for _, name in world.memory.documents}
    assert len(names) == sum(text.count("d") for text in records)
