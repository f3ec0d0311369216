"""A log group of CloudWatch Logs with subscription filters: to a stream and our consumer, to our function."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import until
from tests.integration.cloud import Cloud
from tests.integration.consuming import consuming
from tests.integration.flows.conftest import Engine, serving
from vpcflow.generate import Generator
from vpcflow.stack import Stack

REJECTS = (
    "[version, account, interface, source, destination, srcport, dstport, protocol, packets, bytes, start, end,"
    " action=REJECT, status]"
)
pytestmark = [pytest.mark.stack, pytest.mark.localstack, pytest.mark.slow]


@serving("log group → stream → consumer")
def test_the_consumer_has_each_event_once(
    cloud: Cloud, engine: Engine, made: Generator, stack_elasticsearch: Stack, tmp_path: Path
) -> None:
    stream, group = cloud.stream(shards=2), cloud.log_group()
    with consuming(cloud, stream, engine, stack_elasticsearch, tmp_path) as scene:
        group.subscribe(stream)
        group.write(made)
        scene.start()
        engine.proves(made)
        scene.stop()
        assert not [line for line in scene.lines() if line["level"] == "error"]  # those of the daemon are in capitals


@serving("log group → function")
def test_the_function_has_each_event_once(cloud: Cloud, engine: Engine, made: Generator) -> None:
    letters, group = cloud.bucket(), cloud.log_group()
    environ = {"VPCFLOW_DEADLETTERS__KIND": "s3", "VPCFLOW_DEADLETTERS__BUCKET": letters.name}
    group.subscribe(cloud.function("forwarder", {**engine.functions, **environ}))
    group.write(made)
    engine.proves(made)
    assert letters.objects() == {}


@serving("log group → pattern → function")
def test_a_pattern_lets_rejects_alone_pass(cloud: Cloud, engine: Engine, made: Generator) -> None:
    letters, group = cloud.bucket(), cloud.log_group()
    environ = {"VPCFLOW_DEADLETTERS__KIND": "s3", "VPCFLOW_DEADLETTERS__BUCKET": letters.name}
    group.subscribe(cloud.function("forwarder", {**engine.functions, **environ}), REJECTS)
    group.write(made)
    planted = sum(sums.flows for (_, action), sums in made.manifest.sums.items() if action == "REJECT")
    until(lambda: len(engine.documents()) >= planted, 300, f"{planted} documents")
    lines = [document["event"]["original"].split(" ") for document in engine.documents()]
    assert planted == len(lines) == len({tuple(line) for line in lines}) > 10
    assert {line[12] for line in lines} == {"REJECT"}
    assert letters.objects() == {}
