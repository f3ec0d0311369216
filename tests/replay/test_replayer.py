"""Letters that a pipeline set aside, tried again: the same ids and documents as on the normal path, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from vpcflow.clock import FakeClock
from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.codec.origins import kinesis_origin
from vpcflow.deadletters.abstract import DeadLetters, Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.file_shelves import FileShelves, read_entries
from vpcflow.deadletters.files import FileDeadLetters
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import SinkUnavailable
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.replay.replayer import Replayer
from vpcflow.replay.report import Report
from vpcflow.sink.abstract import Sink
from vpcflow.sink.memory import Fault, FaultySink, MemorySink
from vpcflow.types import Answer, Bulk, Origin, Outcome

ARRIVAL_MS = 1_418_530_100_000
FLOW = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
ODD = "10.0.0.1 443 1418530070"
HOPELESS = "2 hopeless"
KNOWING = CodecOptions(formats=(FormatRule(format="srcaddr srcport end", log_group="odd"),))


def envelope(group: str, *messages: str) -> bytes:
    events = [{"id": f"e{n}", "timestamp": ARRIVAL_MS, "message": message} for n, message in enumerate(messages)]
    fixed = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": group, "logStream": "eni-1-all"}
    return json.dumps({**fixed, "logEvents": events}).encode()


RECORDS = [
    envelope("flows", FLOW, HOPELESS, FLOW),
    envelope("odd", ODD, ODD, ODD.replace("443", "no port")),
    f"{FLOW}\n{HOPELESS}\n".encode(),
    b"\x1f\x8bnever gzip",
]


@dataclass
class Sends:
    """A delivery that asks once."""

    sink: Sink

    def deliver(self, bulk: Bulk) -> Answer:
        return self.sink.write(bulk)


@dataclass
class Known:
    """A data stream that knows which ids it has."""

    sink: MemorySink
    asked: list[int] = field(default_factory=list)

    def among(self, ids: Sequence[str]) -> set[str]:
        self.asked.append(len(ids))
        return {name for _, name in self.sink.documents if name in ids}


def pipeline(options: CodecOptions, sink: Sink, letters: DeadLetters) -> None:
    """Send the records on their normal path."""
    bounds = BatchBounds(storm_fraction=1.0)
    made = Pipeline(
        decoder=Decoder(options), delivery=Sends(sink), deadletters=letters, bounds=bounds, clock=FakeClock()
    )
    for number, data in enumerate(RECORDS):
        origin = kinesis_origin(
            stream="flows", shard="shard-0", sequence=str(number), subsequence=0, arrival_ms=ARRIVAL_MS
        )
        made.submit(Record(data=data, origin=origin, position=(number, 0)))
    made.flush()
    made.close()


def replayer(sink: Sink, options: CodecOptions = KNOWING, **more: Any) -> Replayer:  # noqa: ANN401 - options by name
    given = {"existing": None, "max_bytes": 1_000_000, "max_actions": 2, **more}
    return Replayer(decoder=Decoder(options), delivery=Sends(sink), **given)


def everything(_letter: DeadLetter) -> bool:
    return True


@pytest.fixture
def letters() -> MemoryDeadLetters:
    return MemoryDeadLetters()


def test_a_replay_gives_what_the_normal_path_would_have_given(letters: MemoryDeadLetters) -> None:
    sink, normal, rest = MemorySink(), MemorySink(), MemoryDeadLetters()
    pipeline(CodecOptions(), sink, letters)
    assert len(letters.entries) == 6
    pipeline(KNOWING, normal, rest)
    assert len(sink.documents) < len(normal.documents)
    report = replayer(sink).run(letters, everything)
    assert sink.documents == normal.documents
    assert (report.created, report.tried, report.all_well) == (2, 6, False)
    assert report.succeeded.total() == 2
    # What stays is what stays on the normal path, with one attempt more.
    assert letters.entries == [replace(one, attempts=2) for one in rest.entries]


def test_a_second_replay_adds_nothing(letters: MemoryDeadLetters) -> None:
    sink = MemorySink()
    pipeline(CodecOptions(), sink, letters)
    before = [*letters.entries]
    replayer(sink).run(letters, everything)
    documents = dict(sink.documents)
    letters.entries = before  # killed after the engine took them, before they were taken away
    report = replayer(sink).run(letters, everything)
    assert sink.documents == documents
    assert (report.created, report.duplicate, report.succeeded.total()) == (0, 2, 2)
    assert len(letters.entries) == 4


def test_what_is_there_is_not_sent(letters: MemoryDeadLetters) -> None:
    sink = MemorySink()
    pipeline(CodecOptions(), sink, letters)
    before = [*letters.entries]
    replayer(sink).run(letters, everything)
    letters.entries = before
    faulty = FaultySink(sink, [])
    known = Known(sink)
    report = replayer(faulty, existing=known).run(letters, everything)
    assert faulty.writes == []
    assert (report.there, report.created, report.duplicate) == (2, 0, 0)
    assert known.asked == [2]


def test_a_dry_run_changes_nothing(letters: MemoryDeadLetters) -> None:
    sink = MemorySink()
    pipeline(CodecOptions(), sink, letters)
    before, documents = [*letters.entries], dict(sink.documents)
    report = replayer(sink, dry_run=True).run(letters, everything)
    assert (letters.entries, sink.documents) == (before, documents)
    assert (report.would_send, report.created, report.succeeded.total(), report.failed.total()) == (2, 0, 2, 4)
    assert report.lines()[0] == "6 tried: 2 would be sent, 4 failed again"


def test_only_what_is_wanted_is_tried(letters: MemoryDeadLetters) -> None:
    sink = MemorySink()
    pipeline(CodecOptions(), sink, letters)
    wanted = [one for one in letters.entries if one.reason == "gzip"]
    others = [one for one in letters.entries if one.reason != "gzip"]
    report = replayer(sink).run(letters, lambda letter: letter.reason == "gzip")
    assert (report.tried, report.skipped) == (1, 5)
    assert letters.entries == [*others, replace(wanted[0], attempts=2)]


def test_documents_that_were_rejected(letters: MemoryDeadLetters) -> None:
    sink = MemorySink()
    pipeline(KNOWING, FaultySink(sink, [Fault(items={0: Outcome.REJECTED, 3: Outcome.DIVERTED})] * 9), letters)
    rejected = [one for one in letters.entries if one.reason == "rejected"]
    assert rejected
    assert all(one.document_id for one in rejected)
    report = replayer(sink).run(letters, lambda letter: letter.reason == "rejected")
    assert (report.created, report.other_id) == (len(rejected), 0)
    assert {one.document_id for one in rejected} <= {name for _, name in sink.documents}


def test_documents_that_are_rejected_again_stay_with_the_new_reason(letters: MemoryDeadLetters) -> None:
    pipeline(CodecOptions(), MemorySink(), letters)
    letters.entries = [one for one in letters.entries if one.raw == ODD.encode()]
    first, second = letters.entries
    report = replayer(FaultySink(MemorySink(), [Fault(items={1: Outcome.REJECTED})])).run(letters, everything)
    assert (report.created, report.rejected, report.undecodable) == (1, 1, 0)
    [left] = letters.entries
    assert (left.reason, left.error_type, left.attempts, left.id) == ("rejected", "scripted", 2, second.id)
    assert left.document_id
    assert first.id != second.id


@pytest.mark.parametrize("strict", [False, True])
def test_what_the_failure_store_takes(letters: MemoryDeadLetters, *, strict: bool) -> None:
    pipeline(CodecOptions(), MemorySink(), letters)
    letters.entries = [one for one in letters.entries if one.raw == ODD.encode()][:1]
    sink = FaultySink(MemorySink(), [Fault(items={0: Outcome.DIVERTED})])
    report = replayer(sink, reject_diverted=strict).run(letters, everything)
    assert (report.diverted, report.rejected) == ((0, 1) if strict else (1, 0))
    assert [one.reason for one in letters.entries] == (["diverted"] if strict else [])


def test_other_settings_that_give_another_id_are_told() -> None:
    letters = MemoryDeadLetters()
    pipeline(KNOWING, FaultySink(MemorySink(), [Fault(items={0: Outcome.REJECTED})] * 9), letters)
    letters.entries = [replace(one, document_id="another") for one in letters.entries if one.reason == "rejected"]
    report = replayer(MemorySink()).run(letters, everything)
    assert report.other_id == report.created > 0
    assert any("have another _id than before" in line for line in report.lines())


def test_a_record_of_which_some_lines_are_good_now() -> None:
    """The record is replaced by what is still wrong with it."""
    letters = MemoryDeadLetters()
    origin = Origin(identity=b"r", name="kinesis:s", arrival_ms=ARRIVAL_MS)
    data = f"{FLOW}\n{HOPELESS}\n{FLOW}\n".encode()
    letters.put(
        DeadLetter(
            reason="too_large", message="", raw=data, source="kinesis:s", position=-1, first_seen_ms=5, origin=origin
        )
    )
    sink = MemorySink()
    replayer(sink).run(letters, everything)
    assert len(sink.documents) == 2
    [left] = letters.entries
    assert (left.raw, left.position, left.reason, left.attempts) == (HOPELESS.encode(), 1, "format", 2)


def test_what_gives_no_document_has_succeeded() -> None:
    letters = MemoryDeadLetters()
    origin = Origin(identity=b"r", name="kinesis:s")
    control = b'{"messageType":"CONTROL_MESSAGE"}'
    letters.put(
        DeadLetter(reason="envelope", message="", raw=control, source="s", position=-1, first_seen_ms=0, origin=origin)
    )
    report = replayer(MemorySink()).run(letters, everything)
    assert (report.empty, report.all_well, letters.entries) == (1, True, [])


def test_letters_of_the_first_format_have_an_id_of_their_own(letters: MemoryDeadLetters) -> None:
    identity: dict[str, str | int] = {"aws.kinesis.name": "flows", "sequence": "17", "subsequence": 0}
    old = DeadLetter(
        reason="columns",
        message="",
        raw=FLOW.encode(),
        source="kinesis:flows",
        identity=identity,
        position=2,
        first_seen_ms=0,
    )
    sink = MemorySink()
    for _ in range(2):
        letters.entries = [old, replace(old, position=3), replace(old, position=4, raw=HOPELESS.encode())]
        replayer(sink).run(letters, everything)
    assert len(sink.documents) == 2
    document: Any = next(iter(sink.documents.values()))
    assert document["aws"]["kinesis"] == {"name": "flows"}
    [left] = letters.entries
    assert left.origin is not None  # from now on it says what its id is made of


def test_a_letter_that_makes_no_sense_is_a_failure_and_not_the_end(letters: MemoryDeadLetters) -> None:
    odd = DeadLetter(
        reason="columns", message="", raw=FLOW.encode(), source="s", position=0, first_seen_ms=0,
        origin=Origin(name="s"), context={"log_group": "g"},
    )  # fmt: skip
    letters.put(odd, replace(odd, context={"document": 1}), replace(odd, context={}))
    report = replayer(MemorySink()).run(letters, everything)
    assert (report.created, report.failed.total()) == (1, 2)
    assert all("cannot be tried again" in one.message for one in letters.entries)


def test_an_engine_that_goes_away_takes_nothing_with_it(letters: MemoryDeadLetters) -> None:
    sink = MemorySink()
    pipeline(CodecOptions(), sink, letters)
    before = [*letters.entries]
    with pytest.raises(SinkUnavailable):
        replayer(FaultySink(sink, [Fault(after=SinkUnavailable("gone"))])).run(letters, everything)
    assert letters.entries == before
    report = replayer(sink).run(letters, everything)
    assert (report.created, report.duplicate) == (0, 2)


def test_unreadable_things_are_reported(letters: MemoryDeadLetters) -> None:
    class Torn(MemoryDeadLetters):
        def letters(self) -> Iterator[tuple[int, Any]]:
            yield 7, Unreadable("file:8", "torn")
            yield from super().letters()

    torn = Torn()
    pipeline(CodecOptions(), MemorySink(), torn)
    report = replayer(MemorySink()).run(torn, everything)
    assert (report.unreadable, report.tried, report.all_well) == (1, 6, False)
    assert any(line.strip() == "file:8: torn" for line in report.lines())


def test_files_are_replayed_whole_and_bodies_stay_within_bounds(tmp_path: Path) -> None:
    keeper = FileDeadLetters(tmp_path, clock=FakeClock(), max_file_bytes=4_000)
    for _ in range(5):
        pipeline(CodecOptions(), MemorySink(), keeper)
    assert len(list(tmp_path.iterdir())) > 1
    sink = FaultySink(MemorySink(), [])
    progress: list[int] = []

    def tell(report: Report) -> None:
        progress.append(report.tried)

    report = replayer(sink, max_actions=3, on_progress=tell).run(FileShelves(tmp_path), everything)
    assert max(bulk.count for bulk in sink.writes) <= 3
    assert (report.created, report.duplicate) == (2, 8)
    assert len(list(read_entries(tmp_path))) == 20
    assert progress[-1] == 30


def test_the_smallest_body_is_one_document(letters: MemoryDeadLetters) -> None:
    pipeline(CodecOptions(), MemorySink(), letters)
    sink = FaultySink(MemorySink(), [])
    replayer(sink, max_bytes=1).run(letters, everything)
    assert [bulk.count for bulk in sink.writes] == [1, 1]
