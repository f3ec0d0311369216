"""An emulated AWS with the secret that templates name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import boto3
import pytest


@pytest.fixture(scope="module")
def secret(aws_url: str) -> Iterator[str]:
    """Its ARN; boto3 finds where it is as long as the tests of a file run."""
    with pytest.MonkeyPatch.context() as environ:
        for name, value in {
            "AWS_ENDPOINT_URL": aws_url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            environ.setenv(name, value)
        client = boto3.client("secretsmanager")
        text = json.dumps({"api_key": "the-key", "username": "vpcflow", "password": "the-password"})
        yield client.create_secret(Name=f"search-{uuid.uuid4().hex}", SecretString=text)["ARN"]
        client.close()
