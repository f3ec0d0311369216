"""Several outputs in real engines: two data streams of one cluster, and two clusters that fail one at a time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Gate
from vpcflow import wiring
from vpcflow.clock import SystemClock
from vpcflow.codec import Decoder
from vpcflow.errors import SinkRefused, VpcFlowError
from vpcflow.faults import FaultProxy, parse_script
from vpcflow.forwarding.fan import Fan
from vpcflow.forwarding.outputs import Outputs
from vpcflow.pipeline.pipeline import Record
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.settings.routes import Route
from vpcflow.stack import Stack
from vpcflow.types import Origin

pytestmark = pytest.mark.stack
LINE = "2 123456789012 eni-1 10.0.0.{n} 10.0.1.1 443 {port} 6 1 {n} 1793491200 1793491260 {action} OK"
REFUSES = '[[rule]]\naction = "status"\npath = "_bulk"\ncode = 403\n'


class Given:
    """Outputs over settings of two outputs, `first` and `second`."""

    def __init__(self, folder: Path, urls: Sequence[str], more: str, patience: float) -> None:
        name = f"fan{uuid.uuid4().hex[:8]}"
        self.names = {"first": f"logs-aws.vpcflow-{name}1", "second": f"logs-aws.vpcflow-{name}2"}
        text = f"""
[forwarder]
output_patience_seconds = {patience}
[retry]
initial_seconds = 0.05
max_seconds = 0.2
[bulk]
max_actions = 20
[deadletters]
path = "{folder}/letters"
accept_loss = true
"""
        for (output, target), url in zip(self.names.items(), urls, strict=True):
            text += (
                f'[outputs.{output}.elasticsearch]\nhosts = ["{url}"]\n[outputs.{output}.index]\nname = "{target}"\n'
            )
        file = folder / "vpcflow.toml"
        file.write_text(text + more)
        loaded = load(file, {})
        (self.route,) = loaded.routes
        self.outputs = Outputs(loaded.routes, {}, SystemClock())

    def prepare(self, urls: Sequence[str]) -> None:
        """Put the templates, past whatever stands before an engine."""
        for (output, settings), url in zip(self.route.outputs.items(), urls, strict=True):
            with closing(wiring.sink(self.at(settings, url))) as sink:
                assert sink.ensure_template(*wiring.template(settings, sink)), output

    def documents(self, output: str, url: str) -> dict[str, Any]:
        """Return the documents of an output, by id."""
        target = self.names[output]
        with closing(wiring.sink(self.at(self.route.outputs[output], url))) as sink:
            sink.refresh(target)
            found: Any = sink.search(target, {"size": 1000})
        hits = found["hits"]["hits"]
        by_id = {hit["_id"]: hit["_source"] for hit in hits}
        assert len(by_id) == len(hits)
        return by_id

    @staticmethod
    def at(settings: Settings, url: str) -> Settings:
        environ = {"VPCFLOW_ELASTICSEARCH__HOSTS": url, "VPCFLOW_INDEX__NAME": settings.index.name}
        return load(None, environ).settings

    def open(self) -> Fan:
        return self.outputs.route("arn:aws:sqs:eu-central-1:1:q").open(
            should_stop=lambda: False, on_wait=lambda _reason, _seconds: None
        )


Give = Callable[..., Given]


@pytest.fixture
def give(tmp_path: Path) -> Iterator[Give]:
    """Make outputs at URLs; `past`: where their engines are, if something stands before them."""
    made: list[Given] = []

    def given(urls: Sequence[str], more: str = "", *, past: Sequence[str] | None = None, patience: float = 60) -> Given:
        made.append(Given(tmp_path, urls, more, patience))
        made[-1].prepare(past or urls)
        return made[-1]

    yield given
    for one in made:
        one.outputs.close()


@pytest.fixture(params=["elasticsearch", "opensearch"])
def urls(request: pytest.FixtureRequest, stack_elasticsearch: Stack) -> list[str]:
    """Where two outputs go: to one cluster, or to two of different products."""
    other: Stack = request.getfixturevalue(f"stack_{request.param}")
    return [stack_elasticsearch.engine_url, other.engine_url]


def records(count: int, each: int = 10) -> list[Record]:
    """Return records of so many lines, every other a rejected flow."""
    return [
        Record(
            data="\n".join(
                LINE.format(n=n, port=1000 * number + n, action="REJECT" if n % 2 else "ACCEPT") for n in range(each)
            ).encode(),
            origin=Origin(identity=f"record-{number}".encode(), name="test", fields={}),
            position=(number, 0),
        )
        for number in range(count)
    ]


def expected(settings: Settings, given: Sequence[Record]) -> dict[str, Any]:
    """Return the documents that an output with these settings has when it is the only one."""
    decoder = Decoder(wiring.codec_options(settings))
    found: dict[str, Any] = {}
    for record in given:
        for chunk in decoder.decode(record.data, record.origin):
            lines = chunk.body.split(b"\n")[:-1]
            for action, source in zip(lines[0::2], lines[1::2], strict=True):
                found[json.loads(action)["create"]["_id"]] = json.loads(source)
    return found


MORE = """
[outputs.first.document]
tags = ["searched"]
[outputs.second.document]
shape = "raw"
tags = ["archived", "rejected"]
[outputs.second.filter]
include = ["action == REJECT"]
"""


def test_23_outputs_do_not_change_each_others_documents(give: Give, urls: list[str]) -> None:
    given = give(urls, MORE)
    route: Route = given.route
    fan = given.open()
    sent = records(3)
    for record in sent:
        fan.submit(record)
    assert fan.flush(60)
    assert fan.open == set()
    counts = fan.counts
    fan.close()
    assert [(name, one.created, one.filtered) for name, one in counts.items()] == [("first", 30, 0), ("second", 15, 15)]
    for (name, settings), url in zip(route.outputs.items(), urls, strict=True):
        assert given.documents(name, url) == expected(settings, sent)
    first, second = (given.documents(name, url) for name, url in zip(given.names, urls, strict=True))
    assert first.keys() > second.keys()  # an event has one id everywhere
    assert {len(one["tags"]) for one in second.values()} != {len(one["tags"]) for one in first.values()}
    assert all("network" in one for one in first.values())
    assert all("network" not in one for one in second.values())


def test_36_two_events_with_one_id_have_an_outcome_each_in_each_output(give: Give, urls: list[str]) -> None:
    given = give(urls)
    (once,) = records(1)
    again = Record(data=once.data, origin=once.origin, position=(1, 0))
    fan = given.open()
    fan.submit(once)
    fan.submit(again)
    assert fan.flush(60)
    for counts in fan.counts.values():
        assert (counts.documents, counts.created, counts.duplicate, counts.rejected) == (20, 10, 10, 0)
    fan.close()
    for name, url in zip(given.names, urls, strict=True):
        assert len(given.documents(name, url)) == 10


@pytest.mark.parametrize("away", ["first", "second"])
def test_40_while_one_engine_is_away_the_other_takes_everything(
    give: Give, stack_elasticsearch: Stack, stack_opensearch: Stack, away: str
) -> None:
    engines = [stack_elasticsearch.engine_url, stack_opensearch.engine_url]
    at = ["first", "second"].index(away)
    gate = Gate(engines[at])
    gate.open()
    given = give([*engines[:at], gate.url, *engines[at + 1 :]], past=engines, patience=10)
    well = "second" if away == "first" else "first"
    sent = records(8)

    def batch(numbers: Sequence[Record]) -> Fan:
        fan = given.open()
        for record in numbers:
            fan.submit(record)
        return fan

    try:
        fan = batch(sent[:2])
        assert fan.flush(60)
        fan.close()
        gate.shut()
        fan = batch(sent)
        with pytest.raises(VpcFlowError, match=rf"^output {away}: "):
            fan.flush(60)
        assert fan.open == {record.position for record in sent[2:]} | (fan.open & {one.position for one in sent[:2]})
        assert fan.counts[well].created == 60
        fan.close()
        assert len(given.documents(well, engines[1 - at])) == 80
        assert len(given.documents(away, engines[at])) == 20
        gate.open()
        fan = batch(sent)
        assert fan.flush(60)
        assert fan.open == set()
        assert (fan.counts[well].created, fan.counts[well].duplicate) == (0, 80)
        assert fan.counts[away].created + fan.counts[away].duplicate == 80
        fan.close()
    finally:
        gate.shut()
    for (name, settings), url in zip(given.route.outputs.items(), engines, strict=True):
        assert given.documents(name, url) == expected(settings, sent)


def test_an_engine_that_is_away_from_the_beginning_is_waited_for_once(
    give: Give, stack_elasticsearch: Stack, stack_opensearch: Stack
) -> None:
    engines = [stack_elasticsearch.engine_url, stack_opensearch.engine_url]
    gate = Gate(engines[0])  # nobody listens
    given = give([gate.url, engines[1]], past=engines, patience=10)
    sent = records(3)
    try:
        for _ in range(2):
            fan = given.open()
            for record in sent:
                fan.submit(record)
            with pytest.raises(VpcFlowError, match=r"^output first: "):
                fan.flush(60)
            assert fan.open == {record.position for record in sent}
            fan.close()
            assert len(given.documents("second", engines[1])) == 30
        gate.open()
        fan = given.open()
        for record in sent:
            fan.submit(record)
        assert fan.flush(60)
        assert fan.open == set()
        fan.close()
    finally:
        gate.shut()
    assert len(given.documents("first", engines[0])) == 30


def test_39_a_whole_request_that_is_refused_is_never_delivered(give: Give, stack_elasticsearch: Stack) -> None:
    url = stack_elasticsearch.engine_url
    sent = records(4)
    with FaultProxy(url, parse_script(REFUSES)) as proxy:
        given = give([proxy.url, url], past=[url, url])
        fan = given.open()
        for record in sent:
            fan.submit(record)
        with pytest.raises(SinkRefused, match=r"^output first: .*403"):
            fan.flush(60)
        assert fan.open == {record.position for record in sent}
        assert fan.counts["first"].created == 0
        assert fan.counts["second"].created == 40
        fan.close()
    assert given.documents("second", url) == expected(given.route.outputs["second"], sent)


def test_a_line_that_nobody_can_read_is_one_letter_in_each_place(
    give: Give, stack_elasticsearch: Stack, tmp_path: Path
) -> None:
    url = stack_elasticsearch.engine_url
    given = give([url, url], f'[outputs.second.deadletters]\npath = "{tmp_path}/others"\n')
    (record,) = records(1)
    fan = given.open()
    fan.submit(Record(data=record.data + b"\nno flow\n", origin=record.origin, position=record.position))
    assert fan.flush(60)
    fan.close()
    for folder in ("letters", "others"):
        (file,) = (tmp_path / folder).glob("*.jsonl")
        assert [json.loads(line)["raw"] for line in file.read_text().splitlines()] == ["no flow"]


def test_outputs_of_one_cluster_share_what_is_learnt_of_it(give: Give, urls: list[str]) -> None:
    given = give(urls)
    fan = given.open()
    fan.close()
    (_, first), (_, second) = given.outputs._engines.made
    same = urls[0] == urls[1]
    assert (first.window is second.window) is same  # type: ignore[attr-defined]
    assert (first.breaker is second.breaker) is same  # type: ignore[attr-defined]
    assert first.sink is not second.sink  # type: ignore[attr-defined]
    given.open().close()
    assert len(given.outputs._engines.made) == 2
