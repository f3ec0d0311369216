"""S3 by moto, an engine in memory, and an environment that leads nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest

from tests.eventsources.engine import MemoryEngine, engine

BUCKETS = ("flows", "letters", "failed")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give boto3 credentials that open nothing."""
    for name in [*os.environ]:
        if name.startswith(("VPCFLOW_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return monkeypatch


@pytest.fixture
def s3(aws: pytest.MonkeyPatch, aws_url: str) -> Iterator[Any]:
    """S3 with buckets for flow logs, for dead letters and for what Lambda gives up; boto3 finds it by its variable."""
    aws.setenv("AWS_ENDPOINT_URL_S3", aws_url)
    urlopen(Request(f"{aws_url}/moto-api/reset", method="POST")).close()
    client = boto3.client("s3")
    for name in BUCKETS:
        client.create_bucket(Bucket=name)
    yield client
    client.close()


@pytest.fixture
def cluster(aws: pytest.MonkeyPatch) -> Iterator[MemoryEngine]:
    with engine() as server:
        yield server
