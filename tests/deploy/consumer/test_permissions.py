"""What roles may do: all that is needed, and nothing else. A permission more or less is a line here, with its reason."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.deploy.cases import DOMAIN, FORMAT, KEY, SECRET
from tests.deploy.consumer import policies
from tests.deploy.consumer.cases import CASES, CONSUMER, FLOWS, GROUP, READER, STACKS, STREAM, TO, stack
from tests.deploy.template import Stack

Allowed = dict[str, list[str]]
MADE = "arn:aws:{}:eu-central-1:123456789012:{}"
TABLE = MADE.format("dynamodb", "table/vpcflow")
# https://docs.aws.amazon.com/streams/latest/dev/kcl-iam-permissions.html, without what only enhanced fan-out calls
# (RegisterStreamConsumer, DescribeStreamConsumer, SubscribeToShard). Seen of KCL 3.1.3 with two workers, a shard that was
# split, and a leader that left: all of them but those marked.
STREAM_ACTIONS = (
    "DescribeStream",  # documented, not seen
    "DescribeStreamSummary",  # the consumer itself: how long the stream keeps records
    "GetRecords",
    "GetShardIterator",
    "ListShards",
)
LEASES = (
    "CreateTable",
    "DeleteItem",  # documented, not seen within minutes: leases of shards that ended
    "DescribeTable",
    "GetItem",
    "PutItem",
    "Scan",
    "UpdateItem",
    "UpdateTable",  # makes the index
)
# Seen: PutItem, GetItem and DeleteItem of -CoordinatorState only, Scan of -WorkerMetricStats only; documented for both.
OTHERS = ("CreateTable", "DeleteItem", "DescribeTable", "GetItem", "PutItem", "Scan", "UpdateItem")
CONSUMER_MAY: Allowed = {
    **{f"kinesis:{action}": [STREAM] for action in STREAM_ACTIONS},
    **{
        f"dynamodb:{action}": [
            TABLE,
            *([f"{TABLE}-WorkerMetricStats", f"{TABLE}-CoordinatorState"] * (action in OTHERS)),
        ]
        for action in LEASES
    },
    "dynamodb:Query": [f"{TABLE}/index/LeaseOwnerToLeaseKeyIndex"],
    "s3:PutObject": ["arn:aws:s3:::deadletterbucket/dead-letters/*"],
}
METRICS: Allowed = {"cloudwatch:PutMetricData": ["*"]}


def test_the_consumer_may_do_this_and_nothing_else() -> None:
    assert policies.allowed(stack("permissions", READER)) == {
        **CONSUMER_MAY,
        **METRICS,
        "secretsmanager:GetSecretValue": [SECRET],
    }
    assert policies.allowed(stack("permissions", {"StreamArn": STREAM, "KclMetrics": "false"})) == CONSUMER_MAY
    assert policies.allowed(
        stack("permissions", READER, {"StreamKmsKeyArn": KEY, "SecretKmsKeyArn": KEY, "KmsKeyArn": KEY})
    ) == {
        **CONSUMER_MAY,
        **METRICS,
        "secretsmanager:GetSecretValue": [SECRET],
        "kms:Decrypt": [KEY, KEY],
        "kms:GenerateDataKey": [KEY],
    }
    assert policies.allowed(stack("permissions", {"StreamArn": STREAM, "DomainArn": DOMAIN})) == {
        **CONSUMER_MAY,
        **METRICS,
        **{f"es:ESHttp{method}": [f"{DOMAIN}/*"] for method in ("Get", "Post", "Put")},
    }


def test_metrics_may_be_put_into_the_namespace_of_the_application_only() -> None:
    made = stack("permissions", READER, {"Application": "flows"})
    (statement,) = [one for where, one in policies.statements(made) if where.endswith("PutMetrics")]
    assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": "flows"}}
    tables = {one.rpartition(":")[2] for one in policies.allowed(made)["dynamodb:CreateTable"]}
    assert tables == {"table/flows", "table/flows-WorkerMetricStats", "table/flows-CoordinatorState"}


@pytest.mark.parametrize("given", [{}, {"KmsKeyArn": KEY}])
def test_a_stream_is_fed_with_these(given: dict[str, str]) -> None:
    """Of log groups: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html, without CreateLogGroup."""
    key: Allowed = {"kms:GenerateDataKey": [KEY]} if given else {}
    put: Allowed = {f"kinesis:{one}": [MADE.format("kinesis", "stream")] for one in ("PutRecord", "PutRecords")}
    assert policies.allowed(stack("stream", GROUP, given)) == {**put, **key}
    assert policies.allowed(stack("stream", FLOWS, given)) == {
        **{
            f"logs:{one}": [MADE.format("logs", "loggroup")]
            for one in ("CreateLogStream", "DescribeLogStreams", "PutLogEvents")
        },
        "logs:DescribeLogGroups": [MADE.format("logs", "log-group:*")],
        **put,
        **key,
    }
    assert policies.allowed(stack("stream", {"Source": "none"}, given)) == {}


def test_a_destination_may_put_records_into_its_stream() -> None:
    put: Allowed = {f"kinesis:{one}": [STREAM] for one in ("PutRecord", "PutRecords")}
    assert policies.allowed(stack("destination", CASES["destination"][0])) == put
    assert policies.allowed(stack("destination", CASES["destination"][1])) == {**put, "kms:GenerateDataKey": [KEY]}


def test_a_sender_needs_nothing_but_for_an_organization() -> None:
    assert policies.allowed(stack("subscription", TO)) == {}
    assert policies.allowed(stack("subscription", TO, {"ByOrganization": "true"})) == {
        "logs:PutLogEvents": [MADE.format("logs", "log-group:/vpc/flow-logs:*")]
    }


def test_fargate_may_log_and_pull_and_the_task_gets_the_policy() -> None:
    logs: Allowed = {f"logs:{one}": [MADE.format("logs", "logs")] for one in ("CreateLogStream", "PutLogEvents")}
    assert policies.allowed(stack("ecs", CONSUMER)) == logs
    made = stack("ecs", CASES["ecs"][1], FORMAT)
    assert policies.allowed(made) == {
        **logs,
        **{
            f"ecr:{one}": [CASES["ecs"][1]["EcrRepositoryArn"]]
            for one in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
        },
        "ecr:GetAuthorizationToken": ["*"],
    }
    extra = CASES["ecs"][1]["ExtraPolicyArns"].split(",")
    assert made.resources("AWS::IAM::Role")["TaskRole"]["ManagedPolicyArns"] == [CONSUMER["PolicyArn"], *extra]
    plain = stack("ecs", CONSUMER).resources("AWS::IAM::Role")["TaskRole"]
    assert plain["ManagedPolicyArns"] == [CONSUMER["PolicyArn"]]
    assert "Policies" not in plain


@pytest.fixture(scope="module")
def iam(aws_url: str) -> Iterator[Any]:
    client = boto3.client(
        "iam",
        endpoint_url=aws_url,
        region_name="eu-central-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    yield client
    client.close()


@pytest.mark.parametrize("stack_", STACKS)
def test_the_grammar_of_policies(stack_: Stack, iam: Any) -> None:  # noqa: ANN401 - boto3 has no types
    """An emulated IAM parses them, as IAM does when a stack is made."""
    for document in policies.documents(stack_):
        iam.create_policy(PolicyName=f"policy-{uuid.uuid4().hex}", PolicyDocument=json.dumps(document))
    for role in stack_.resources("AWS::IAM::Role").values():
        trusted = json.dumps(role["AssumeRolePolicyDocument"])
        iam.create_role(RoleName=f"role-{uuid.uuid4().hex}", AssumeRolePolicyDocument=trusted)


def test_the_emulated_iam_refuses_what_is_no_policy(iam: Any) -> None:  # noqa: ANN401 - boto3 has no types
    (document,) = policies.documents(stack("permissions", READER))
    document["Statement"][0]["Condition"] = {"StringEqual": {"aws:SourceAccount": "1"}}
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        iam.create_policy(PolicyName=f"policy-{uuid.uuid4().hex}", PolicyDocument=json.dumps(document))
