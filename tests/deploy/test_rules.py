"""Combinations that templates refuse before anything is made."""

from __future__ import annotations

import pytest

from tests.deploy.cases import CASES, CODE, ENDPOINT, ENGINE, FLOWS, GATEWAY, GROUP
from tests.deploy.template import Stack, template


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("to-s3", {**CODE, **GROUP, "Decompression": "true", "Reingest": "auto"}, "nothing can be re-ingested"),
        ("to-http-endpoint", {**ENDPOINT, **GROUP, "Decompression": "true"}, "nothing can be re-ingested"),
        ("to-s3", {**CODE, **FLOWS, "Decompression": "true", "Reingest": "off"}, "Decompression is for CloudWatch"),
        ("deliver", {**ENGINE, **FLOWS, "Decompression": "true"}, "Decompression is for CloudWatch"),
        ("to-s3", CODE, "needs a ResourceId"),
        ("to-s3", {**CODE, "Source": "log-group"}, "needs a LogGroupName"),
        ("to-s3", {**CODE, **FLOWS, "LogGroupName": "x"}, "LogGroupName is for"),
        ("to-s3", {**CODE, **GROUP, "ResourceId": "vpc-0123456789abcdef0"}, "ResourceId is for"),
        ("to-s3", {**CODE, **FLOWS, **GATEWAY, "MaxAggregationInterval": "600"}, "of 60 only"),
        ("to-s3", {**CODE, **GROUP, "PartitionBy": "account-region-date"}, "may hold two dates"),
        ("to-s3", {**CODE, **FLOWS, "PartitionBy": "account", "BufferMB": "5"}, "64 or more"),
        ("to-s3", {**CODE, **FLOWS, "MaxAggregationInterval": "90"}, "MaxAggregationInterval"),
        ("to-s3", {**CODE, **FLOWS, "ProcessorBufferMB": "0.1"}, "ProcessorBufferMB"),
        ("to-s3", {**CODE, **FLOWS, "LogFormat": '${version}", "x": "'}, "LogFormat"),
        ("to-s3", {**FLOWS, "CodeBucket": "code-bucket"}, "CodeKey"),
        ("to-http-endpoint", {**ENDPOINT, **FLOWS, "Transform": "bulk"}, "needs a CodeBucket"),
        ("to-http-endpoint", {**ENDPOINT, **FLOWS, "EndpointUrl": "https://x.example.com:8443/"}, "EndpointUrl"),
        ("to-http-endpoint", {**ENDPOINT, **FLOWS, "EndpointUrl": "http://x.example.com/"}, "EndpointUrl"),
        ("to-http-endpoint", {**ENDPOINT, **FLOWS, "SecretArn": "the-key-itself"}, "SecretArn"),
        ("deliver", {**ENGINE, **FLOWS, "SecretArn": ""}, "need a SecretArn"),
        ("deliver", {**ENGINE, **FLOWS, "Authentication": "basic"}, "needs a Username"),
        ("deliver", {**ENGINE, **FLOWS, "Authentication": "sigv4"}, "needs a DomainArn"),
        ("deliver", {**ENGINE, **FLOWS, "SubnetIds": "subnet-0a"}, "SubnetIds need SecurityGroupIds"),
        (
            "to-opensearch",
            {**CASES["to-opensearch"][0], "SubnetIds": "subnet-0a", "SecurityGroupIds": ""},
            "SubnetIds need",
        ),
    ],
)
def test_the_template_refuses(name: str, given: dict[str, str], said: str) -> None:
    assert any(said in refusal for refusal in Stack(template(name), given).refusals())


@pytest.mark.parametrize("name", ["to-s3", "to-http-endpoint"])
def test_without_its_rule_the_combination_would_pass(name: str) -> None:
    """The rule alone refuses it: neither the parameters' own constraints nor another rule does."""
    given = {**CASES[name][-1], **GROUP, "Decompression": "true", "Reingest": "auto"}
    found = template(name)
    assert len(Stack(found, given).refusals()) == 1
    del found["Rules"]["NoReingestionWithDecompression"]
    assert Stack(found, given).refusals() == []
