"""The templates: clean for cfn-lint, and right where it does not look."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.deploy import checks, habits
from tests.deploy.cases import CASES, NAMES, STACKS
from tests.deploy.template import FOLDER, PSEUDO, Stack, listed, statements, template

# Resources that are not the same in all templates that have them, with the reason.
DIFFERENT = {
    "DeliveryStream": "the destination",
    "FirehoseRole": "what the destination needs",
    "FunctionRole": "what the mode needs",
    "TransformFunction": "its settings",
    "FlowLog": "conditional where there is a choice of sources",
    "LateAlarm": "the destination's metrics",
    "DeliveryFailsAlarm": "likewise",
}


def test_each_template_has_cases() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(CASES)


def test_cfn_lint_has_nothing_to_say() -> None:
    assert habits.lint(*FOLDER.glob("*.yaml")) == (0, "")


@pytest.mark.parametrize("stack", STACKS)
def test_the_case_is_allowed_and_nothing_is_wrong_with_it(stack: Stack) -> None:
    assert stack.refusals() == []
    assert list(checks.values(stack)) == []
    assert checks.refused(checks.request(stack)) == ""
    assert list(checks.actions(stack)) == []
    assert list(checks.trust(stack)) == []
    assert list(checks.alarms(stack)) == []


@pytest.mark.parametrize("stack", STACKS)
def test_names_fit(stack: Stack) -> None:
    longest = "v" * 40
    named = Stack(stack.template, {**stack.given, "Name": longest})
    assert named.refusals() == []
    assert Stack(stack.template, {**stack.given, "Name": longest + "v"}).refusals() != []
    assert len(named.one("AWS::KinesisFirehose::DeliveryStream")["DeliveryStreamName"]) <= 64
    for function in named.resources("AWS::Lambda::Function").values():
        assert len(function["FunctionName"]) <= 64
    alarms = [alarm["AlarmName"] for alarm in named.resources("AWS::CloudWatch::Alarm").values()]
    assert len(set(alarms)) == len(alarms) >= 6
    assert all(name.startswith(longest) for name in alarms)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_say_what_they_are_and_are_in_groups(name: str) -> None:
    found = template(name)
    groups = found["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [one for group in groups for one in group["Parameters"]] == list(found["Parameters"])
    for parameter, about in found["Parameters"].items():
        assert len(about["Description"]) > 20, parameter
        if about["Type"] == "Number" and "AllowedValues" not in about:
            assert {"MinValue", "MaxValue"} <= set(about), parameter
        if parameter.endswith(("Arn", "Url")):  # where a password could be typed by mistake
            assert "AllowedPattern" in about, parameter


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_can_be_given(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    found = template(name)
    words = ("password", "apikey", "token", "accesskey")
    assert not [one for one in found["Parameters"] if any(word in one.lower() for word in words)]
    assert "NoEcho" not in text
    assert "AccessKey:" not in text


def test_what_templates_share_is_the_same() -> None:
    for section in ("Resources", "Rules", "Conditions"):
        seen: dict[str, tuple[str, Any]] = {}
        for name in NAMES:
            for key, value in template(name)[section].items():
                if DIFFERENT.get(key):
                    continue
                plain = {k: v for k, v in value.items() if k != "Condition"} if section == "Resources" else value
                first, before = seen.setdefault(key, (name, plain))
                assert plain == before, f"{section}.{key} in {first} and {name}"


@pytest.mark.parametrize("stack", STACKS)
def test_other_partitions_of_aws(stack: Stack) -> None:
    china = Stack(
        stack.template,
        stack.given,
        {**PSEUDO, "AWS::Partition": "aws-cn", "AWS::Region": "cn-north-1", "AWS::URLSuffix": "amazonaws.com.cn"},
    )
    given = set(stack.given.values())
    for role in china.resources("AWS::IAM::Role").values():
        for statement in statements(role):
            for resource in listed(statement["Resource"]):
                own = any(one.startswith("arn:") and resource.startswith(one) for one in given)
                assert own or resource == "*" or resource.startswith("arn:aws-cn:"), resource


@pytest.mark.parametrize("stack", STACKS)
def test_the_only_copy_survives_the_stack(stack: Stack) -> None:
    bucket = stack.template["Resources"]["Bucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize("stack", STACKS)
def test_firehose_may_write_each_prefix_that_it_is_told(stack: Stack) -> None:
    (prefixes,) = [
        s["Resource"]
        for s in statements(stack.resources("AWS::IAM::Role")["FirehoseRole"])
        if s.get("Sid") == "WriteObjects"
    ]
    allowed = {one.removesuffix("*").split("/", 1)[1] for one in prefixes}
    (destination,) = [v for k, v in checks.request(stack).items() if k.endswith("DestinationConfiguration")]
    for place in (destination, destination.get("S3Configuration", {}), destination.get("S3BackupConfiguration", {})):
        for key in ("Prefix", "ErrorOutputPrefix"):
            if key in place:
                assert place[key].split("/")[0] + "/" in allowed


@pytest.mark.parametrize("stack", STACKS)
def test_alarms_on_objects_have_their_filters(stack: Stack) -> None:
    filters = {one["Id"]: one["Prefix"] for one in stack.one("AWS::S3::Bucket").get("MetricsConfigurations", [])}
    asked = {
        one["Value"]
        for alarm in stack.resources("AWS::CloudWatch::Alarm").values()
        for one in alarm.get("Dimensions", [])
        if one["Name"] == "FilterId"
    }
    assert asked == set(filters)
    assert all(prefix == f"{name}/" for name, prefix in filters.items())


# ---- the checks see what they are there for ----


def changed(name: str, path: str, value: object) -> Stack:
    """Return the first case of a template, with one value of it changed."""
    found = copy.deepcopy(template(name))
    *way, last = path.split("/")
    place: Any = found
    for key in way:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[int(last) if isinstance(place, list) else last] = value
    return Stack(found, CASES[name][0])


STREAM = "Resources/DeliveryStream/Properties"
S3 = f"{STREAM}/ExtendedS3DestinationConfiguration"
LAMBDA = f"{S3}/ProcessingConfiguration/Processors/1/Parameters"


@pytest.mark.parametrize(
    ("name", "path", "value", "complaint"),
    [
        ("to-s3", "Resources/FlowLog/Properties/MaxAggregationInterval", 90, "60 or 600"),
        ("to-s3", "Resources/TransformFunction/Properties/Timeout", 900, "Firehose waits"),
        ("to-s3", f"{LAMBDA}/2/ParameterValue", 301, "NumberOfRetries"),
        ("to-s3", f"{LAMBDA}/3/ParameterValue", 0.1, "BufferSizeInMBs"),
        ("to-s3", f"{LAMBDA}/4/ParameterValue", 901, "BufferIntervalInSeconds"),
        ("to-s3", f"{LAMBDA}/4/ParameterName", "BufferInterval", "BufferIntervalInSeconds is not said"),
        ("to-s3", f"{S3}/ErrorOutputPrefix", "errors/", "kind of error"),
        ("to-s3", f"{S3}/CloudWatchLoggingOptions/Enabled", False, "not logged"),
        ("to-s3", f"{S3}/DynamicPartitioningConfiguration", {"Enabled": True}, ""),
        (
            "to-opensearch",
            f"{STREAM}/AmazonopensearchserviceDestinationConfiguration/IndexRotationPeriod",
            "OneYear",
            "IndexRotationPeriod",
        ),
        (
            "to-http-endpoint",
            f"{STREAM}/HttpEndpointDestinationConfiguration/RetryOptions/DurationInSeconds",
            7201,
            "DurationInSeconds",
        ),
        (
            "to-http-endpoint",
            f"{STREAM}/HttpEndpointDestinationConfiguration/S3BackupMode",
            "FailedDocumentsOnly",
            "S3BackupMode",
        ),
    ],
)
def test_wrong_values_are_seen(name: str, path: str, value: object, complaint: str) -> None:
    found = list(checks.values(changed(name, path, value)))
    assert len(found) == (1 if complaint else 0)
    assert complaint in "".join(found)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("Statement/0/Action/2", "s3:PutObjekt", "no such action"),
        ("Statement/2/Action", "logs:PutLogEvent", "no such action"),
        ("Statement/2/Action", "logs:*", "logs:*"),
        ("Statement/2/Resource", "*", "all resources"),
    ],
)
def test_wrong_actions_are_seen(path: str, value: str, complaint: str) -> None:
    document = "Resources/FirehoseRole/Properties/Policies/0/PolicyDocument"
    (found,) = checks.actions(changed("to-s3", f"{document}/{path}", value))
    assert complaint in found


def test_open_trust_is_seen() -> None:
    path = "Resources/FirehoseRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition"
    assert list(checks.trust(changed("to-s3", path, {}))) == ["FirehoseRole: []"]


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("LateAlarm/Properties/MetricName", "DeliveryToS3.DataFreshnes", "no such metric"),
        ("RecordsFailedAlarm/Properties/MetricName", "answers_Failed", "no such metric"),
        ("LateAlarm/Properties/Dimensions/0/Name", "StreamName", "dimensions"),
        ("LateAlarm/Properties/TreatMissingData", "ignore", "TreatMissingData"),
    ],
)
def test_wrong_alarms_are_seen(path: str, value: str, complaint: str) -> None:
    (found,) = checks.alarms(changed("to-s3", f"Resources/{path}", value))
    assert complaint in found


def test_unknown_properties_of_a_stream_are_seen() -> None:
    wrong = changed("to-s3", f"{S3}/BufferHints", {})
    assert "BufferHints" in checks.refused(checks.request(wrong))
