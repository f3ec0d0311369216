from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from tests.forwarder.engine import MemoryEngine, serving
from tests.forwarder.events import REGION
from tests.forwarder.scene import Scene


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def aws(aws_url: str) -> Iterator[Callable[[str], Any]]:
    """Make clients of the emulator: `aws("s3")`."""
    made = []

    def client(service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        made.append(boto3.client(service, region_name=REGION, endpoint_url=aws_url))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def engine() -> Iterator[MemoryEngine]:
    with serving() as given:
        yield given


@pytest.fixture
def scene(engine: MemoryEngine, aws: Callable[[str], Any], aws_url: str) -> Scene:
    """An engine, a bucket for objects, one for dead letters, a queue; a function over them."""
    names = {name: f"{name}-{uuid.uuid4().hex}" for name in ("objects", "letters", "queue")}
    s3 = aws("s3")
    for name in ("objects", "letters"):
        s3.create_bucket(Bucket=names[name], CreateBucketConfiguration={"LocationConstraint": REGION})
    url = aws("sqs").create_queue(QueueName=names["queue"])["QueueUrl"]
    return Scene(
        engine, s3, aws("sqs"), aws_url=aws_url, bucket=names["objects"], letters=names["letters"], queue_url=url
    )
