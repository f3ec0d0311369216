"""The forwarder's templates: clean for cfn-lint as written and as expanded, and right where it does not look."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import boto3
import pytest

from tests.deploy import checks, habits
from tests.deploy.forwarder import policies
from tests.deploy.forwarder.cases import CASES, NAMES, STACKS
from tests.deploy.forwarder.sam import FOLDER, ROOT, expanded, source, stack, text
from tests.deploy.template import PSEUDO, Stack, statements

# What is not the same in all templates that have them, with the reason.
DIFFERENT = {
    "Resources": {
        "Function": "its settings",
        "FunctionRole": "what the source needs",
        "DeadLetterBucket": "with or without aws/lambda/",
        "Subscription": "to a function, or to a stream",
        "SilenceAlarm": "the source's metrics",
        "FunctionErrorsAlarm": "what becomes of events that fail",
    },
    "Parameters": dict.fromkeys(
        ("Timeout", "KmsKeyArn", "ExpireDays", "LogGroupName"), "says what it is for in this template"
    ),
    "Rules": {},
    "Conditions": {},
}


def test_each_template_has_cases() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(CASES)


@pytest.mark.slow
def test_cfn_lint_has_nothing_to_say_before_and_after_the_expansion(tmp_path: Path) -> None:
    made = []
    for name in NAMES:
        made.append(tmp_path / f"{name}.json")
        made[-1].write_text(json.dumps(expanded(name)), encoding="utf-8")
    assert habits.lint(*FOLDER.glob("*.yaml"), *made) == (0, "")


def test_cfn_lint_would_have_something_to_say(tmp_path: Path) -> None:
    wrong = expanded("kinesis")
    wrong["Resources"]["StreamToFunction"]["Properties"]["MaximumRecordAge"] = 60
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), encoding="utf-8")
    status, said = habits.lint(tmp_path / "wrong.json")
    assert status != 0
    assert "MaximumRecordAge" in said


@pytest.mark.parametrize("name", NAMES)
def test_the_expansion_adds_nothing_but_the_function(name: str) -> None:
    """No role and no policy that we have not written."""
    written, made = source(name)["Resources"], expanded(name)["Resources"]
    assert set(made) == set(written)
    changed = {key for key in made if made[key]["Type"] != written[key]["Type"]}
    assert changed == {"Function"}
    assert made["Function"]["Type"] == "AWS::Lambda::Function"


@pytest.mark.parametrize("stack_", STACKS)
def test_the_case_is_allowed_and_nothing_is_wrong_with_it(stack_: Stack) -> None:
    assert stack_.refusals() == []
    assert list(policies.wildcards(stack_)) == []
    assert list(policies.strangers(stack_)) == []
    assert list(policies.unknown_actions(stack_)) == []
    assert list(policies.plain_http(stack_)) == []
    assert list(checks.actions(stack_)) == []
    assert list(checks.trust(stack_)) == []
    assert list(checks.alarms(stack_)) == []


@pytest.mark.parametrize("stack_", STACKS)
def test_all_of_it_can_be_worked_out(stack_: Stack) -> None:
    """No reference to what a condition leaves out: CloudFormation would refuse the stack."""
    assert stack_.resources()
    for output in stack_.template["Outputs"].values():
        if stack_.holds(output.get("Condition")):
            assert stack_.worked_out(output["Value"])


@pytest.mark.parametrize("name", NAMES)
def test_each_condition_is_true_and_false_in_some_case(name: str) -> None:
    stacks = [stack(name, given) for given in CASES[name]]
    for condition in expanded(name)["Conditions"]:
        assert {one.holds(condition) for one in stacks} == {True, False}, condition


def longest_region() -> str:
    """Return one of all that AWS has, in all its partitions."""
    session = boto3.Session()
    found = [session.get_available_regions("s3", one) for one in session.get_available_partitions()]
    return max((region for regions in found for region in regions), key=len)


@pytest.mark.parametrize("stack_", STACKS)
def test_names_fit(stack_: Stack) -> None:
    longest = "v" * 24
    named = Stack(stack_.template, {**stack_.given, "Name": longest})
    assert named.refusals() == []
    assert Stack(stack_.template, {**stack_.given, "Name": longest + "v"}).refusals() != []
    assert len(named.one("AWS::Lambda::Function")["FunctionName"]) <= 64
    for queue in named.resources("AWS::SQS::Queue").values():
        assert len(queue["QueueName"]) <= 80
    far = Stack(named.template, named.given, {**PSEUDO, "AWS::Region": longest_region()})
    buckets = [bucket["BucketName"] for bucket in far.resources("AWS::S3::Bucket").values() if "BucketName" in bucket]
    assert all(len(bucket) <= 63 for bucket in buckets)
    assert len(buckets) == ("FlowLogs" in far.resources())
    alarms = [alarm["AlarmName"] for alarm in named.resources("AWS::CloudWatch::Alarm").values()]
    assert len(set(alarms)) == len(alarms) >= 9
    assert all(name.startswith(longest) for name in alarms)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_say_what_they_are_and_are_in_groups(name: str) -> None:
    assert list(habits.parameters(source(name))) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_can_be_given(name: str) -> None:
    assert list(habits.secrets(source(name))) == []
    assert "NoEcho" not in text(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_application_repository_gets_what_it_wants(name: str) -> None:
    """https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-template-publishing-applications-metadata-properties.html."""
    about = source(name)["Metadata"]["AWS::ServerlessRepo::Application"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert about["SemanticVersion"] == project["version"]
    assert about["SpdxLicenseId"] == project["license"]
    for key in ("LicenseUrl", "ReadmeUrl"):
        assert (FOLDER / about[key]).resolve().is_file(), about[key]
    # Nobody's: whoever publishes it puts in where that is, as the page says.
    assert {about["HomePageUrl"], about["SourceCodeUrl"]} == {"https://example.com/vpcflow-stream"}
    page = (ROOT / "docs" / "forwarder.md").read_text(encoding="utf-8")
    assert f"sed -i 's|{about['HomePageUrl']}|" in page
    assert 1 <= len(about["Description"]) <= 256
    assert 1 <= len(about["Labels"]) <= 10
    assert len({source(one)["Metadata"]["AWS::ServerlessRepo::Application"]["Name"] for one in NAMES}) == len(NAMES)


def test_what_templates_share_is_the_same() -> None:
    assert list(habits.different({name: source(name) for name in NAMES}, DIFFERENT)) == []


@pytest.mark.parametrize("partition", habits.PARTITIONS)
@pytest.mark.parametrize("stack_", STACKS)
def test_other_partitions_of_aws(stack_: Stack, partition: tuple[str, str, str]) -> None:
    there = habits.abroad(stack_, *partition)
    found = [one for role in there.resources("AWS::IAM::Role").values() for one in statements(role)]
    assert list(habits.written_in(found, partition[0], stack_.given.values())) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_partition_region_or_account_is_written_down(name: str) -> None:
    assert list(habits.written_down(source(name))) == []


@pytest.mark.parametrize("stack_", STACKS)
def test_the_only_copy_survives_the_stack(stack_: Stack) -> None:
    assert list(habits.kept(stack_)) == []


@pytest.mark.parametrize("stack_", STACKS)
def test_buckets_are_closed_and_encrypted_and_forget_at_last(stack_: Stack) -> None:
    for name, bucket in stack_.resources("AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, name
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        key = stack_.given.get("KmsKeyArn")
        if name == "DeadLetterBucket" and key:
            assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        else:
            assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        days = [
            one["ExpirationInDays"] for one in bucket["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in one
        ]
        assert days == [365], name
    about = stack_.template["Parameters"]["ExpireDays"]
    assert about["MinValue"] >= 30, "longer than the time to notice and to replay"


@pytest.mark.parametrize("stack_", STACKS)
def test_alarms_reach_the_topic_and_have_their_filters(stack_: Stack) -> None:
    alarms = stack_.resources("AWS::CloudWatch::Alarm").values()
    topic = stack_.given.get("AlarmTopicArn")
    assert all(alarm.get("AlarmActions") == ([topic] if topic else None) for alarm in alarms)
    bucket = stack_.resources("AWS::S3::Bucket")["DeadLetterBucket"]
    filters = {one["Id"]: one["Prefix"] for one in bucket.get("MetricsConfigurations", [])}
    asked = {one["Value"] for alarm in alarms for one in alarm.get("Dimensions", []) if one["Name"] == "FilterId"}
    assert asked == set(filters)
    assert bool(filters) == (stack_.parameter("WatchObjects") == "true")


# ---- the checks see what they are there for ----


def changed(name: str, path: str, value: object, case: int = 0) -> Stack:
    found = expanded(name)
    *way, last = path.split("/")
    place = found["Resources"]
    for key in way:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[last] = value
    return Stack(found, CASES[name][case])


DOCUMENT = "FunctionRole/Properties/Policies/0/PolicyDocument/Statement"


@pytest.mark.parametrize(
    ("name", "path", "value", "check"),
    [
        ("s3-sqs", f"{DOCUMENT}/2/Action", "sqs:*", policies.wildcards),
        ("s3-sqs", f"{DOCUMENT}/2/Resource", "*", policies.wildcards),
        ("s3-sqs", f"{DOCUMENT}/3/Resource", "arn:aws:s3:::*/AWSLogs/*", policies.wildcards),
        ("s3-sqs", f"{DOCUMENT}/2/Action", "sqs:SendMessages", policies.unknown_actions),
        ("s3-sqs", "FlowLogsPolicy/Properties/PolicyDocument/Statement/0/Condition", {}, policies.strangers),
        ("s3-sqs", "FlowLogsPolicy/Properties/PolicyDocument/Statement/0/Principal", "*", policies.strangers),
        ("s3-sqs", "QueuePolicy/Properties/PolicyDocument/Statement/3/Effect", "Allow", policies.strangers),
        (
            "s3-sqs",
            "QueuePolicy/Properties/PolicyDocument/Statement/3/Resource",
            "arn:aws:sqs:::x",
            policies.plain_http,
        ),
        ("cloudwatch-logs", "LogsPermission/Properties", {"Principal": "logs.amazonaws.com"}, policies.strangers),
        ("kinesis", f"{DOCUMENT}/4/Resource", "*", policies.wildcards),
        ("kinesis", "IteratorAgeAlarm/Properties/MetricName", "IteratorAges", checks.alarms),
    ],
)
def test_wrong_policies_are_seen(name: str, path: str, value: object, check: object) -> None:
    assert callable(check)
    assert list(check(changed(name, path, value)))
