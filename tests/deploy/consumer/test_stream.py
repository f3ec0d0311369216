"""The stream, what feeds it, from other accounts too, and the endpoints."""

from __future__ import annotations

import pytest

from tests.deploy.consumer import policies, watching
from tests.deploy.consumer.cases import (
    CASES,
    FLOWS,
    source,
    stack,
)


@pytest.mark.parametrize("hours", ["72", "168", "8760"])
def test_the_stream_keeps_records_for_72_hours_or_more_and_encrypts_them(hours: str) -> None:
    made = stack("stream", FLOWS, {"RetentionHours": hours}).one("AWS::Kinesis::Stream")
    assert made["RetentionPeriodHours"] == int(hours) >= 72
    assert made["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    assert made["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert "ShardCount" not in made
    own = stack("stream", CASES["stream"][1]).one("AWS::Kinesis::Stream")
    assert own["StreamEncryption"]["KeyId"] == CASES["stream"][1]["KmsKeyArn"]
    assert own["ShardCount"] == 4


def test_records_are_spread_over_shards() -> None:
    for name in ("stream", "subscription"):
        for given in CASES[name]:
            for filter_ in stack(name, given).resources("AWS::Logs::SubscriptionFilter").values():
                assert filter_["Distribution"] == "Random"
                assert filter_["FilterPattern"] == ""


def test_a_stream_of_yours_gets_a_filter_and_alarms_and_nothing_else() -> None:
    made = stack("stream", CASES["stream"][2])
    kinds = {resource["Type"] for name, resource in made.template["Resources"].items() if name in made.resources()}
    assert kinds == {"AWS::Logs::SubscriptionFilter", "AWS::IAM::Role", "AWS::CloudWatch::Alarm"}
    for alarm in made.resources("AWS::CloudWatch::Alarm").values():
        for metric in watching.metrics(alarm):
            assert metric["Dimensions"] == [{"Name": "StreamName", "Value": "vpcflow"}]


def test_the_alarm_of_expiry_is_at_half_of_the_retention() -> None:
    alarm = stack("stream", FLOWS, {"RetentionHours": "100"}).resources("AWS::CloudWatch::Alarm")["ExpiryAlarm"]
    (expression,) = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
    percent = eval(expression, {"age": 50 * 3600 * 1000})  # noqa: S307 - a sum of our own template
    assert percent == alarm["Threshold"] == 50


# ---- one account collects ----


def test_who_may_send() -> None:
    made = stack("destination", CASES["destination"][0])
    statement = policies.destination_policy(made)
    assert statement["Principal"] == {"AWS": ["111111111111", "222222222222"]}
    assert statement["Action"] == "logs:PutSubscriptionFilter"
    assert statement["Resource"] == "arn:aws:logs:eu-central-1:123456789012:destination:vpcflow"
    (trusted,) = made.one("AWS::IAM::Role")["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Condition"] == {
        "StringLike": {"aws:SourceArn": [f"arn:*:logs:*:{one}:*" for one in ("1" * 12, "2" * 12, "123456789012")]}
    }
    made = stack("destination", CASES["destination"][1])
    statement = policies.destination_policy(made)
    assert statement["Principal"] == "*"
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5"]}}
    (trusted,) = made.one("AWS::IAM::Role")["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Condition"] == {"StringEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}}


def test_the_role_can_write_before_cloudwatch_logs_tries_it() -> None:
    assert source("destination")["Resources"]["Destination"]["DependsOn"] == "DestinationPolicy"


def test_senders_need_a_role_for_an_organization_only() -> None:
    for given in CASES["subscription"]:
        made = stack("subscription", given)
        filter_ = made.one("AWS::Logs::SubscriptionFilter")
        assert ("RoleArn" in filter_) == (given.get("ByOrganization") == "true")
        assert filter_["DestinationArn"] == given["DestinationArn"]


def test_a_stack_set_can_put_it_anywhere() -> None:
    """Names in it are those of the account itself, or come from parameters that are the same everywhere."""
    named = [
        name
        for name, resource in source("subscription")["Resources"].items()
        for key in resource["Properties"]
        if key in ("RoleName", "ManagedPolicyName")
    ]
    assert named == []


# ---- endpoints ----


def test_endpoints() -> None:
    found = {
        one["ServiceName"].split(".", 3)[3]: one
        for one in stack("endpoints", CASES["endpoints"][0]).resources("AWS::EC2::VPCEndpoint").values()
    }
    gateways = {name for name, one in found.items() if one["VpcEndpointType"] == "Gateway"}
    assert gateways == {"dynamodb", "s3"}
    assert set(found) - gateways == {"kinesis-streams", "logs", "monitoring", "secretsmanager", "ecr.api", "ecr.dkr"}
    assert all(one["RouteTableIds"] == ["rtb-0123456789abcdef0"] for name, one in found.items() if name in gateways)
    assert all(one["PrivateDnsEnabled"] for name, one in found.items() if name not in gateways)
    (rule,) = stack("endpoints", CASES["endpoints"][0]).one("AWS::EC2::SecurityGroup")["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == (443, 443, "10.0.0.0/16")
    assert not stack("endpoints", CASES["endpoints"][2]).holds("MakesS3")
