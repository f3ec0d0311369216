"""A data stream after a rollover: `create` alone would make the same document again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from vpcflow.codec import CodecOptions, Decoder
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import SinkUnavailable
from vpcflow.replay.existing import ExistingIds
from vpcflow.replay.replayer import Replayer
from vpcflow.sink.engine import EngineOptions, EngineSink
from vpcflow.types import Answer, Bulk, Origin

FLOW = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
STACK = [
    *[pytest.param(name, marks=pytest.mark.stack) for name in ("stack_elasticsearch", "stack_opensearch")],
    pytest.param("stack_elasticsearch8", marks=[pytest.mark.stack, pytest.mark.slow]),
]


@dataclass
class Stream:
    engine: EngineSink
    name: str

    def deliver(self, bulk: Bulk) -> Answer:
        return self.engine.write(bulk)

    def known(self) -> ExistingIds:
        return ExistingIds(self.engine, self.name, patiently=lambda ask: ask())

    def replayer(self, *, asks: bool) -> Replayer:
        return Replayer(
            decoder=Decoder(CodecOptions()),
            delivery=self,
            existing=self.known() if asks else None,
            max_bytes=1_000_000,
            max_actions=700,
        )

    def count(self) -> int:
        self.engine.refresh(self.name)
        return self.engine.count(self.name)

    def rollover(self) -> None:
        self.engine.ask("POST", f"/{self.name}/_rollover")


@pytest.fixture(params=STACK)
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    name = f"replay-test-{uuid.uuid4().hex}"
    url = request.getfixturevalue(request.param).engine_url
    with closing(EngineSink(EngineOptions(hosts=(url,), target=name, data_stream=True))) as engine:
        template = {
            "index_patterns": [name],
            "data_stream": {},
            "priority": 900,
            "template": {"settings": {"number_of_replicas": 0, "number_of_shards": 1}},
        }
        engine.ensure_template(name, template)
        yield Stream(engine, name)
        engine.request("DELETE", f"/_data_stream/{name}")
        engine.request("DELETE", f"/_index_template/{name}")


def letters(count: int) -> MemoryDeadLetters:
    kept = MemoryDeadLetters()
    origin = Origin(identity=b"record", name="kinesis:s")
    for position in range(count):
        kept.put(
            DeadLetter(
                reason="columns",
                message="",
                raw=FLOW.encode(),
                source="s",
                position=position,
                first_seen_ms=0,
                origin=origin,
            )
        )
    return kept


def everything(_letter: DeadLetter) -> bool:
    return True


def test_what_an_older_backing_index_has_is_not_created_again(stream: Stream) -> None:
    first = stream.replayer(asks=True).run(letters(5), everything)
    assert (first.created, first.there) == (5, 0)
    stream.rollover()
    second = stream.replayer(asks=True).run(letters(8), everything)
    assert (second.created, second.there, second.duplicate) == (3, 5, 0)
    assert stream.count() == 8


def test_without_asking_it_would_be(stream: Stream) -> None:
    """What the question is for."""
    stream.replayer(asks=False).run(letters(2), everything)
    stream.rollover()
    report = stream.replayer(asks=False).run(letters(2), everything)
    assert (report.created, stream.count()) == (2, 4)
    found = stream.replayer(asks=True).run(letters(3), everything)
    assert (found.there, found.created) == (2, 1)


def test_thousands_are_asked_for_in_parts(stream: Stream) -> None:
    stream.replayer(asks=True).run(letters(1_500), everything)
    stream.rollover()
    ids = [action["create"]["_id"] for action in _actions(2_500)]
    assert stream.known().among(ids) == set(ids[:1_500])


def test_a_stream_that_is_not_there_has_nothing(stream: Stream) -> None:
    assert stream.known().among(["a", "b"]) == set()


def _actions(count: int) -> Iterator[dict[str, Any]]:
    import orjson

    data = "\n".join([FLOW] * count).encode()
    for chunk in Decoder(CodecOptions()).decode(data, Origin(identity=b"record", name="kinesis:s")):
        yield from map(orjson.loads, chunk.body.split(b"\n")[0:-1:2])


class Answers:
    """An engine whose searches are scripted."""

    where = "there"

    def __init__(self, *replies: dict[str, Any]) -> None:
        self.replies = [*replies]
        self.asked: list[Any] = []

    def search(self, target: str, body: Any) -> dict[str, Any]:  # noqa: ANN401
        self.asked.append(body["query"]["ids"]["values"])
        return self.replies.pop(0)

    def refresh(self, target: str) -> None:
        self.asked.append("refresh")


def hits(total: int, *ids: str) -> dict[str, Any]:
    return {"hits": {"total": {"value": total}, "hits": [{"_id": one} for one in ids]}, "_shards": {"failed": 0}}


def once(ask: Callable[[], set[str]]) -> set[str]:
    return ask()


def test_an_answer_without_all_hits_is_asked_for_the_rest() -> None:
    engine = Answers(hits(5, "a", "a", "b"), hits(2, "c"), hits(0))
    assert ExistingIds(engine, "s", patiently=once).among(["a", "b", "c", "d"]) == {"a", "b", "c"}
    assert engine.asked == ["refresh", ["a", "b", "c", "d"], ["c", "d"], ["d"]]


@pytest.mark.parametrize("reply", [{"timed_out": True}, {"_shards": {"failed": 1}}])
def test_half_an_answer_is_none(reply: dict[str, Any]) -> None:
    with pytest.raises(SinkUnavailable, match="not all shards"):
        ExistingIds(Answers({**hits(0), **reply}), "s", patiently=once).among(["a"])


def test_nothing_is_asked_for_nothing() -> None:
    engine = Answers()
    assert ExistingIds(engine, "s", patiently=once).among([]) == set()
    assert engine.asked == []
