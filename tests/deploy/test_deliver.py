"""The template `deliver`: its settings bring flow logs into a real engine, and bad lines to its dead letters."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.deploy.cases import CODE, GROUP
from tests.deploy.emulated import emulated
from tests.deploy.template import Stack, template
from tests.firehose.engine import Target
from tests.firehose.flows import batches, generator
from vpcflow.stack import Stack as Servers

pytestmark = pytest.mark.stack


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, aws_url: str) -> Iterator[Any]:
    """S3 with the bucket that `Ref: Bucket` is worked out to, empty."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws_url)
    client = boto3.client("s3")
    client.create_bucket(Bucket="the-bucket")
    yield client
    for row in client.list_objects_v2(Bucket="the-bucket").get("Contents", []):
        client.delete_object(Bucket="the-bucket", Key=row["Key"])
    client.close()


def test_documents_are_in_the_engine_and_bad_lines_are_kept(stack_opensearch: Servers, bucket: Any) -> None:  # noqa: ANN401
    target = Target(stack_opensearch.engine_url, f"deploy-{uuid.uuid4().hex[:8]}")
    given = {
        "Hosts": target.url,
        "IndexName": target.index,
        "Authentication": "none",
        "EventOriginal": "true",
        "LogLevel": "error",
    }
    stack = Stack(template("deliver"), {**CODE, **GROUP, **given})
    assert stack.refusals() == []
    made = generator(events=1000, payload_events=25, broken=0.05)
    stream = emulated(stack)
    try:
        for batch in batches(made.payloads()):
            stream.put_record_batch(batch, from_logs=True)
        stream.drain()
        target.prove(made.manifest)
    finally:
        target.close()
    assert stream.bucket.objects == {}
    letters = bucket.list_objects_v2(Bucket="the-bucket", Prefix="dead-letters/")["Contents"]
    assert len(letters) == bucket.list_objects_v2(Bucket="the-bucket")["KeyCount"]
    lines = [bucket.get_object(Bucket="the-bucket", Key=row["Key"])["Body"].read().splitlines() for row in letters]
    assert sum(map(len, lines)) == len(made.manifest.broken_lines)
