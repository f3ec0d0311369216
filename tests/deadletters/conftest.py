from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def aws(aws_url: str) -> Iterator[Callable[[str], Any]]:
    """Make clients of the emulator: `aws("s3")`."""
    made = []

    def client(service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        made.append(boto3.client(service, region_name="eu-west-1", endpoint_url=aws_url))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def bucket(aws: Callable[[str], Any]) -> str:
    name = f"letters-{uuid.uuid4().hex}"
    aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


@pytest.fixture
def queue_url(aws: Callable[[str], Any]) -> str:
    url: str = aws("sqs").create_queue(QueueName=f"letters-{uuid.uuid4().hex}")["QueueUrl"]
    return url
