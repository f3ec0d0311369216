"""The mode `deliver`: from the function into a real engine, through an outage, and back from the error prefix."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.e2e.conftest import Gate
from tests.firehose.emulator.bucket import S3Bucket
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.invocation import in_process
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.engine import Target
from tests.firehose.flows import Handler, generator, our_handler
from tests.firehose.replaying import copied, replayed
from tests.firehose.scene import clock, failed
from vpcflow.clock import FakeClock
from vpcflow.generate import FORMATS
from vpcflow.stack import Stack

pytestmark = pytest.mark.stack

OUTAGE_SECONDS = 30 * 60
TIMEOUT_SECONDS = 60.0
# Others of the same session may keep objects in the same emulated S3.
BUCKET = f"flows-{uuid.uuid4().hex}"
TargetIn = Callable[[Stack], Target]


@pytest.fixture
def target(stack_opensearch: Stack, target_in: TargetIn) -> Target:
    return target_in(stack_opensearch)


@pytest.fixture
def gate(target: Target) -> Iterator[Gate]:
    """A way to the engine that can be shut."""
    gate = Gate(target.url)
    gate.open()
    yield gate
    gate.shut()


@pytest.fixture
def s3(aws: pytest.MonkeyPatch, aws_url: str) -> Iterator[Any]:
    """S3, and the bucket in it; boto3 finds it by its variable."""
    aws.setenv("AWS_ENDPOINT_URL_S3", aws_url)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()


def streaming(
    handler: Handler, time: FakeClock, *, takes: float = 0.0, bucket: S3Bucket | None = None
) -> DeliveryStream:
    invoke = in_process(handler, time, timeout=TIMEOUT_SECONDS, takes=takes)
    return DeliveryStream(
        "flows",
        S3Destination(seconds=60),
        clock=time,
        processing=Processing(invoke=invoke, seconds=60),
        bucket=bucket,
        error_prefix="errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/",
    )


def delivering(time: FakeClock, target: Target, gate: Gate) -> Handler:
    return our_handler(time, {**target.environ, "VPCFLOW_ELASTICSEARCH__HOSTS": gate.url}, mode="deliver")


def entries(s3: Any) -> int:  # noqa: ANN401 - boto3 has no types
    """Return how many records are in the error prefix."""
    keys = [row["Key"] for row in s3.list_objects_v2(Bucket=BUCKET, Prefix="errors/").get("Contents", [])]
    return sum(len(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().splitlines()) for key in keys)


def test_an_outage_of_30_minutes_costs_no_document(target: Target, gate: Gate, s3: Any) -> None:  # noqa: ANN401
    """Records come on; calls fail until their retries are used up; `vpcflow replay` brings the rest to the last document."""
    made, time = generator(events=4000, payload_events=50, duplicates=0.02), clock()
    stream = streaming(delivering(time, target, gate), time, bucket=S3Bucket(s3, BUCKET))
    records = made.payloads()

    for record in islice(records, 10):
        stream.put_record_batch([record])
        stream.run_for(30)
    before = len(target.documents())
    assert before > 0
    assert entries(s3) == 0

    gate.shut()
    began = time.monotonic()
    while time.monotonic() < began + OUTAGE_SECONDS:
        stream.put_record_batch(list(islice(records, 2)) or [b""])
        stream.run_for(60)
    assert entries(s3) > 0
    assert len(target.documents()) == before

    gate.open()
    for record in records:
        stream.put_record_batch([record])
        stream.run_for(30)
    stream.drain()
    after = len(target.documents())
    assert before < after < made.manifest.documents

    where = f"s3://{BUCKET}/errors/"
    assert replayed(where, target.environ) == 0
    target.prove(made.manifest)
    assert replayed(where, target.environ) == 0
    target.prove(made.manifest)


def test_lines_of_direct_put_come_back_under_the_same_ids(target: Target, gate: Gate, tmp_path: Path) -> None:
    """Flow logs straight into Firehose have no ids of their own: those that are made hold on the way back, too.

    The first call of each batch is applied and its answer lost; then the engine is away until the retries are used up.
    """
    made, time = generator(events=1500, columns=FORMATS["v5"]), clock()
    handler = delivering(time, target, gate)
    calls: list[int] = []

    def unlucky(event: dict[str, Any], context: object) -> object:
        calls.append(len(event["records"]))
        if len(calls) > 1:
            gate.shut()
        reply = handler(event, context)
        if len(calls) == 1:
            raise ConnectionResetError
        return reply

    stream = streaming(unlucky, time)
    lines = list(made.lines())
    stream.put_record_batch(["\n".join(lines[at : at + 100]).encode() for at in range(0, len(lines), 100)])
    stream.drain()
    assert len(calls) == 4
    assert len(failed(stream)) == 15
    gate.open()
    target.prove(made.manifest)
    assert replayed(copied(stream.bucket, tmp_path), target.environ) == 0
    target.prove(made.manifest)


def test_answers_that_come_too_late_double_nothing(target: Target, gate: Gate, tmp_path: Path) -> None:
    """Each call does its work, but is over its time: four times the same documents, then once more by replay."""
    made, time = generator(events=500), clock()
    stream = streaming(delivering(time, target, gate), time, takes=TIMEOUT_SECONDS + 1)
    stream.put_record_batch(list(made.payloads()))
    stream.drain()
    assert {entry["errorCode"] for entry in failed(stream)} == {"Lambda.FunctionTimedOut"}
    assert {entry["attemptsMade"] for entry in failed(stream)} == {4}
    target.prove(made.manifest)
    assert replayed(copied(stream.bucket, tmp_path), target.environ) == 0
    target.prove(made.manifest)


def test_a_record_with_a_bad_line_is_kept_while_the_others_are_dropped(
    target: Target, gate: Gate, tmp_path: Path
) -> None:
    """Good lines of a record that fails are delivered all the same, and once; replay says what stays undecodable (65)."""
    made, time = generator(events=1000, broken=0.005), clock()
    stream = streaming(delivering(time, target, gate), time)
    stream.put_record_batch(list(made.payloads()))
    stream.drain()
    assert made.manifest.broken_lines
    assert 0 < len(failed(stream)) <= len(made.manifest.broken_lines)
    assert len(stream.processor.dropped) == len(stream.accepted) - len(failed(stream))
    assert replayed(copied(stream.bucket, tmp_path), target.environ) == 65
    target.prove(made.manifest)
