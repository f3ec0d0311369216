"""The function's environment is settings that the function takes, and its role may do what they ask for."""

from __future__ import annotations

from typing import Any

import pytest

from firehose_transform.program import Program
from tests.deploy.cases import CODE, DOMAIN, ENGINE, FLOWS, FORMAT, GROUP, STACKS
from tests.deploy.template import Stack, listed, statements, template
from vpcflow.clock import SystemClock
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings

pytestmark = pytest.mark.usefixtures("secret")


def environment(stack: Stack) -> dict[str, str]:
    """Return the variables of the function, as Lambda gives them: all of them text."""
    (function,) = stack.resources("AWS::Lambda::Function").values()
    found: dict[str, Any] = function["Environment"]["Variables"]
    assert all(isinstance(value, str) for value in found.values())
    return {**found, "AWS_LAMBDA_FUNCTION_NAME": function["FunctionName"]}


def settings(stack: Stack) -> Settings:
    return load(None, environment(stack)).settings


def with_secret(stack: Stack, arn: str) -> Stack:
    return Stack(stack.template, {**stack.given, "SecretArn": arn}) if arn and "SecretArn" in stack.given else stack


@pytest.mark.parametrize("stack", STACKS)
def test_the_function_takes_its_settings(stack: Stack, secret: str) -> None:
    stack = with_secret(stack, secret)
    if stack.given.get("Transform", "none") == "none" and "Transform" in stack.template["Parameters"]:
        assert not stack.resources("AWS::Lambda::Function")
        return
    found = settings(stack)
    Program(found, environment(stack), SystemClock())
    assert found.deadletters.kind == "s3"
    assert found.metrics.namespace == stack.parameter("MetricsNamespace")
    assert found.firehose.deadline_margin_seconds < int(stack.parameter("Timeout"))


def made(name: str, *given: dict[str, str], secret: str = "") -> Stack:
    both = {key: value for one in given for key, value in one.items()}
    return with_secret(Stack(template(name), both), secret)


def test_modes() -> None:
    assert settings(made("to-s3", CODE, FLOWS)).firehose.mode == "documents"
    assert settings(made("to-s3", CODE, FLOWS, {"Mode": "bulk"})).firehose.mode == "bulk"


def test_one_parameter_is_the_format_of_flow_log_and_decoder() -> None:
    stack = made("to-s3", CODE, FLOWS, FORMAT)
    (format_,) = settings(stack).codec.formats
    assert format_.format == stack.one("AWS::EC2::FlowLog")["LogFormat"] == FORMAT["LogFormat"]


def test_decompression_and_reingestion_are_told() -> None:
    found = settings(made("to-s3", CODE, GROUP, {"Decompression": "true", "Reingest": "off"})).firehose
    assert (found.decompression, found.reingest) == (True, "off")
    found = settings(made("to-s3", CODE, GROUP)).firehose
    assert (found.decompression, found.reingest) == (False, "auto")


def test_keys_of_partitions_are_those_of_the_prefix() -> None:
    prefixes = template("to-s3")["Mappings"]["Partitions"]
    for choice, about in prefixes.items():
        stack = made("to-s3", CODE, FLOWS, {"PartitionBy": choice})
        asked = list(settings(stack).firehose.partition_keys)
        assert all(f"!{{partitionKeyFromLambda:{key}}}" in about["Prefix"] for key in asked)
        assert about["Prefix"].count("partitionKeyFromLambda") == len(asked)


def test_ways_to_log_in(secret: str) -> None:
    found = settings(made("deliver", ENGINE, FLOWS, secret=secret)).elasticsearch
    assert found.api_key is not None
    assert found.api_key.reveal() == "the-key"
    basic = {"Authentication": "basic", "Username": "vpcflow"}
    found = settings(made("deliver", ENGINE, FLOWS, basic, secret=secret)).elasticsearch
    assert (found.username, found.password and found.password.reveal()) == ("vpcflow", "the-password")
    signed = {"Authentication": "sigv4", "DomainArn": DOMAIN, "Hosts": "https://flows.example.com"}
    assert settings(made("deliver", CODE, FLOWS, signed)).elasticsearch.service == "es"


def allowed(stack: Stack, role: str) -> dict[str, list[str]]:
    """Return action → resources."""
    found: dict[str, list[str]] = {}
    for statement in statements(stack.resources("AWS::IAM::Role")[role]):
        if statement["Effect"] == "Allow":
            for action in listed(statement["Action"]):
                found.setdefault(action, []).extend(listed(statement["Resource"]))
    return found


def test_what_the_role_of_the_function_may_do_follows_from_its_settings() -> None:
    stream = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/vpcflow"
    may = allowed(made("to-s3", CODE, FLOWS), "FunctionRole")
    assert may["firehose:PutRecordBatch"] == [stream]
    assert may["s3:PutObject"] == ["arn:aws:s3:::bucket/dead-letters/*"]
    assert "firehose:PutRecordBatch" not in allowed(made("to-s3", CODE, FLOWS, {"Reingest": "off"}), "FunctionRole")
    may = allowed(made("deliver", ENGINE, FLOWS), "FunctionRole")
    assert may["secretsmanager:GetSecretValue"] == [ENGINE["SecretArn"]]
    assert not {"es:ESHttpPost", "ec2:CreateNetworkInterface", "kms:Decrypt"} & set(may)


@pytest.mark.parametrize("stack", STACKS)
def test_flow_logs_are_let_into_the_stream(stack: Stack) -> None:
    """AWSServiceRoleForLogDelivery puts records into streams with this tag.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-V2-Firehose.html
    """
    tag = {"Key": "LogDeliveryEnabled", "Value": "true"}
    stream = stack.one("AWS::KinesisFirehose::DeliveryStream")
    assert (tag in stream["Tags"]) == bool(stack.resources("AWS::EC2::FlowLog"))
