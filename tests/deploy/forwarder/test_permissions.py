"""What roles may do: all that is needed, and nothing else. A permission more or less is a line here, with its reason."""

from __future__ import annotations

import pytest

from tests.deploy.cases import INSIDE, KEY
from tests.deploy.forwarder.cases import BASIC, CASES, ENGINE, FUNCTION_POOL, GROUP, OPERATED, OURS, SIGNED, STREAM
from tests.deploy.forwarder.policies import allowed
from tests.deploy.forwarder.sam import stack
from tests.deploy.template import Stack

Allowed = dict[str, list[str]]
MADE = "arn:aws:{}:eu-central-1:123456789012:{}"
BUCKET = "arn:aws:s3:::deadletterbucket"
FLOW_LOGS = "arn:aws:s3:::vpcflow-flow-logs-123456789012-eu-central-1"
DOMAIN_ACTIONS = ("es:ESHttpGet", "es:ESHttpPost", "es:ESHttpPut")
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
# What the function logs, and where it keeps what nobody will take.
ALL: Allowed = {
    "logs:CreateLogStream": [MADE.format("logs", "functionloggroup")],
    "logs:PutLogEvents": [MADE.format("logs", "functionloggroup")],
    "s3:PutObject": [f"{BUCKET}/dead-letters/*"],
}
SECRET: Allowed = {"secretsmanager:GetSecretValue": [ENGINE["SecretArn"]]}
# Lambda itself, with the function's role: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.
ON_FAILURE: Allowed = {
    "s3:PutObject": [f"{BUCKET}/dead-letters/*", f"{BUCKET}/aws/lambda/*"],
    "s3:ListBucket": [BUCKET],
}
# The mapping's: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html; SendMessage is the hand-over.
FROM_QUEUE: Allowed = {
    f"sqs:{action}": [MADE.format("sqs", "queue")]
    for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage")
}
# https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html, without the calls of a consumer of its own.
STREAM_ACTIONS = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")


def objects(bucket: str) -> Allowed:
    return {
        "s3:GetObject": [f"{bucket}/AWSLogs/*"],
        "s3:GetObjectVersion": [f"{bucket}/AWSLogs/*"],
        "s3:ListBucket": [bucket],
    }


def of_stream(arn: str) -> Allowed:
    return {f"kinesis:{action}": [arn] for action in STREAM_ACTIONS}


OWN_STREAM = of_stream(MADE.format("kinesis", "stream"))
OF_DOMAIN: Allowed = {action: [f"{SIGNED['DomainArn']}/*"] for action in DOMAIN_ACTIONS}
IN_VPC: Allowed = {action: ["*"] for action in INTERFACES}
SETTINGS = "arn:aws:s3:::settings-bucket/prod/vpcflow.toml"


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("s3-sqs", ENGINE, {**SECRET, **FROM_QUEUE, **objects(FLOW_LOGS)}),
        (
            "s3-sqs",
            {**SIGNED, **OURS, "Notifications": "direct", "BucketKmsKeyArn": KEY},
            {**OF_DOMAIN, **FROM_QUEUE, **objects("arn:aws:s3:::flow-logs-of-all"), "kms:Decrypt": [KEY]},
        ),
        (
            "s3-sqs",
            {**BASIC, **OPERATED, **INSIDE},
            {
                **SECRET,
                **FROM_QUEUE,
                **objects(FLOW_LOGS),
                **IN_VPC,
                "s3:GetObject": [f"{FLOW_LOGS}/AWSLogs/*", SETTINGS],
                "kms:Decrypt": [KEY, KEY],
                "kms:GenerateDataKey": [KEY],
            },
        ),
        ("cloudwatch-logs", {**ENGINE, **GROUP}, {**SECRET, **ON_FAILURE}),
        (
            "cloudwatch-logs",
            {**BASIC, **GROUP, **OPERATED, **INSIDE, **FUNCTION_POOL},
            {
                **SECRET,
                **ON_FAILURE,
                **IN_VPC,
                "s3:GetObject": [SETTINGS],
                "kms:Decrypt": [KEY, KEY],
                "kms:GenerateDataKey": [KEY],
            },
        ),
        ("kinesis", {**SIGNED, **GROUP}, {**OF_DOMAIN, **ON_FAILURE, **OWN_STREAM}),
        (
            "kinesis",
            {**ENGINE, "StreamArn": STREAM, "StreamKmsKeyArn": KEY},
            {**SECRET, **ON_FAILURE, **of_stream(STREAM), "kms:Decrypt": [KEY]},
        ),
        (
            "kinesis",
            {**ENGINE, "KmsKeyArn": KEY},
            {**SECRET, **ON_FAILURE, **OWN_STREAM, "kms:Decrypt": [KEY], "kms:GenerateDataKey": [KEY]},
        ),
    ],
)
def test_the_function_may_do_this_and_nothing_else(name: str, given: dict[str, str], wanted: Allowed) -> None:
    assert allowed(stack(name, given)) == {**ALL, **wanted}


@pytest.mark.parametrize(("given", "wanted"), [({}, {}), ({"KmsKeyArn": KEY}, {"kms:GenerateDataKey": [KEY]})])
def test_the_subscription_filter_may_put_records(given: dict[str, str], wanted: Allowed) -> None:
    made = stack("kinesis", ENGINE, GROUP, given)
    stream = [MADE.format("kinesis", "stream")]
    assert allowed(made, "SubscriptionRole") == {"kinesis:PutRecord": stream, "kinesis:PutRecords": stream, **wanted}


def test_one_log_group_may_call_the_function_and_no_other() -> None:
    permission = stack("cloudwatch-logs", ENGINE, GROUP).one("AWS::Lambda::Permission")
    assert permission["Principal"] == "logs.amazonaws.com"
    assert permission["Action"] == "lambda:InvokeFunction"
    assert permission["SourceArn"] == MADE.format("logs", f"log-group:{GROUP['LogGroupName']}:*")
    assert permission["SourceAccount"] == "123456789012"


def functions_own_key(made: Stack) -> str:
    return str(made.one("AWS::Lambda::Function").get("KmsKeyArn", ""))


@pytest.mark.parametrize("name", CASES)
def test_code_inside_the_function_makes_no_interfaces(name: str) -> None:
    made = stack(name, CASES[name][0], INSIDE, {"KmsKeyArn": KEY})
    statements = [
        one
        for policy in made.resources("AWS::IAM::Role")["FunctionRole"]["Policies"]
        for one in policy["PolicyDocument"]["Statement"]
    ]
    (denied,) = [one for one in statements if one["Effect"] == "Deny"]
    assert sorted(denied["Action"]) == sorted(INTERFACES)
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:vpcflow-forwarder"
    assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": arn}}
    assert functions_own_key(made) == KEY


def test_each_key_is_used_by_way_of_its_service() -> None:
    """Where nothing but one service asks for it."""
    made = stack("s3-sqs", BASIC, OURS, {"Notifications": "direct", "BucketKmsKeyArn": KEY, "SecretKmsKeyArn": KEY})
    ways = {
        one["Sid"]: one["Condition"]["StringEquals"]["kms:ViaService"]
        for policy in made.resources("AWS::IAM::Role")["FunctionRole"]["Policies"]
        for one in policy["PolicyDocument"]["Statement"]
        if one["Action"] == "kms:Decrypt"
    }
    assert ways == {
        "DecryptFlowLogs": "s3.eu-central-1.amazonaws.com",
        "DecryptSecret": "secretsmanager.eu-central-1.amazonaws.com",
    }
