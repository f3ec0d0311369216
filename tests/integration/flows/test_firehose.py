"""Delivery streams with our transformation: into a bucket, to an endpoint, and back from the error prefix."""

from __future__ import annotations

import base64
import json
from itertools import islice
from pathlib import Path

import pytest

from tests.firehose.receiver import KEY, Receiver
from tests.firehose.replaying import replayed
from tests.integration.cloud import Cloud, Endpoint
from tests.integration.flows.conftest import Engine, serving
from tests.integration.own_firehose import OwnDelivery
from vpcflow.generate import Generator

pytestmark = [pytest.mark.stack, pytest.mark.localstack, pytest.mark.slow]

BULK = {"VPCFLOW_FIREHOSE__MODE": "bulk", "VPCFLOW_DOCUMENT__EVENT_ORIGINAL": "true"}


@serving("log group → delivery stream → bucket")
def test_the_bucket_has_each_event_once(cloud: Cloud, engine: Engine, made: Generator) -> None:
    """What it has is sent to the engine twice: the second time adds nothing."""
    delivered, errors, group = cloud.bucket(), cloud.bucket(), cloud.log_group()
    delivery = cloud.delivery(cloud.function("transform", BULK), delivered, errors)
    group.subscribe(delivery)
    group.write(made)
    delivery.settle()
    assert errors.objects() == {}
    for _ in range(2):
        assert replayed(f"s3://{delivered.name}/", engine.environ) == 0
        engine.proves(made)


@serving("log group → delivery stream → endpoint")
def test_the_endpoint_has_each_event_once(cloud: Cloud, engine: Engine, made: Generator, tmp_path: Path) -> None:
    errors, group = cloud.bucket(), cloud.log_group()
    with Receiver(engine.environ, tmp_path) as receiver:
        delivery = cloud.delivery(cloud.function("transform", BULK), Endpoint(receiver.url, KEY), errors)
        group.subscribe(delivery)
        group.write(made)
        delivery.settle()
    assert errors.objects() == {}
    engine.proves(made)


@serving("delivery stream → error prefix → replay")
def test_what_was_not_transformed_is_replayed_from_the_error_prefix(
    cloud: Cloud, engine: Engine, made: Generator
) -> None:
    """Each call of the function fails for its settings, so that all records are in the error prefix. Twice adds nothing."""
    delivered, errors, group = cloud.bucket(), cloud.bucket(), cloud.log_group()
    delivery = cloud.delivery(cloud.function("transform", {"VPCFLOW_FIREHOSE__MODE": "sideways"}), delivered, errors)
    group.subscribe(delivery)
    group.write(made)
    delivery.settle()
    assert delivered.objects() == {}
    assert engine.documents() == []
    for _ in range(2):
        assert replayed(f"s3://{errors.name}/errors/processing-failed/", engine.environ) == 0
        engine.proves(made)


@serving("stream → delivery stream → re-ingestion → endpoint")
def test_records_of_many_events_come_back_one_by_one(
    cloud: Cloud, engine: Engine, made: Generator, tmp_path: Path
) -> None:
    """The function puts the parts of a record into the source stream once more; each comes back as a record of one event."""
    errors, source = cloud.bucket(), cloud.stream()
    payloads = [(str(number), data) for number, data in enumerate(made.payloads())]
    cloud.put(source, payloads)
    one_each = {**BULK, "VPCFLOW_FIREHOSE__MODE": "document"}
    with Receiver(engine.environ, tmp_path) as receiver:
        delivery = cloud.delivery(cloud.function("transform", one_each), Endpoint(receiver.url, KEY), errors, source)
        delivery.settle()
    assert errors.objects() == {}
    engine.proves(made)
    assert isinstance(delivery, OwnDelivery)
    assert len(delivery.stream.accepted) >= len(payloads) + made.manifest.documents


@serving("event without names → function")
def test_records_without_ids_are_answered(cloud: Cloud, made: Generator) -> None:
    """LocalStack's Firehose gives records without recordId, and no invocationId, deliveryStreamArn or region."""
    function = cloud.function("transform", BULK)
    records = [{"data": base64.b64encode(payload).decode()} for payload in islice(made.payloads(), 3)]
    control, *data = cloud.invoke(function, {"records": records})["records"]
    assert control["result"] == "Dropped"
    assert [row["result"] for row in data] == ["Ok", "Ok"]
    actions = [json.loads(line) for row in data for line in base64.b64decode(row["data"]).splitlines()[::2]]
    assert len({action["create"]["_id"] for action in actions}) == len(actions) > 100
