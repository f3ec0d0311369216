"""Ways to use each template that must work."""

from __future__ import annotations

import pytest

from tests.deploy.template import Stack, template

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:search-AbCdEf"
DOMAIN = "arn:aws:es:eu-central-1:123456789012:domain/flows"
CODE = {"CodeBucket": "code-bucket", "CodeKey": "vpcflow-1.zip"}
FLOWS = {"Source": "flow-logs", "ResourceId": "vpc-0123456789abcdef0"}
GROUP = {"Source": "log-group", "LogGroupName": "/vpc/flow-logs"}
OPERATED = {"KmsKeyArn": KEY, "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms", "ExpireDays": "90"}
GATEWAY = {"ResourceId": "tgw-0123456789abcdef0", "ResourceType": "TransitGateway", "MaxAggregationInterval": "60"}
FORMAT = {"LogFormat": "${version} ${vpc-id} ${srcaddr} ${dstaddr} ${start} ${end} ${action} ${log-status}"}
INSIDE = {"SubnetIds": "subnet-0a,subnet-0b", "SecurityGroupIds": "sg-0a"}
SEARCH = {**CODE, "ResourceId": "vpc-0123456789abcdef0", "DomainArn": DOMAIN}
ENDPOINT = {"EndpointUrl": "https://firehose.example.com/", "SecretArn": SECRET}
ENGINE = {**CODE, "Hosts": "https://search.example.com:9200", "SecretArn": SECRET}

CASES: dict[str, list[dict[str, str]]] = {
    "to-s3": [
        {**CODE, **FLOWS},
        {**CODE, **FLOWS, **GATEWAY, **FORMAT},
        {**CODE, **FLOWS, **OPERATED, "PartitionBy": "account-region-date", "KeepSource": "true"},
        {**CODE, **GROUP, "Mode": "bulk", "PartitionBy": "account", "BadLines": "fail_record"},
        {**CODE, **GROUP, "Decompression": "true", "Reingest": "off", "WatchErrorObjects": "false"},
    ],
    "to-opensearch": [
        SEARCH,
        {**SEARCH, **OPERATED, **INSIDE, **FORMAT, "Backup": "AllDocuments", "IndexRotationPeriod": "OneHour"},
    ],
    "to-http-endpoint": [
        {**FLOWS, **ENDPOINT},
        {**GROUP, **ENDPOINT, "Decompression": "true", "Reingest": "off"},
        {**FLOWS, **ENDPOINT, **OPERATED, **CODE, "Transform": "bulk", "DataStream": "logs-aws.vpcflow-prod"},
        {**GROUP, **ENDPOINT, **CODE, "Transform": "bulk", "Backup": "AllData", "SecretKmsKeyArn": KEY},
    ],
    "deliver": [
        {**FLOWS, **ENGINE},
        {**GROUP, **ENGINE, **OPERATED, **INSIDE, **FORMAT, "Authentication": "basic", "Username": "vpcflow"},
        {**FLOWS, **CODE, "Hosts": "https://vpc-flows.example.com", "Authentication": "sigv4", "DomainArn": DOMAIN},
        {**GROUP, **ENGINE, "IndexMode": "pattern", "Decompression": "true", "ReservedConcurrency": "5"},
    ],
}

NAMES = list(CASES)
STACKS = [
    pytest.param(Stack(template(name), given), id=f"{name}-{number}")
    for name, cases in CASES.items()
    for number, given in enumerate(cases)
]
