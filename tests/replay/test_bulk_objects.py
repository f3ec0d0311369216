"""Objects that hold documents which were not sent yet: what the transformation writes in the modes `bulk` and `documents`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vpcflow.cli.replaying import _with_index
from vpcflow.clock import FakeClock
from vpcflow.codec import CodecOptions, Decoder
from vpcflow.deadletters.abstract import Kept
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.file_shelves import FileShelves
from vpcflow.deadletters.files import FileDeadLetters
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import DeadLetterError
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.receiver.forwarded import Forwarding
from vpcflow.replay.replayer import Replayer
from vpcflow.replay.report import Report
from vpcflow.replay.sources import SourceShelves
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Answer, Bulk, Decoded, Origin

END = 1_764_000_000  # 2025-11-24
NAME = "flows-1-2026-11-25-08-09-10-0a1b2c3d-0000-1111-2222-333344445555"
PATTERN = CodecOptions(index_mode="pattern", index_name="flows-{yyyy.MM.dd}")


def made(count: int, *, first: int = 0, **options: Any) -> bytes:  # noqa: ANN401 - options by name
    """Return bulk lines, as the transformation writes them."""
    flow = "2 123456789010 eni-1 172.31.16.139 172.31.16.21 {} 22 6 20 4249 {} {} ACCEPT OK"
    text = "\n".join(flow.format(1024 + n, END - 60 + n, END + n) for n in range(first, first + count))
    chunks = Decoder(CodecOptions(**options)).decode(text.encode(), Origin(identity=b"r", name="x"))
    return b"".join(chunk.body for chunk in chunks)


def documents_in(data: bytes) -> dict[str, Any]:
    """Return the documents of bulk lines by id, read without our code."""
    rows = [json.loads(line) for line in data.splitlines()]
    return {action["create"]["_id"]: document for action, document in zip(rows[::2], rows[1::2], strict=True)}


def written(folder: Path, data: bytes, *, name: str = NAME) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def no_client() -> Any:  # noqa: ANN401 - boto3 has no types
    raise AssertionError("AWS is not asked")


def no_stream(batch: Mapping[str, Any]) -> Any:  # noqa: ANN401 - nothing comes back
    raise AssertionError("the stream is not asked")


def kept(source: object, *, max_bytes: int = 1_000_000, s3: Any = no_client) -> SourceShelves:  # noqa: ANN401
    return SourceShelves([str(source)], s3=s3, arn="", max_bytes=max_bytes, reread=no_stream)


class Engine:
    """A target that can be asked for ids, and counts what it is sent."""

    def __init__(self) -> None:
        self.sink = MemorySink()
        self.sent = 0
        self.asked: list[str] = []

    def deliver(self, bulk: Bulk) -> Answer:
        self.sent += bulk.count
        return self.sink.write(bulk)

    def among(self, ids: Sequence[str]) -> set[str]:
        self.asked += ids
        return {name for _, name in self.sink.documents if name in ids}

    @property
    def documents(self) -> dict[str, Any]:
        assert {index for index, _ in self.sink.documents} <= {"memory"}
        return {name: document for (_, name), document in self.sink.documents.items()}


def replayed(shelves: Kept, engine: Engine, options: CodecOptions | None = None, **more: Any) -> Report:  # noqa: ANN401
    wanted = more.pop("wanted", lambda _: True)
    stream = options is None
    given = {"existing": engine if stream else None, "max_bytes": 1_000_000, "max_actions": 100, **more}
    if options is not None:
        given["finish"] = partial(_with_index, options)
    made_of = Replayer(decoder=Decoder(options or CodecOptions()), delivery=engine, **given)
    return made_of.run(shelves, wanted)


class Refuses(Engine):
    """Rejects all documents."""

    def deliver(self, bulk: Bulk) -> Answer:
        return super().deliver(Bulk(bulk.body.replace(b'"@timestamp"', b'"other"'), bulk.count))


@pytest.mark.parametrize("packed", [b"", b"one", b"two"])
def test_documents_are_sent_once_under_their_own_ids(tmp_path: Path, packed: bytes) -> None:
    """Whatever the object's name; gzip may be of several members."""
    data, engine = made(7), Engine()
    half = len(b"".join(data.splitlines(keepends=True)[:6]))
    whole = {
        b"": data,
        b"one": gzip.compress(data),
        b"two": gzip.compress(data[:half]) + gzip.compress(data[half:]),
    }[packed]
    written(tmp_path, whole, name="anything")
    report = replayed(kept(tmp_path), engine)
    assert engine.documents == documents_in(data)
    assert (report.created, report.succeeded, report.all_well) == (7, {"bulk": 7}, True)
    report = replayed(kept(tmp_path), engine)
    assert (report.there, report.created, engine.sent, len(engine.asked)) == (7, 0, 7, 14)


def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    written(tmp_path, made(3))
    engine = Engine()
    report = replayed(kept(tmp_path), engine, dry_run=True)
    assert (report.would_send, engine.sent) == (3, 0)


def test_the_index_is_the_settings_and_never_the_objects(tmp_path: Path) -> None:
    theirs = made(1, index_mode="pattern", index_name="theirs-{yyyy}")
    assert b"theirs-2025" in theirs
    written(tmp_path, theirs)
    stream, pattern = Engine(), Engine()
    replayed(kept(tmp_path), stream)
    assert stream.documents == documents_in(theirs)
    replayed(kept(tmp_path), pattern, PATTERN)
    assert [index for index, _ in pattern.sink.documents] == ["flows-2025.11.24"]


GOOD = made(2)
ACTION, DOCUMENT = made(1, first=9).splitlines(keepends=True)
DOCUMENT_PAIR = ACTION + DOCUMENT
DOCUMENT_ID = json.loads(ACTION)["create"]["_id"]
OTHER = made(1, first=50).splitlines(keepends=True)[1]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (ACTION + OTHER, "the id and the @timestamp of the document do not belong together"),
        (ACTION, "no JSON object where a document should be"),
        (ACTION + b"[1]\n", "no JSON object where a document should be"),
        (b'{"create":{"_id":"mine"}}\n' + DOCUMENT, "a create action without an id of vpcflow"),
        (b'{"create":{}}\n' + DOCUMENT, "a create action without an id of vpcflow"),
        (ACTION.replace(b"create", b"index") + DOCUMENT, "bulk operation 'index': only create is passed on"),
        (b'{"delete":{"_id":"x"}}\n', "bulk operation 'delete': only create is passed on"),
        (b"stray\n", "no JSON object where a document should be"),
        (b"\xff\n", "no JSON object where a document should be"),
    ],
)
def test_a_bad_pair_costs_itself_alone(tmp_path: Path, bad: bytes, message: str) -> None:
    path = written(tmp_path, GOOD + bad + made(2, first=20))
    engine = Engine()
    report = replayed(kept(tmp_path), engine)
    assert engine.documents == documents_in(GOOD + made(2, first=20))
    assert (report.unreadable, report.all_well) == (1, False)
    assert f"  {path}:5: {message}" in report.lines()


def test_blank_lines_and_a_bad_beginning_cost_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, b"\n \n" + b'{"create":{}}\n' + DOCUMENT + GOOD.replace(b"\n", b"\r\n"))
    engine = Engine()
    report = replayed(kept(tmp_path), engine)
    assert (engine.documents, report.unreadable) == (documents_in(GOOD), 1)


@pytest.mark.parametrize("cut", [3, len(DOCUMENT) - 1, len(DOCUMENT), len(DOCUMENT) + 5])
def test_an_object_that_is_cut_loses_its_last_pair(tmp_path: Path, cut: int) -> None:
    data = GOOD + ACTION + DOCUMENT
    written(tmp_path, data[:-cut])
    engine = Engine()
    report = replayed(kept(tmp_path), engine)
    assert (engine.documents, report.unreadable) == (documents_in(GOOD), 1)


def test_damaged_gzip_gives_what_was_before(tmp_path: Path) -> None:
    """The first member is whole, and the second begins in the middle of a pair."""
    whole = gzip.compress(GOOD + ACTION)
    written(tmp_path, whole + gzip.compress(DOCUMENT)[:-10])
    engine = Engine()
    report = replayed(kept(tmp_path), engine)
    assert (engine.documents, report.unreadable) == (documents_in(GOOD), 1)
    assert "cannot be read to its end" in report.lines()[-1]


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    written(tmp_path, gzip.compress(GOOD + ACTION + b"x" * 50_000 + b"\n" + GOOD))
    engine = Engine()
    report = replayed(kept(tmp_path, max_bytes=10_000), engine)
    assert (engine.documents, report.unreadable) == (documents_in(GOOD), 1)
    assert "limits.max_inflated_bytes (10000)" in report.lines()[-1]


def test_a_large_object_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts end by their number of documents or by their bytes; the next is not read before it is asked for."""
    data = made(12_001)
    written(tmp_path, data)
    engine = Engine()
    report = replayed(kept(tmp_path), engine)
    assert (report.created, engine.documents) == (12_001, documents_in(data))
    assert [len(list(one.letters())) for one in kept(tmp_path).shelves()] == [5_000, 5_000, 2_001]
    monkeypatch.setattr("vpcflow.replay.ready._BYTES", 10_000)
    found = [[letter for _, letter in one.letters()] for one in kept(tmp_path).shelves()]
    sizes = [sum(len(one.raw) for one in part if isinstance(one, DeadLetter)) for part in found]
    assert len(sizes) > 100
    assert max(sizes) < 12_000


def told(data: bytes) -> list[dict[str, Any]]:
    """Return documents with their ids in them, as the modes `document` and `documents` can write them."""
    return [{**one, "event": {**one["event"], "id": name}} for name, one in documents_in(data).items()]


def test_documents_are_replayed_if_they_carry_our_id(tmp_path: Path) -> None:
    ours = told(made(2))
    lines = [*ours, documents_in(DOCUMENT_PAIR)[DOCUMENT_ID], {**ours[0], "event": {"id": "theirs"}}]
    written(tmp_path, b"".join(json.dumps(one).encode() + b"\n" for one in lines))
    engine = Engine()
    report = replayed(kept(tmp_path), engine)
    assert engine.documents == {one["event"]["id"]: one for one in ours}
    assert (report.succeeded, report.unreadable) == ({"documents": 2}, 2)
    assert "a document without an id of vpcflow in event.id" in report.lines()[-1]


def test_filters_see_a_document_at_its_own_time(tmp_path: Path) -> None:
    written(tmp_path, made(4))
    seen: list[DeadLetter] = []

    def late(letter: DeadLetter) -> bool:
        seen.append(letter)
        return letter.first_seen_ms >= (END + 2) * 1000

    report = replayed(kept(tmp_path), Engine(), wanted=late)
    assert (report.created, report.skipped) == (2, 2)
    assert {letter.source for letter in seen} == {"firehose:flows"}
    assert {letter.error_type for letter in seen} == {""}


def test_what_the_engine_rejects_is_told(tmp_path: Path) -> None:
    """And lies in the object as before: nothing is written there."""
    path = written(tmp_path, made(1))
    before = path.read_bytes()

    report = replayed(kept(tmp_path), Refuses())
    assert (report.failed, report.rejected) == ({"rejected": 1}, 1)
    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (before, [path])


class Broken:
    """A client of S3 whose connections break after some bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def get_paginator(self, _name: str) -> Any:  # noqa: ANN401 - boto3 has no types
        return self

    def paginate(self, **_asked: object) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": NAME, "Size": 1}]}]

    def get_object(self, **_asked: object) -> dict[str, Any]:
        from botocore.exceptions import ResponseStreamingError

        left = [self.data]

        class Body:
            def readinto(self, buffer: Any) -> int:  # noqa: ANN401
                if not left:
                    raise ResponseStreamingError(error="Connection broken")
                part = left.pop()
                buffer[: len(part)] = part
                return len(part)

            def close(self) -> None:
                """Leave it."""

        return {"Body": Body()}


def test_a_connection_that_breaks_is_no_damage() -> None:
    """The rest of the object is there: run it again."""
    with pytest.raises(DeadLetterError, match=f"s3://b/{NAME}: .*Connection broken.* try again later"):
        replayed(kept("s3://b/", s3=lambda: Broken(GOOD)), Engine())


def forwarded(raw: bytes, **more: Any) -> DeadLetter:  # noqa: ANN401 - fields by name
    """Return a letter as the receiver keeps what it passed on and the engine rejected."""
    fixed = {"reason": "rejected", "message": "m", "source": "firehose:flows", "position": 0, "first_seen_ms": 1}
    return DeadLetter(raw=raw, **{**fixed, "origin": Origin(name="firehose:flows", identity=b"r"), **more})


class Passes:
    """The receiver's way with such records, for a pipeline."""

    def decode(self, data: bytes, _origin: Origin, **_: object) -> Iterator[Decoded]:
        return Forwarding(CodecOptions()).decode(data)


def test_what_the_receiver_keeps_is_what_is_sent_again() -> None:
    """Rejected once; taken when the cause is corrected."""
    letters, data = MemoryDeadLetters(), made(3) + json.dumps(told(made(1, first=30))[0]).encode()
    bounds = BatchBounds(storm_fraction=1.0)
    pipeline = Pipeline(decoder=Passes(), delivery=Refuses(), deadletters=letters, bounds=bounds, clock=FakeClock())
    pipeline.submit(Record(data=data, origin=Origin(name="firehose:flows", identity=b"r"), position=(0, 0)))
    pipeline.flush()
    pipeline.close()
    assert [letter.reason for letter in letters.entries] == ["rejected"] * 4
    engine = Engine()
    report = replayed(letters, engine)
    assert engine.documents == {**documents_in(made(3)), **{one["event"]["id"]: one for one in told(made(1, first=30))}}
    assert (report.created, report.all_well, report.other_id, letters.entries) == (4, True, 0, [])


def deadletters(folder: Path, *letters: DeadLetter) -> FileShelves:
    keeper = FileDeadLetters(folder, clock=FakeClock())
    keeper.put(*letters)
    keeper.close()
    return FileShelves(folder)


def test_dead_letters_of_the_receiver_are_sent_again(tmp_path: Path) -> None:
    """With an action, or with the id in the document; under the id that they had, into the index of today's settings."""
    document = told(made(1, first=30))[0]
    letters = [
        forwarded(DOCUMENT_PAIR.rstrip(b"\n"), document_id=DOCUMENT_ID),
        forwarded(json.dumps(document).encode()),
    ]
    engine = Engine()
    report = replayed(deadletters(tmp_path / "a", *letters), engine)
    assert engine.documents == {**documents_in(DOCUMENT_PAIR), document["event"]["id"]: document}
    assert (report.all_well, report.other_id) == (True, 0)
    assert [*FileShelves(tmp_path / "a").shelves()] == []
    pattern = Engine()
    replayed(deadletters(tmp_path / "b", *letters), pattern, PATTERN)
    assert {index for index, _ in pattern.sink.documents} == {"flows-2025.11.24"}


@pytest.mark.parametrize("raw", [ACTION + OTHER, b'{"delete":{"_id":"x"}}', ACTION, GOOD, OTHER.rstrip()])
def test_dead_letters_that_are_no_document_of_ours_stay(tmp_path: Path, raw: bytes) -> None:
    engine = Engine()
    report = replayed(deadletters(tmp_path, forwarded(raw, reason="envelope")), engine)
    assert (engine.sent, report.failed.total()) == (0, 1)
    (shelf,) = FileShelves(tmp_path).shelves()
    assert [letter.raw for _, letter in shelf.letters() if isinstance(letter, DeadLetter)] == [raw]


def test_several_documents_in_a_letter_become_one_each(tmp_path: Path) -> None:
    """None of them is lost on the way: apart, they can be sent."""
    both = told(made(2))
    raw = b"\n".join(json.dumps(one).encode() for one in both)
    engine = Engine()
    shelves = deadletters(tmp_path, forwarded(raw, reason="envelope"))
    assert (replayed(shelves, engine).undecodable, engine.sent) == (2, 0)
    assert replayed(shelves, engine).all_well
    assert engine.documents == {one["event"]["id"]: one for one in both}


def test_the_message_of_an_event_is_never_taken_for_a_document(tmp_path: Path) -> None:
    """Whoever may write into a log group may not choose ids and documents."""
    context = {"owner": "1", "log_group": "flows", "log_stream": "eni-1-all", "event_id": "e"}
    engine = Engine()
    report = replayed(deadletters(tmp_path, forwarded(DOCUMENT_PAIR.rstrip(), context=context)), engine)
    assert (engine.sent, report.all_well) == (0, False)
