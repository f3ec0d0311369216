"""A run with a search engine: objects in S3, our forwarder, a real Elasticsearch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.smoke.command import main
from tests.deploy.smoke.world import World
from tests.eventsources.flows import our_handler
from tests.runtime.context import Context
from vpcflow.settings.load import load
from vpcflow.stack import Stack
from vpcflow.wiring import sink

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:forwarder"
pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.mark.parametrize("forwards", [True, False])
def test_the_documents_are_in_the_engine(
    forwards: bool,  # noqa: FBT001 - a case
    world: World,
    zips: Mapping[str, Path],
    stack_elasticsearch: Stack,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = stack_elasticsearch.engine_url
    engine = sink(load(None, {"VPCFLOW_ELASTICSEARCH__HOSTS": url}).settings)

    def forward(variables: Mapping[str, str], event: dict[str, Any]) -> None:
        ours = {key: value for key, value in variables.items() if key.startswith("VPCFLOW_")}
        ours |= {"VPCFLOW_DEADLETTERS__BUCKET": variables["dead"], "VPCFLOW_DEADLETTERS__S3_ENDPOINT": world.url}
        ours |= {"VPCFLOW_OBJECTS__S3_ENDPOINT": world.url, "VPCFLOW_FORWARDER__CONTINUE_QUEUE_URL": ""}
        answer = our_handler(world.clock, ours)(event, Context(world.clock, 60, FUNCTION))
        assert answer == {"batchItemFailures": []}

    world.forward = forward if forwards else None
    arguments = [
        "--yes",
        "--region",
        "eu-central-1",
        "--events",
        "120",
        "--minutes",
        "4",
        "--no-probes",
        "--target",
        url,
    ]
    code = main(arguments, account=world, clock=world.clock, pack=lambda _architecture: zips)
    said = capsys.readouterr().out
    if forwards:
        assert code == 0, said
        assert re.search(r"ok\s+S3, SQS, forwarder: every good event is there, once: planted \d+ events", said)
        assert "confirmed: keys-in-notifications" in said
    else:
        assert code == 70
        assert re.search(r"BAD\s+S3, SQS, forwarder: every good event is there, once", said)
    assert world.left() == []
    streams: Any = engine.request("GET", "/_data_stream/logs-aws.vpcflow-smoke*").body
    assert streams["data_streams"] == []
    assert "vpcflow-smoke" not in str(engine.request("GET", "/_index_template").body)
