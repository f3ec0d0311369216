"""What every keeper of dead letters does, whatever its kind: built from settings, as the programs build it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from vpcflow import wiring, wiring_deadletters
from vpcflow.clock import FakeClock
from vpcflow.deadletters.abstract import DeadLetters, Kept, Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.types import Origin

ORIGIN = Origin(
    identity=b"\x00\xffkey", name="kinesis:flows", arrival_ms=1_700_000_000_000, fields={"a.b": 1, "c": "d"}
)
LETTER = DeadLetter(
    reason="columns",
    message="15 columns, 14 wanted",
    raw=b"2 123456789010 eni-1",
    source="kinesis:flows",
    identity={"sequence": "49590338271490256608559692538361571095921575989136588898", "subsequence": 0},
    position=3,
    first_seen_ms=1_700_000_000_123,
    origin=ORIGIN,
    context={"owner": "1", "log_group": "g\ud800\uffff", "log_stream": "s", "event_id": "e\x00", "event_timestamp": 5},
)
ODD = [
    replace(LETTER, raw=b"\x1f\x8b\xff\x00", position=-1, reason="gzip"),
    replace(LETTER, raw="ä \u2028 \ufffe \x7f\x01 line".encode(), position=4, message="\ud800 half\na pair"),
    replace(LETTER, raw=b"", position=5, reason="rejected", error_type="mapper", document_id="abc", attempts=7),
    replace(LETTER, raw=b"of format 1", origin=None, context={}),
]


@pytest.fixture(autouse=True)
def _one_queue_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the emulator does not show at once is not there."""
    monkeypatch.setattr("vpcflow.deadletters.queue_shelves._WAIT_SECONDS", 0)


def many(count: int, size: int = 20) -> list[DeadLetter]:
    return [replace(LETTER, position=n, raw=f"{n} ".encode().ljust(size, b"x")) for n in range(count)]


@dataclass
class Given:
    """How to keep, and how to read."""

    settings: Settings
    memory: MemoryDeadLetters | None = None
    clock: FakeClock = field(default_factory=FakeClock)

    def keeper(self) -> DeadLetters:
        return self.memory or wiring_deadletters.deadletters(self.settings, {}, self.clock, connect=wiring.sink)

    def reader(self) -> Kept:
        return self.memory or wiring_deadletters.kept(self.settings, {}, self.clock, connect=wiring.sink)

    def put(self, *letters: DeadLetter) -> None:
        with closing(self.keeper()) as keeper:
            keeper.put(*letters)

    def read(self) -> list[DeadLetter]:
        with closing(self.reader()) as kept:
            found = [letter for shelf in kept.shelves() for _, letter in shelf.letters()]
        assert not [one for one in found if isinstance(one, Unreadable)]
        return sorted((one for one in found if isinstance(one, DeadLetter)), key=lambda one: (one.position, one.raw))


KINDS = [
    "memory",
    "file",
    "s3",
    "sqs",
    "sqs and s3",
    "fifo",
    pytest.param("stack_elasticsearch", marks=pytest.mark.stack),
    *[
        pytest.param(name, marks=[pytest.mark.stack, pytest.mark.slow])
        for name in ("stack_opensearch", "stack_elasticsearch8")
    ],
]


@pytest.fixture(params=KINDS)
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Given]:
    kind: str = request.param
    if kind == "memory":
        yield Given(Settings(), MemoryDeadLetters())
    elif kind.startswith("stack"):
        index = f"letters-{uuid.uuid4().hex}"
        url = request.getfixturevalue(kind).engine_url
        yield Given(settings_of(KIND="index", INDEX=index, hosts=url))
    elif kind == "file":
        yield Given(settings_of(PATH=str(tmp_path / "letters"), ACCEPT_LOSS="true", MAX_FILE_BYTES="2000"))
    else:
        yield Given(settings_of(**amazon(kind, request)))


def amazon(kind: str, request: pytest.FixtureRequest) -> dict[str, str]:
    url = request.getfixturevalue("aws_url")
    found = {"KIND": "sqs", "S3_ENDPOINT": url, "SQS_ENDPOINT": url, "REGION": "eu-west-1"}
    if kind == "s3":
        return {**found, "KIND": "s3", "BUCKET": request.getfixturevalue("bucket")}
    if kind == "fifo":
        sqs = request.getfixturevalue("aws")("sqs")
        name = f"letters-{uuid.uuid4().hex}.fifo"
        return {**found, "QUEUE_URL": sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]}
    found["QUEUE_URL"] = request.getfixturevalue("queue_url")
    if kind == "sqs and s3":  # so small that each letter is a large one
        found |= {"BUCKET": request.getfixturevalue("bucket"), "MAX_MESSAGE_BYTES": "1024"}
    return found


def settings_of(hosts: str = "", **values: str) -> Settings:
    environ = {f"VPCFLOW_DEADLETTERS__{name}": value for name, value in values.items()}
    if hosts:
        environ["VPCFLOW_ELASTICSEARCH__HOSTS"] = hosts
    return load(None, environ).settings


def test_nothing_is_kept_before_something_is_put(given: Given) -> None:
    given.put()
    assert given.read() == []


def test_what_is_put_is_read_byte_for_byte(given: Given) -> None:
    with closing(given.keeper()) as keeper:
        keeper.put(LETTER)
        assert given.read() == [LETTER]
        keeper.put(*ODD)
    found, due = given.read(), sorted([LETTER, *ODD], key=lambda one: (one.position, one.raw))
    assert found == due
    assert [one.id for one in found] == [one.id for one in due]


def test_many_and_large_ones(given: Given) -> None:
    letters = [*many(33), *[replace(one, position=100 + one.position) for one in many(3, size=3_000)]]
    given.put(*letters)
    assert given.read() == letters


def test_the_same_again_after_a_crash_overwrites_or_comes_twice_but_is_never_lost(given: Given) -> None:
    letters = many(5)
    given.put(*letters)
    given.put(*letters)
    found = given.read()
    assert {one.id for one in found} == {one.id for one in letters}
    once = given.settings.deadletters.kind in ("s3", "index")
    assert len(found) == len(letters) * (1 if once else 2)


def test_what_is_settled_is_gone_and_the_rest_stays(given: Given) -> None:
    letters = many(12)
    given.put(*letters)
    again = {}
    with closing(given.reader()) as kept:
        for shelf in kept.shelves():
            changes: dict[int, list[DeadLetter]] = {}
            for place, letter in shelf.letters():
                assert isinstance(letter, DeadLetter)
                if letter.position % 3 == 0:
                    changes[place] = []
                elif letter.position % 3 == 1:
                    again[letter.position] = replace(letter, attempts=2, message="again")
                    changes[place] = [again[letter.position]]
            shelf.settle(changes)
    assert sorted(again) == [1, 4, 7, 10]
    assert given.read() == [again.get(one.position, one) for one in letters if one.position % 3]


def test_a_large_one_that_fails_again_stays(given: Given) -> None:
    large = replace(LETTER, raw=b"x" * 5_000)
    given.put(large)
    for attempts in (2, 3):
        again = replace(large, attempts=attempts, message="again")
        with closing(given.reader()) as kept:
            for shelf in kept.shelves():
                shelf.settle({place: [again] for place, _ in shelf.letters()})
        assert given.read() == [again]


def test_one_letter_may_become_several(given: Given) -> None:
    given.put(LETTER)
    parts = many(3)
    with closing(given.reader()) as kept:
        for shelf in kept.shelves():
            shelf.settle({place: parts for place, _ in shelf.letters()})
    assert given.read() == parts


def test_all_can_be_settled(given: Given) -> None:
    given.put(*many(30))
    with closing(given.reader()) as kept:
        for shelf in kept.shelves():
            shelf.settle({place: () for place, _ in shelf.letters()})
    assert given.read() == []
    given.put(LETTER)
    assert given.read() == [LETTER]


def test_a_writer_goes_on_while_a_reader_settles(given: Given) -> None:
    with closing(given.keeper()) as keeper:
        first, second, third = many(3)
        keeper.put(first)
        with closing(given.reader()) as kept:
            for shelf in kept.shelves():
                places = [place for place, _ in shelf.letters()]
                keeper.put(second)
                shelf.settle(dict.fromkeys(places, ()))
        keeper.put(third)
    found: list[Any] = given.read()
    assert found == [second, third]
