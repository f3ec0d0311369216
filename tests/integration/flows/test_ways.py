"""One event of CloudWatch Logs has one `_id`, whichever way it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firehose.receiver import KEY, Receiver
from tests.integration.cloud import Cloud, Endpoint
from tests.integration.consuming import consuming
from tests.integration.flows.conftest import Engine, serving
from vpcflow.generate import Generator
from vpcflow.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.localstack, pytest.mark.slow]


@serving("one log group → every way")
def test_one_event_has_one_id_on_every_way(
    cloud: Cloud, engines: Callable[[], Engine], made: Generator, stack_elasticsearch: Stack, tmp_path: Path
) -> None:
    """Two filters, as many as a log group may have. Behind the stream: our consumer, a function, a delivery stream."""
    consumed, logged, streamed, delivered = (engines() for _ in range(4))
    group, stream, letters, errors = cloud.log_group(), cloud.stream(), cloud.bucket(), cloud.bucket()
    keeping = {"VPCFLOW_DEADLETTERS__KIND": "s3", "VPCFLOW_DEADLETTERS__BUCKET": letters.name}
    group.subscribe(stream)
    group.subscribe(cloud.function("forwarder", {**logged.functions, **keeping}))
    cloud.map_stream(stream, cloud.function("forwarder", {**streamed.functions, **keeping}))
    bulk = cloud.function("transform", {"VPCFLOW_FIREHOSE__MODE": "bulk", "VPCFLOW_DOCUMENT__EVENT_ORIGINAL": "true"})
    with (
        consuming(cloud, stream, consumed, stack_elasticsearch, tmp_path) as consumer,
        Receiver(delivered.environ, tmp_path) as receiver,
    ):
        delivery = cloud.delivery(bulk, Endpoint(receiver.url, KEY), errors, source=stream)
        consumer.start()
        group.write(made)
        delivery.settle()
        for engine in (consumed, logged, streamed, delivered):
            engine.proves(made)
    assert consumed.ids() == logged.ids() == streamed.ids() == delivered.ids()
    assert letters.objects() == errors.objects() == {}
