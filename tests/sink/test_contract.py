"""What every sink does: run over the one in memory always, and over real engines where the stack is there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from vpcflow.errors import SinkRefused
from vpcflow.sink.abstract import Sink
from vpcflow.sink.engine import EngineOptions, EngineSink
from vpcflow.sink.memory import FaultySink, MemorySink
from vpcflow.types import Bulk, Outcome


def template(target: str, priority: int = 900) -> dict[str, object]:
    return {
        "index_patterns": [target],
        "data_stream": {},
        "priority": priority,
        "template": {
            "settings": {"number_of_replicas": 0, "number_of_shards": 1},
            "mappings": {"properties": {"@timestamp": {"type": "date"}, "n": {"type": "long"}}},
        },
    }


def unique() -> str:
    """A name that no earlier run has used: the stripped engine cannot delete data streams."""
    return f"contract-test-{uuid.uuid4().hex}"


ELASTIC = [
    pytest.param("stack_elasticsearch", marks=pytest.mark.stack),
    pytest.param("stack_elasticsearch8", marks=[pytest.mark.stack, pytest.mark.slow]),
]
OPEN = [pytest.param("stack_opensearch", marks=pytest.mark.stack)]
STACK = [*ELASTIC, *OPEN]
C, D, R = Outcome.CREATED, Outcome.DUPLICATE, Outcome.REJECTED


@dataclass
class Given:
    """A sink, and how many documents are in it."""

    sink: Sink
    engine: EngineSink | None = None
    memory: MemorySink | None = None
    target: str = ""

    def count(self) -> int:
        if self.memory is not None:
            return len(self.memory.documents)
        assert self.engine is not None
        self.engine.refresh(self.target)
        return self.engine.count(self.target)


def connect(request: pytest.FixtureRequest, name: str, **options: object) -> EngineSink:
    url = request.getfixturevalue(name).engine_url
    return EngineSink(EngineOptions(hosts=(url,), **{"data_stream": True, **options}))  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "faulty", *STACK])
def given(request: pytest.FixtureRequest) -> Iterator[Given]:
    if request.param in {"memory", "faulty"}:
        memory = MemorySink()
        yield Given(memory if request.param == "memory" else FaultySink(memory, []), memory=memory)
        return
    target = unique()
    engine = connect(request, request.param, target=target)
    engine.ensure_template(target, template(target))
    yield Given(engine, engine=engine, target=target)
    engine.request("DELETE", f"/_data_stream/{target}")
    engine.request("DELETE", f"/_index_template/{target}")
    engine.close()


def bulk(*items: tuple[str, str]) -> Bulk:
    lines = [f'{{"create":{{"_id":"{name}"}}}}\n{document}\n' for name, document in items]
    return Bulk("".join(lines).encode(), len(items))


def good(name: str) -> tuple[str, str]:
    return name, '{"@timestamp":"2026-01-01T00:00:00.000Z","n":1,"message":"ä"}'


def test_new_documents_are_created(given: Given) -> None:
    assert list(given.sink.write(bulk(good("a"), good("b"))).outcomes) == [C, C]
    assert given.count() == 2


def test_the_second_time_is_a_duplicate(given: Given) -> None:
    given.sink.write(bulk(good("a")))
    answer = given.sink.write(bulk(good("a"), good("b"), good("b")))
    assert list(answer.outcomes) == [D, C, D]
    assert set(answer.errors) == {0, 2}
    assert answer.errors[0].type == "version_conflict_engine_exception"
    assert given.count() == 2


def test_bad_documents_are_rejected_alone(given: Given) -> None:
    answer = given.sink.write(bulk(good("a"), ("b", '{"n":1}'), ("c", '{"@timestamp":'), good("d")))
    assert list(answer.outcomes) == [C, R, R, C]
    assert set(answer.errors) == {1, 2}
    assert all(error.type.endswith("parsing_exception") and error.reason for error in answer.errors.values())
    assert given.count() == 2


def test_many(given: Given) -> None:
    answer = given.sink.write(bulk(*(good(str(n)) for n in range(2_000))))
    assert list(answer.outcomes) == [C] * 2_000
    assert not answer.errors
    assert given.count() == 2_000


@dataclass
class Engine:
    """An engine, and a name in it that is not used."""

    sink: EngineSink
    target: str
    fixture: str


@pytest.fixture(params=STACK)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    target = unique()
    sink = connect(request, request.param, target=target)
    yield Engine(sink, target, request.param)
    for path in (f"/_data_stream/{target}", f"/{target}", f"/_index_template/{target}"):
        sink.request("DELETE", path)
    sink.close()


def test_an_engine_tells_its_product(engine: Engine) -> None:
    engine.sink.identify()
    assert engine.sink.product == engine.fixture.removeprefix("stack_").removesuffix("8")


def test_an_engine_keeps_templates(engine: Engine) -> None:
    name = engine.target
    bodies = [template(name), template(name), template(name, priority=901)]
    assert [engine.sink.ensure_template(name, body) for body in bodies] == ["created", "unchanged", "updated"]


def test_an_engine_says_what_is_wrong_with_a_template(engine: Engine) -> None:
    with pytest.raises(SinkRefused, match="PUT /_index_template/") as caught:
        engine.sink.ensure_template(engine.target, {"index_patterns": [engine.target], "no_such_key": 1})
    assert caught.value.exit_code == 78


def test_a_target_without_template_is_refused(engine: Engine) -> None:
    with pytest.raises(SinkRefused, match="vpcflow setup --template") as caught:
        engine.sink.check_target()
    assert caught.value.exit_code == 78
    engine.sink.ensure_template(engine.target, template(engine.target))
    engine.sink.check_target()
    assert list(engine.sink.write(bulk(good("a"))).outcomes) == [C]
    engine.sink.check_target()


def test_a_plain_index_is_no_target(engine: Engine) -> None:
    engine.sink.ask("PUT", f"/{engine.target}", {"settings": {"number_of_replicas": 0}})
    with pytest.raises(SinkRefused, match="plain index"):
        engine.sink.check_target()


@pytest.mark.parametrize("engine", ELASTIC, indirect=True)
def test_elasticsearch_refuses_a_write_without_data_stream(engine: Engine) -> None:
    with pytest.raises(SinkRefused) as caught:
        engine.sink.write(bulk(good("a")))
    assert caught.value.exit_code == 78


def test_a_missing_pipeline_stops(engine: Engine, request: pytest.FixtureRequest) -> None:
    engine.sink.ensure_template(engine.target, template(engine.target))
    other = connect(request, engine.fixture, target=engine.target, pipeline="no-such-pipeline")
    with pytest.raises(SinkRefused, match="no-such-pipeline") as caught:
        other.write(bulk(good("a")))
    assert caught.value.exit_code == 78
    other.close()


def test_a_target_that_is_missing_holds_nothing(engine: Engine) -> None:
    engine.sink.refresh(engine.target)
    assert engine.sink.count(engine.target) == 0
    assert engine.sink.search(engine.target, {"size": 0})["timed_out"] is False


def without_ids(index: str, count: int) -> Bulk:
    return Bulk(f'{{"create":{{"_index":"{index}"}}}}\n{good("")[1]}\n'.encode() * count, count)


@pytest.mark.parametrize("engine", STACK, indirect=True)
def test_without_ids_nothing_is_a_duplicate(engine: Engine, request: pytest.FixtureRequest) -> None:
    """What `index.accept_duplicates` accepts."""
    other = connect(request, engine.fixture, data_stream=False)
    for _ in range(2):
        assert list(other.write(without_ids(engine.target, 2)).outcomes) == [C, C]
    other.refresh(engine.target)
    assert other.count(engine.target) == 4
    other.close()


@pytest.mark.parametrize("engine", OPEN, indirect=True)
@pytest.mark.parametrize("service", ["es", "aoss"])
def test_opensearch_takes_what_is_sent_to_amazon(
    engine: Engine, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    """It checks no signature; but it reads the body by PUT, the escaped parameters, and the headers of a signature."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    other = connect(request, engine.fixture, data_stream=False, service=service, region="eu-central-1")
    items = [f'{{"create":{{"_index":"{engine.target}","_id":"{n}"}}}}\n{good("")[1]}\n' for n in range(3)]
    body = Bulk("".join(items).encode(), 3)
    assert [list(other.write(body).outcomes) for _ in range(2)] == [[C] * 3, [D] * 3]
    wrong = connect(
        request, engine.fixture, data_stream=False, service=service, region="eu-central-1", pipeline="no-such-pipeline"
    )
    with pytest.raises(SinkRefused, match="no-such-pipeline"):
        wrong.write(body)
    wrong.close()
    other.close()
