"""A stream of Kinesis through the forwarder, and what becomes of batches that were given up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import until
from tests.firehose.replaying import replayed
from tests.integration.cloud import Cloud, Queue
from tests.integration.flows.conftest import Engine, serving
from vpcflow.generate import Generator

pytestmark = [pytest.mark.stack, pytest.mark.localstack, pytest.mark.slow]

NOBODY = "http://127.0.0.1:9"


def records(made: Generator) -> list[tuple[str, bytes]]:
    return [(f"key-{number}", payload) for number, payload in enumerate(made.payloads())]


@serving("stream → function")
def test_a_stream_is_forwarded_once(cloud: Cloud, engine: Engine, made: Generator) -> None:
    letters, stream = cloud.bucket(), cloud.stream(shards=2)
    environ = {"VPCFLOW_DEADLETTERS__KIND": "s3", "VPCFLOW_DEADLETTERS__BUCKET": letters.name}
    cloud.map_stream(stream, cloud.function("forwarder", {**engine.functions, **environ}))
    cloud.put(stream, records(made))
    engine.proves(made)
    assert letters.objects() == {}


@serving("stream → failed function → replay")
def test_a_batch_that_was_given_up_is_replayed(cloud: Cloud, engine: Engine, made: Generator, tmp_path: Path) -> None:
    """The engine is away until the retries are used up. The destination names the records; twice adds nothing."""
    letters, stream, given_up = cloud.bucket(), cloud.stream(), cloud.queue()
    environ = {
        "VPCFLOW_DEADLETTERS__KIND": "s3",
        "VPCFLOW_DEADLETTERS__BUCKET": letters.name,
        "VPCFLOW_ELASTICSEARCH__HOSTS": NOBODY,
    }
    function = cloud.function("forwarder", {**engine.functions, **environ}, timeout=4)
    sent = records(made)
    cloud.put(stream, sent)
    cloud.map_stream(stream, function, given_up=given_up, retries=1)
    told: list[str] = []
    until(lambda: _records(told, given_up) == len(sent), 300, "all records given up")
    for number, text in enumerate(told):
        (tmp_path / f"{number}.json").write_text(text)
    assert engine.documents() == []
    for _ in range(2):
        assert replayed(tmp_path, engine.environ) == 0
        engine.proves(made)


def _records(told: list[str], queue: Queue) -> int:
    """Return how many records were given up by now; what is told of them is added to the list."""
    told += queue.received()
    return sum(json.loads(text)["KinesisBatchInfo"]["batchSize"] for text in told)
