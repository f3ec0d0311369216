"""Ways to use each template of the forwarder that must work: between them each condition is true once, and false once."""

from __future__ import annotations

import pytest

from tests.deploy.cases import DOMAIN, FORMAT, INSIDE, KEY, SECRET
from tests.deploy.forwarder.sam import stack

ENGINE = {"Hosts": "https://search.example.com:9200", "SecretArn": SECRET}
SIGNED = {"Hosts": "https://flows.example.com", "Authentication": "sigv4", "DomainArn": DOMAIN}
BASIC = {**ENGINE, "Authentication": "basic", "Username": "vpcflow", "SecretKmsKeyArn": KEY}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:objects"
STREAM = "arn:aws:kinesis:eu-central-1:123456789012:stream/flows"
GROUP = {"LogGroupName": "/vpc/flow-logs"}
OPERATED = {
    "KmsKeyArn": KEY,
    "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms",
    "WatchObjects": "false",
    "SettingsBucket": "settings-bucket",
    "SettingsKey": "prod/vpcflow.toml",
    "ExtraPolicyArns": "arn:aws:iam::123456789012:policy/labels",
}
OURS = {"FlowLogBucket": "flow-logs-of-all"}
FUNCTION_POOL = {"ReservedConcurrency": "5"}

CASES: dict[str, list[dict[str, str]]] = {
    "s3-sqs": [
        ENGINE,
        {
            **ENGINE,
            **OURS,
            **OPERATED,
            "Notifications": "direct",
            "BucketAccountId": "210987654321",
            "BucketKmsKeyArn": KEY,
        },
        {**BASIC, **OURS, **INSIDE, "Notifications": "eventbridge", "Timeout": "900", "ReserveConcurrency": "true"},
        {
            **SIGNED,
            **OURS,
            "Notifications": "sns",
            "SnsTopicArn": TOPIC,
            "IndexName": "logs-aws.vpcflow-prod",
            "LayerArn": "arn:aws:lambda:eu-central-1:123456789012:layer:pyarrow:7",
            "Architecture": "x86_64",
        },
    ],
    "cloudwatch-logs": [
        {**ENGINE, **GROUP},
        {**BASIC, **GROUP, **OPERATED, **INSIDE, **FORMAT, **FUNCTION_POOL},
        {**SIGNED, **GROUP, "IndexMode": "pattern", "IndexName": "vpcflow-{yyyy}"},
    ],
    "kinesis": [
        {**ENGINE, **GROUP},
        {**ENGINE, "StreamArn": STREAM, "StreamKmsKeyArn": KEY, "RetentionHours": "168", **INSIDE},
        {**BASIC, **GROUP, **OPERATED, **FORMAT, **FUNCTION_POOL, "RetentionHours": "8760"},
        {**SIGNED, "ParallelizationFactor": "10", "IndexName": "flows"},
    ],
}

NAMES = list(CASES)
STACKS = [
    pytest.param(stack(name, given), id=f"{name}-{number}")
    for name, cases in CASES.items()
    for number, given in enumerate(cases)
]
