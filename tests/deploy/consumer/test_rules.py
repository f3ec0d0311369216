"""What the consumer's templates refuse before anything is made, and that the checks see what they are there for."""

from __future__ import annotations

import copy

import pytest

from tests.deploy.consumer import policies, watching
from tests.deploy.consumer.cases import ACCOUNTS, CASES, CONSUMER, FLOWS, GROUP, NETWORK, READER, TO, source, stack
from tests.deploy.template import Stack


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("stream", {**FLOWS, "ResourceId": ""}, "needs a ResourceId"),
        ("stream", {**FLOWS, "LogGroupName": ""}, "needs a LogGroupName, such as"),
        ("stream", {**GROUP, "LogGroupName": ""}, "needs a LogGroupName"),
        ("stream", {**GROUP, "ResourceId": "vpc-0123456789abcdef0"}, "leave it empty"),
        ("stream", {**GROUP, "LogFormat": "${version}"}, "tell the consumer the format"),
        ("stream", {**GROUP, "Source": "none"}, "leave them empty"),
        ("stream", {**FLOWS, "ResourceType": "TransitGateway"}, "60 only"),
        ("stream", {**FLOWS, "RetentionHours": "71"}, "RetentionHours"),
        ("stream", {**FLOWS, "RetentionHours": "8761"}, "RetentionHours"),
        ("stream", {**FLOWS, "ShardCount": "0"}, "ShardCount"),
        ("stream", {**FLOWS, "KmsKeyArn": "alias/mine"}, "KmsKeyArn"),
        ("destination", {**ACCOUNTS, "SenderAccountIds": ""}, "not both"),
        ("destination", {**ACCOUNTS, "OrganizationId": "o-a1b2c3d4e5"}, "not both"),
        ("destination", {**ACCOUNTS, "SenderAccountIds": "111111111111,22"}, "SenderAccountIds"),
        ("destination", {**ACCOUNTS, "SenderAccountIds": "*"}, "SenderAccountIds"),
        ("subscription", {**TO, "LogFormat": "${version}"}, "give a ResourceId"),
        ("subscription", {**TO, "DestinationArn": "vpcflow"}, "DestinationArn"),
        ("permissions", {**READER, "Application": "*"}, "Application"),
        (
            "permissions",
            {**READER, "SecretArn": "", "SecretKmsKeyArn": "arn:aws:kms:x:123456789012:key/a"},
            "both or none",
        ),
        (
            "permissions",
            {**READER, "WatchObjects": "false", "AlarmTopicArn": "arn:aws:sns:x:123456789012:a"},
            "leave it empty",
        ),
        ("permissions", {**READER, "ExpireDays": "7"}, "ExpireDays"),
        ("endpoints", {**NETWORK, "RouteTableIds": ""}, "need RouteTableIds"),
        ("endpoints", {**NETWORK, "RouteTableIds": "", "DynamoDb": "false"}, "need RouteTableIds"),
        ("endpoints", {**NETWORK, "ClientCidr": "10.0.0.0"}, "ClientCidr"),
        ("ecs", {**CONSUMER, "SecretArn": ""}, "need a SecretArn"),
        ("ecs", {**CONSUMER, "SecretArn": "the-key-itself"}, "SecretArn"),
        ("ecs", {**CONSUMER, "Authentication": "basic"}, "needs a Username"),
        ("ecs", {**CONSUMER, "WorkerIds": "random"}, "Set Slots 0"),
        ("ecs", {**CONSUMER, "WorkerIds": "random", "Slots": "1"}, "Set Slots 0"),
        ("ecs", {**CONSUMER, "Slots": "0,one"}, "Slots"),
        ("ecs", {**CONSUMER, "ShutdownGraceMilliseconds": "100001"}, "ShutdownGraceMilliseconds"),
        ("ecs", {**CONSUMER, "Hosts": "search.example.com"}, "Hosts"),
    ],
)
def test_the_template_refuses(name: str, given: dict[str, str], said: str) -> None:
    found = stack(name, given).refusals()
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize("name", CASES)
def test_rules_use_functions_that_rules_may_use(name: str) -> None:
    """Not all functions work there: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html."""
    known = {"Ref", "Fn::And", "Fn::Contains", "Fn::EachMemberEquals", "Fn::Equals", "Fn::Not", "Fn::Or"}
    assert used(source(name).get("Rules", {})) <= known


def used(value: object) -> set[str]:
    if isinstance(value, list):
        return {one for part in value for one in used(part)}
    if not isinstance(value, dict):
        return set()
    own = {key for key in value if key == "Ref" or key.startswith("Fn::")}
    return own | {one for part in value.values() for one in used(part)}


# ---- the checks see what they are there for ----


def changed(name: str, path: str, value: object, case: int = 0) -> Stack:
    """Return a case of a template, with one value of it changed."""
    found = copy.deepcopy(source(name))
    *way, last = path.split("/")
    place = found["Resources"]
    for key in way:
        place = place[int(key)] if isinstance(place, list) else place[key]
    assert last in place or last.startswith("+"), path
    place[last.removeprefix("+")] = value
    return Stack(found, CASES[name][case])


POLICY = "Policy/Properties/PolicyDocument/Statement"


@pytest.mark.parametrize(
    ("name", "path", "value", "check", "case"),
    [
        ("permissions", f"{POLICY}/0/Action", "kinesis:*", policies.wildcards, 0),
        ("permissions", f"{POLICY}/0/Resource", "*", policies.wildcards, 0),
        (
            "permissions",
            f"{POLICY}/2/Resource",
            "arn:aws:dynamodb:eu-central-1:123456789012:table/*",
            policies.wildcards,
            0,
        ),
        ("permissions", f"{POLICY}/0/Action", "kinesis:GetRecord", policies.unknown_actions, 0),
        ("permissions", f"{POLICY}/2/Action", ["dynamodb:UpdateTables"], policies.unknown_actions, 0),
        ("permissions", f"{POLICY}/1/Fn::If/1/Condition", {}, policies.keys_without_service, 1),
        (
            "stream",
            "SubscriptionRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition",
            {"StringEquals": {"aws:SourceAccount": "123456789012"}},
            policies.trust,
            0,
        ),
        (
            "stream",
            "FlowLogRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition/StringEquals/aws:SourceAccount",
            "999999999999",
            policies.trust,
            0,
        ),
        (
            "destination",
            "DestinationRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition",
            {},
            policies.trust,
            0,
        ),
        ("stream", "UnreadAlarm/Properties/MetricName", "GetRecords.Successes", watching.alarms, 0),
        ("stream", "SilenceAlarm/Properties/Dimensions/0/Name", "Stream", watching.alarms, 0),
        ("stream", "ExpiryAlarm/Properties/Metrics/1/MetricStat/Metric/MetricName", "IteratorAge", watching.alarms, 0),
        ("stream", "SilenceAlarm/Properties/TreatMissingData", "missing", watching.alarms, 0),
        ("stream", "SilenceAlarm/Properties/TreatMissingData", "ignore", watching.alarms, 0),
        ("stream", "IteratorAgeAlarm/Properties/TreatMissingData", "notBreaching", watching.alarms, 0),
        ("stream", "ExpiryAlarm/Properties/TreatMissingData", "notBreaching", watching.alarms, 0),
        ("ecs", "BehindAlarm/Properties/TreatMissingData", "notBreaching", watching.alarms, 1),
        ("ecs", "HaltedFilter/Properties/MetricTransformations/0/MetricName", "ended", watching.alarms, 0),
        ("ecs", "HaltedAlarm/Properties/Namespace", "vpcflow", watching.alarms, 0),
        ("ecs", "HaltedAlarm/Properties/+Dimensions", [{"Name": "Slot", "Value": "0"}], watching.alarms, 0),
        ("ecs", "BehindAlarm/Properties/Namespace", "another", watching.alarms, 1),
        ("ecs", "BehindAlarm/Properties/Dimensions/0/Value", "ProcessTask", watching.alarms, 1),
        (
            "ecs",
            "Fn::ForEach::Slots/2/RunningAlarm${Slot}/Properties/MetricName",
            "RunningTaskCount",
            watching.alarms,
            0,
        ),
    ],
)
def test_checks_see(name: str, path: str, value: object, check: object, case: int) -> None:
    assert callable(check)
    assert list(check(stack(name, CASES[name][case]))) == []
    assert list(check(changed(name, path, value, case))) != []


@pytest.mark.parametrize(
    ("pattern", "line", "fits"),
    [
        ('{ $.msg = "unread records*" }', '{"msg": "unread records expire soon"}', True),
        ('{ $.msg = "unread records*" }', '{"msg": "no unread records"}', False),
        ('{ $.level = "error" && $.exit_code > 0 }', '{"level": "error", "exit_code": 78}', True),
        ('{ $.level = "error" && $.exit_code > 0 }', '{"level": "error"}', False),
        ('{ $.level = "error" && $.exit_code > 0 }', '{"level": "ERROR", "exit_code": 78}', False),
        ('{ $.level = "error" && $.msg != "child *" }', '{"level": "error", "msg": "child leaves"}', False),
        ('{ $.level = "error" && $.msg != "child *" }', '{"level": "error", "msg": "no child"}', True),
    ],
)
def test_patterns_are_read_as_cloudwatch_does(pattern: str, line: str, *, fits: bool) -> None:
    assert watching.matches(pattern, line) == fits
