"""The consumer's templates: clean for cfn-lint, and right where it does not look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deploy import habits
from tests.deploy.consumer import policies, watching
from tests.deploy.consumer.cases import CASES, FOLDER, NAMES, STACKS, source, stack, text
from tests.deploy.template import Stack

# Resources and parameters that are not the same in all templates that have them, with the reason.
DIFFERENT = {
    "Resources": {"Subscription": "to a stream, or to a destination", "SecurityGroup": "of the consumer, of endpoints"},
    "Parameters": dict.fromkeys(
        (
            "Name",
            "Application",
            "StreamArn",
            "KmsKeyArn",
            "LogFormat",
            "LogGroupName",
            "LogGroupRetentionDays",
            "ResourceId",
            "SecretArn",
            "SubnetIds",
            "VpcId",
        ),
        "says what it is for in this template",
    ),
    "Rules": {},
    "Conditions": {"FromFlowLog": "a choice of its own, or a ResourceId"},
}


def test_each_template_has_cases() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(CASES)


def test_cfn_lint_has_nothing_to_say() -> None:
    assert habits.lint(*FOLDER.glob("*.yaml")) == (0, "")


def test_cfn_lint_would_have_something_to_say(tmp_path: Path) -> None:
    wrong = source("ecs")
    del wrong["Transform"]
    wrong["Resources"] = {**wrong["Resources"].pop("Fn::ForEach::Slots")[2], **wrong["Resources"]}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), encoding="utf-8")
    status, said = habits.lint(tmp_path / "wrong.json")
    assert status != 0
    assert "TaskDefinition${Slot}" in said


@pytest.mark.parametrize("stack_", STACKS)
def test_the_case_is_allowed_and_nothing_is_wrong_with_it(stack_: Stack) -> None:
    assert stack_.refusals() == []
    for check in (
        policies.wildcards,
        policies.unknown_actions,
        policies.keys_without_service,
        policies.trust,
        watching.alarms,
    ):
        assert list(check(stack_)) == []


@pytest.mark.parametrize("stack_", STACKS)
def test_all_of_it_can_be_worked_out(stack_: Stack) -> None:
    """No reference to what a condition leaves out: CloudFormation would refuse the stack."""
    assert stack_.resources()
    for name, output in stack_.template["Outputs"].items():
        if stack_.holds(output.get("Condition")):
            assert stack_.worked_out(output["Value"])
            exported = stack_.worked_out(output.get("Export", {"Name": f"stack-{name}"}))
            assert exported == {"Name": f"stack-{name}"}


@pytest.mark.parametrize("name", NAMES)
def test_each_condition_is_true_and_false_in_some_case(name: str) -> None:
    stacks = [stack(name, given) for given in CASES[name]]
    for condition in source(name)["Conditions"]:
        assert {one.holds(condition) for one in stacks} == {True, False}, condition


@pytest.mark.parametrize("stack_", STACKS)
def test_names_fit(stack_: Stack) -> None:
    longest = "v" * 24
    named = Stack(stack_.template, {**stack_.given, "Name": longest})
    assert named.refusals() == []
    assert Stack(stack_.template, {**stack_.given, "Name": longest + "v"}).refusals() != []
    alarms = [alarm["AlarmName"] for alarm in named.resources("AWS::CloudWatch::Alarm").values()]
    assert len(set(alarms)) == len(alarms)
    assert all(name.startswith(longest) for name in alarms)
    for policy in named.resources("AWS::IAM::ManagedPolicy").values():
        assert len(policy["ManagedPolicyName"]) <= 128
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, without white space
        assert len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) <= 6144
    for service in named.resources("AWS::ECS::Service").values():
        assert len(service["ServiceName"]) <= 255


@pytest.mark.parametrize("name", NAMES)
def test_parameters_say_what_they_are_and_are_in_groups(name: str) -> None:
    assert list(habits.parameters(source(name))) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_can_be_given(name: str) -> None:
    assert list(habits.secrets(source(name))) == []
    assert "NoEcho" not in text(name)


def test_what_templates_share_is_the_same() -> None:
    assert list(habits.different({name: source(name) for name in NAMES}, DIFFERENT)) == []


@pytest.mark.parametrize("partition", habits.PARTITIONS)
@pytest.mark.parametrize("stack_", STACKS)
def test_other_partitions_of_aws(stack_: Stack, partition: tuple[str, str, str]) -> None:
    there = habits.abroad(stack_, *partition)
    statements = [statement for _, statement in policies.statements(there)]
    assert list(habits.written_in(statements, partition[0], stack_.given.values())) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_partition_region_or_account_is_written_down(name: str) -> None:
    assert list(habits.written_down(source(name))) == []


@pytest.mark.parametrize("stack_", STACKS)
def test_the_only_copy_survives_the_stack(stack_: Stack) -> None:
    assert list(habits.kept(stack_)) == []


@pytest.mark.parametrize("stack_", STACKS)
def test_alarms_reach_the_topic(stack_: Stack) -> None:
    alarms = stack_.resources("AWS::CloudWatch::Alarm").values()
    topic = stack_.given.get("AlarmTopicArn")
    assert all(alarm.get("AlarmActions") == ([topic] if topic else None) for alarm in alarms)


def test_the_dead_letter_bucket_is_closed_and_encrypted_and_forgets_at_last() -> None:
    for given in CASES["permissions"]:
        made = stack("permissions", given)
        bucket = made.one("AWS::S3::Bucket")
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == (
            "aws:kms" if "KmsKeyArn" in given else "AES256"
        )
        assert [one.get("ExpirationInDays") for one in bucket["LifecycleConfiguration"]["Rules"]] == [None, 365]
        filters = {one["Id"]: one["Prefix"] for one in bucket.get("MetricsConfigurations", [])}
        watched = {alarm["Dimensions"][1]["Value"] for alarm in made.resources("AWS::CloudWatch::Alarm").values()}
        assert filters == {one: f"{one}/" for one in watched}
        (closed,) = made.one("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
        assert (closed["Effect"], closed["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_parameters_are_allowed(name: str) -> None:
    """And they name one thing alike: the repository is that of the image."""
    given = json.loads((FOLDER / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    values = {one["ParameterKey"]: one["ParameterValue"] for one in given}
    made = stack(name, values)
    assert made.refusals() == []
    assert (
        values.get("ImageUri", "").rpartition("/")[2].partition(":")[0]
        == values.get("EcrRepositoryArn", "").rpartition("/")[2]
    )
    assert made.resources()
