"""Ways to use each template of the consumer that must work: between them each condition is true once, and false once."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.cases import DOMAIN, FORMAT, KEY, SECRET
from tests.deploy.template import Stack, read

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "consumer"
STREAM = "arn:aws:kinesis:eu-central-1:123456789012:stream/vpcflow"
VPC = {"VpcId": "vpc-0123456789abcdef0", "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1"}
TOPIC = {"AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms"}
FLOWS = {"Source": "flow-log", "ResourceId": "vpc-0123456789abcdef0", "LogGroupName": "/vpc/flow-logs"}
GROUP = {"Source": "log-group", "LogGroupName": "/vpc/flow-logs"}
GATEWAY = {"ResourceId": "tgw-0123456789abcdef0", "ResourceType": "TransitGateway", "MaxAggregationInterval": "60"}
ACCOUNTS = {"StreamArn": STREAM, "SenderAccountIds": "111111111111,222222222222"}
ORGANIZATION = {"StreamArn": STREAM, "OrganizationId": "o-a1b2c3d4e5"}
TO = {"DestinationArn": "arn:aws:logs:eu-central-1:999999999999:destination:vpcflow", "LogGroupName": "/vpc/flow-logs"}
READER = {"StreamArn": STREAM, "SecretArn": SECRET}
NETWORK = {**VPC, "RouteTableIds": "rtb-0123456789abcdef0", "ClientCidr": "10.0.0.0/16"}
CONSUMER = {
    **VPC,
    "StreamName": "vpcflow",
    "PolicyArn": "arn:aws:iam::123456789012:policy/vpcflow-consumer-eu-central-1",
    "DeadLetterBucket": "permissions-deadletterbucket-1a2b3c4d5e6f",
    "Hosts": "https://search.example.com:9200",
    "SecretArn": SECRET,
    "ImageUri": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/vpcflow-stream:0.1.0",
}
SIGNED = {
    **CONSUMER,
    "SecretArn": "",
    "Authentication": "sigv4",
    "Hosts": "https://flows.example.com",
    "EnginePort": "443",
}
RANDOM = {"WorkerIds": "random", "Slots": "0", "RandomCount": "3"}

CASES: dict[str, list[dict[str, str]]] = {
    "stream": [
        FLOWS,
        {**FLOWS, **GATEWAY, **FORMAT, **TOPIC, "KmsKeyArn": KEY, "StreamMode": "PROVISIONED", "ShardCount": "4"},
        {**GROUP, "StreamArn": STREAM, "RetentionHours": "72", "WatchReaders": "false"},
        {"Source": "none", "RetentionHours": "8760"},
    ],
    "destination": [ACCOUNTS, {**ORGANIZATION, "KmsKeyArn": KEY}],
    "subscription": [
        TO,
        {**TO, "ByOrganization": "true", "ResourceId": "vpc-0123456789abcdef0", **FORMAT},
        {**TO, **GATEWAY},
    ],
    "permissions": [
        READER,
        {**READER, **TOPIC, "StreamKmsKeyArn": KEY, "SecretKmsKeyArn": KEY, "KmsKeyArn": KEY, "KclMetrics": "false"},
        {"StreamArn": STREAM, "DomainArn": DOMAIN, "WatchObjects": "false", "Application": "flows_of.all"},
    ],
    "endpoints": [
        NETWORK,
        {
            **NETWORK,
            "Sts": "true",
            "KinesisStreams": "false",
            "Logs": "false",
            "Monitoring": "false",
            "SecretsManager": "false",
            "EcrApi": "false",
            "EcrDkr": "false",
        },
        {**NETWORK, "RouteTableIds": "", "DynamoDb": "false", "S3": "false"},
    ],
    "ecs": [
        CONSUMER,
        {
            **CONSUMER,
            **FORMAT,
            **TOPIC,
            **RANDOM,
            "Authentication": "basic",
            "Username": "vpcflow",
            "ClusterName": "shared",
            "EcrRepositoryArn": "arn:aws:ecr:eu-central-1:123456789012:repository/vpcflow-consumer",
            "MetricsLevel": "SUMMARY",
            "ScrapeSecurityGroupId": "sg-0123456789abcdef0",
            "SettingsPath": "/etc/vpcflow/vpcflow.toml",
            "ExtraPolicyArns": "arn:aws:iam::123456789012:policy/labels,arn:aws:iam::123456789012:policy/more",
            "Size": "large",
        },
        {**SIGNED, "Slots": "0,1,2,10", "IndexMode": "pattern", "IndexName": "vpcflow-{yyyy}", "Size": "medium"},
        {**SIGNED, "Authentication": "none", "Slots": "7", "ShutdownGraceMilliseconds": "100000"},
    ],
}
NAMES = list(CASES)


@cache
def text(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


@cache
def _parsed(name: str) -> str:
    return json.dumps(read(text(name)))


def source(name: str) -> dict[str, Any]:
    """Return the template as it is written, a copy of one's own."""
    found: dict[str, Any] = json.loads(_parsed(name))
    return found


def stack(name: str, *given: dict[str, str], pseudo: dict[str, str] | None = None) -> Stack:
    """Return the template with parameters, later ones over earlier ones."""
    both = {key: value for one in given for key, value in one.items()}
    return Stack(source(name), both, **({"pseudo": pseudo} if pseudo else {}))


STACKS = [
    pytest.param(stack(name, given), id=f"{name}-{number}")
    for name, cases in CASES.items()
    for number, given in enumerate(cases)
]


def containers(made: Stack) -> list[dict[str, Any]]:
    """Return the consumer's own of each task."""
    return [
        one
        for task in made.resources("AWS::ECS::TaskDefinition").values()
        for one in task["ContainerDefinitions"]
        if one["Name"] == "consumer"
    ]
