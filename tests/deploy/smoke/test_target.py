"""A run with a search engine: objects in S3, our forwarder; an engine in this process, and a real Elasticsearch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.smoke.command import main
from tests.deploy.smoke.engine import AddingEngine
from tests.deploy.smoke.world import Forward, World
from tests.eventsources.flows import our_handler
from tests.quiet_http import running
from tests.runtime.context import Context
from vpcflow.settings.load import load
from vpcflow.stack import Stack
from vpcflow.wiring import sink

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:forwarder"


def forwarder(world: World) -> Forward:
    """Return what calls our forwarder with the variables of its template, but for the endpoints."""

    def forward(variables: Mapping[str, str], event: dict[str, Any]) -> None:
        ours = {key: value for key, value in variables.items() if key.startswith("VPCFLOW_")}
        ours |= {"VPCFLOW_DEADLETTERS__BUCKET": variables["dead"], "VPCFLOW_DEADLETTERS__S3_ENDPOINT": world.url}
        ours |= {"VPCFLOW_OBJECTS__S3_ENDPOINT": world.url, "VPCFLOW_FORWARDER__CONTINUE_QUEUE_URL": ""}
        answer = our_handler(world.clock, ours)(event, Context(world.clock, 60, FUNCTION))
        assert answer == {"batchItemFailures": []}

    return forward


def ran(world: World, zips: Mapping[str, Path], url: str) -> int:
    options = ["--yes", "--region", "eu-central-1", "--events", "200", "--minutes", "4", "--no-probes", "--target", url]
    return main(options, account=world, clock=world.clock, pack=lambda _architecture: zips)


def test_documents_of_all_objects(world: World, zips: Mapping[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    world.forward = forwarder(world)
    with running(AddingEngine()) as engine:
        code = ran(world, zips, engine.url)
        said = capsys.readouterr().out
        assert code == 0, said
        assert len(re.findall(r"ok\s+S3, SQS, forwarder: ", said)) == 4
        assert "confirmed: keys-in-notifications" in said
        assert (engine.documents(), engine.templates, world.left()) == ([], {}, [])


def test_an_object_is_lost(world: World, zips: Mapping[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    forward, seen = forwarder(world), []

    def lossy(variables: Mapping[str, str], event: dict[str, Any]) -> None:
        seen.append(event)
        if len(seen) > 1:
            forward(variables, event)

    world.forward = lossy
    with running(AddingEngine()) as engine:
        code = ran(world, zips, engine.url)
        said = capsys.readouterr().out
        assert code == 70
        assert re.search(r"BAD\s+S3, SQS, forwarder: every good event is there, once: .* found fewer in time", said)
        assert "not seen: keys-in-notifications" in said
        assert (engine.documents(), engine.templates, world.left()) == ([], {}, [])


def test_an_engine_that_keeps_what_it_has(
    world: World, zips: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    world.forward = forwarder(world)
    with running(AddingEngine()) as engine:
        world.on_remove = lambda: setattr(engine, "away", True)
        code = ran(world, zips, engine.url)
        said = capsys.readouterr().out
        assert code == 70
        assert re.search(r"LEFT: data stream logs-aws\.vpcflow-smoke\w+: ", said)
        assert re.search(r"LEFT: index template vpcflow-\S+: ", said)
        assert engine.templates
        assert world.left() == []

        engine.away, world.on_remove = False, lambda: None
        again = re.search(r"try again: python -m deploy\.smoke (--remove \S+ .*)", said)
        assert again
        assert main(again[1].split(), account=world, clock=world.clock) == 0
        assert (engine.documents(), engine.templates) == ([], {})


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.parametrize("forwards", [True, False])
def test_a_real_engine(
    forwards: bool,  # noqa: FBT001 - a case
    world: World,
    zips: Mapping[str, Path],
    stack_opensearch: Stack,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """OpenSearch: the Elasticsearch that can be had as a package deletes no data stream."""
    url = stack_opensearch.engine_url
    engine = sink(load(None, {"VPCFLOW_ELASTICSEARCH__HOSTS": url}).settings)
    world.forward = forwarder(world) if forwards else None
    code = ran(world, zips, url)
    said = capsys.readouterr().out
    assert code == (0 if forwards else 70), said
    found = re.search(r"(\w+)\s+S3, SQS, forwarder: every good event is there, once: planted \d+ events", said)
    assert found
    assert found[1] == ("ok" if forwards else "BAD")
    assert world.left() == []
    streams: Any = engine.request("GET", "/_data_stream/logs-aws.vpcflow-smoke*").body
    assert streams["data_streams"] == []
    assert "vpcflow-smoke" not in str(engine.request("GET", "/_index_template").body)
