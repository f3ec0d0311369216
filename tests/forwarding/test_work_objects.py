"""Real objects through the real codec and pipeline: a stop anywhere, a second notification, damage, and what is gone."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from tests.forwarding.scene import KEY, REF, Fan, lines
from tests.objects.stores import Fault, Store, running
from vpcflow.clock import SystemClock
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.forwarding.reading import Reader
from vpcflow.forwarding.work import Done, Feed, Left, Result, forward_object, hand_over
from vpcflow.objects.reference import ObjectRef
from vpcflow.settings.model import Limits, Objects
from vpcflow.sink.memory import MemorySink


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with running() as given:
        yield given


@dataclass
class Given:
    store: Store
    sink: MemorySink = field(default_factory=MemorySink)
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    most_lines: int = 1_000_000_000
    sent: int = 0

    def __post_init__(self) -> None:
        client = self.store.client()
        self.client = lambda _region: client

    def forward(self, ref: ObjectRef = REF, *, block_bytes: int = 65_536) -> Result:
        fan = Fan(self.sink, self.letters)
        given = self

        class Deadline:
            def is_over(self) -> bool:
                return fan.lines >= given.most_lines

        reader = Reader(lambda _region: self.store.client(), Objects(block_bytes=block_bytes), Limits(), SystemClock())
        try:
            return forward_object(ref, Feed(fan), reads=reader, deadline=Deadline(), settle_seconds=30.0)
        finally:
            self.sent += fan.lines
            fan.pipeline.close()

    def to_the_end(self, ref: ObjectRef = REF) -> int:
        """Forward with hand-overs; return how many there were."""
        hops = 0
        while isinstance(result := self.forward(ref), Left):
            handed: list[ObjectRef] = []
            assert hand_over([result], send=handed.append, max_continuations=1000) == ""
            (ref,) = handed
            hops += 1
        assert isinstance(result, Done)
        return hops


@pytest.mark.parametrize("most_lines", [1, 700, 2500])
def test_a_forced_deadline_gives_the_same_documents_once(store: Store, most_lines: int) -> None:
    text = lines(5000)
    store.put(KEY, gzip.compress("\n".join(text).encode() + b"\n"))
    whole, parts = Given(store), Given(store, most_lines=most_lines)
    assert whole.to_the_end() == 0
    assert parts.to_the_end() >= 1
    assert len(whole.sink.documents) == 5000
    assert parts.sink.documents == whole.sink.documents
    assert parts.sent == len(text)  # no line was sent again


def test_offsets_are_those_of_the_original_bytes(store: Store) -> None:
    text = "\r\n".join(lines(3000)).encode() + b"\r\n"
    store.put(KEY, text)
    given = Given(store, most_lines=900)
    given.to_the_end()
    found = {one["log"]["offset"]: one["source"]["port"] for one in given.sink.documents.values()}  # type: ignore[index]
    places = {}
    at = 0
    for line in text.splitlines(keepends=True):
        if not line.startswith(b"version"):
            places[at] = int(line.split()[5])
        at += len(line)
    assert found == places


def test_47_a_second_notification_adds_nothing(store: Store) -> None:
    store.put(KEY, gzip.compress("\n".join(lines(100)).encode()))
    given = Given(store)
    assert isinstance(given.forward(), Done)
    before = dict(given.sink.documents)
    assert isinstance(given.forward(replace(REF, version_id="", event_time_ms=5, region="eu-central-1")), Done)
    assert given.sink.documents == before
    assert len(before) == 100


def test_an_object_that_was_overwritten_between_two_invocations_begins_anew(store: Store) -> None:
    store.put(KEY, "\n".join(lines(3000)).encode())
    given = Given(store, most_lines=900)
    result = given.forward()
    assert isinstance(result, Left)
    store.put(KEY, "\n".join(lines(10)).encode())
    given.most_lines, given.sink = 1_000_000, MemorySink()
    assert given.forward(result.ref) == Done(ref=result.ref, lines=11)
    assert len(given.sink.documents) == 10


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_29_gzip_that_is_cut_gives_all_whole_lines_and_one_dead_letter(store: Store, keep: float) -> None:
    packed = gzip.compress("\n".join(lines(4000)).encode(), 1)
    store.put(KEY, packed[: int(len(packed) * keep)])
    given = Given(store)
    assert isinstance(given.forward(), Done)
    (letter,) = [one for _, one in given.letters.letters()]
    assert (letter.reason, letter.source) == ("gzip", f"s3:logs/{KEY}")
    assert letter.raw
    assert 0 < len(given.sink.documents) == letter.position - 1  # the header is line 0
    assert isinstance(given.forward(), Done)
    assert {one.id for _, one in given.letters.letters()} == {letter.id}


def test_a_dead_letter_is_the_same_however_the_object_was_cut(store: Store) -> None:
    text = lines(2000)
    text[1500] = "2 hopeless line"
    store.put(KEY, "\n".join(text).encode())
    given = Given(store)
    given.forward()
    given.most_lines = 300
    given.to_the_end()
    first, second = [one for _, one in given.letters.letters()]
    assert (first.id, first.position, first.reason) == (second.id, 1500, "columns")
    assert "sequence" not in first.identity


def test_an_object_that_is_gone_is_kept_by_its_name(store: Store) -> None:
    given = Given(store)
    assert given.forward() == Done(ref=REF, gone=True)
    (letter,) = [one for _, one in given.letters.letters()]
    assert (letter.reason, letter.identity["aws.s3.object.key"]) == ("object", KEY)
    assert KEY.encode() in letter.raw


def test_an_object_that_is_denied_goes_back(store: Store) -> None:
    store.faults = [Fault(status=403, code="AccessDenied")]
    result = Given(store).forward()
    assert isinstance(result, Left)
    assert not result.progress
    assert "AccessDenied" in result.reason
    assert "\n" not in result.reason


def test_a_connection_that_breaks_is_mended_within_the_invocation(store: Store) -> None:
    store.put(KEY, "\n".join(lines(5000)).encode())
    store.faults = [Fault(after=100_000), Fault(after=50_000)]
    given = Given(store)
    assert isinstance(given.forward(), Done)
    assert len(given.sink.documents) == 5000
    assert len(store.requests) == 3
