"""The consumer's templates: clean for cfn-lint, and right where it does not look."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.consumer import policies, watching
from tests.deploy.consumer.cases import CASES, CONSUMER, FLOWS, FOLDER, NAMES, RANDOM, ROOT, STACKS, source, stack, text
from tests.deploy.template import PSEUDO, Stack, fits, listed
from vpcflow.settings.model import Consumer

TMP = "/tmp"  # noqa: S108 - in a container of its own
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


def lint(*paths: Path) -> tuple[int, str]:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_each_template_has_cases() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(CASES)


def test_cfn_lint_has_nothing_to_say() -> None:
    assert lint(*FOLDER.glob("*.yaml")) == (0, "")


def test_cfn_lint_would_have_something_to_say(tmp_path: Path) -> None:
    wrong = source("ecs")
    del wrong["Transform"]
    wrong["Resources"] = {**wrong["Resources"].pop("Fn::ForEach::Slots")[2], **wrong["Resources"]}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), encoding="utf-8")
    status, said = lint(tmp_path / "wrong.json")
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
    found = source(name)
    groups = found["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [one for group in groups for one in group["Parameters"]] == list(found["Parameters"])
    for parameter, about in found["Parameters"].items():
        assert len(about["Description"]) > 15, parameter
        if about["Type"] == "Number" and "AllowedValues" not in about:
            assert {"MinValue", "MaxValue"} <= set(about), parameter
        if parameter.endswith(("Arn", "Uri", "Bucket", "Key")):  # where a password could be typed by mistake
            assert "AllowedPattern" in about, parameter
        assert "Default" not in about or fits(str(about["Default"]), about), parameter


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_can_be_given(name: str) -> None:
    words = ("password", "apikey", "token", "accesskey")
    assert not [one for one in source(name)["Parameters"] if any(word in one.lower() for word in words)]
    assert "NoEcho" not in text(name)


def test_what_templates_share_is_the_same() -> None:
    for section, different in DIFFERENT.items():
        seen: dict[str, tuple[str, object]] = {}
        for name in NAMES:
            for key, value in source(name).get(section, {}).items():
                if key not in different:
                    first, before = seen.setdefault(key, (name, value))
                    assert value == before, f"{section}.{key} in {first} and {name}"


@pytest.mark.parametrize(
    "partition", [("aws-cn", "cn-north-1", "amazonaws.com.cn"), ("aws-us-gov", "us-gov-west-1", "amazonaws.com")]
)
@pytest.mark.parametrize("stack_", STACKS)
def test_other_partitions_of_aws(stack_: Stack, partition: tuple[str, str, str]) -> None:
    name, region, suffix = partition
    pseudo = {**PSEUDO, "AWS::Partition": name, "AWS::Region": region, "AWS::URLSuffix": suffix}
    there = Stack(stack_.template, stack_.given, pseudo)
    given = set(stack_.given.values())
    for where, statement in policies.statements(there):
        for resource in listed(statement["Resource"]):
            own = any(one.startswith("arn:") and resource.startswith(one) for one in given)
            assert own or resource == "*" or resource.startswith(f"arn:{name}:"), where


@pytest.mark.parametrize("name", NAMES)
def test_no_partition_region_or_account_is_written_down(name: str) -> None:
    written = json.dumps(source(name)["Resources"]) + json.dumps(source(name)["Outputs"])
    assert "arn:aws" not in written
    assert "amazonaws.com/" not in written


@pytest.mark.parametrize("stack_", STACKS)
def test_the_only_copy_survives_the_stack(stack_: Stack) -> None:
    for name, resource in stack_.template["Resources"].items():
        if resource["Type"] in ("AWS::S3::Bucket", "AWS::Kinesis::Stream"):
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (
                "RetainExceptOnCreate",
                "Retain",
            ), name


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


# ---- the stream, and what feeds it ----


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


# ---- the service ----


def containers(made: Stack) -> list[dict[str, Any]]:
    return [
        one
        for task in made.resources("AWS::ECS::TaskDefinition").values()
        for one in task["ContainerDefinitions"]
        if one["Name"] == "consumer"
    ]


@pytest.mark.parametrize("given", CASES["ecs"])
def test_containers_are_closed_and_have_time_to_stop(given: dict[str, str]) -> None:
    made = stack("ecs", given)
    for task in made.resources("AWS::ECS::TaskDefinition").values():
        for container in task["ContainerDefinitions"]:
            assert container["ReadonlyRootFilesystem"] is True
            assert container["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}}
            assert container["MountPoints"] == [{"SourceVolume": "tmp", "ContainerPath": TMP, "ReadOnly": False}]
        prepare, consumer = task["ContainerDefinitions"]
        assert (prepare["User"], prepare["EntryPoint"], prepare["Command"]) == ("0", ["chmod"], ["1777", TMP])
        assert consumer["DependsOn"] == [{"ContainerName": prepare["Name"], "Condition": "SUCCESS"}]
        assert "User" not in consumer, "the image's own, which is not root"
        assert int(task["Memory"]) == 2 * int(task["Cpu"])
    for container in containers(made):
        grace = int(made.parameter("ShutdownGraceMilliseconds")) / 1000
        assert container["StopTimeout"] == 120, "the most that Fargate takes"
        assert container["StopTimeout"] >= grace + 15, "what docs/operations.md asks for"


@pytest.mark.parametrize(("port", "ports"), [("9200", [443, 9200]), ("443", [443])])
def test_no_rule_of_the_security_group_is_there_twice(port: str, ports: list[int]) -> None:
    """EC2 refuses that: "the same permission must not appear multiple times"."""
    rules = stack("ecs", CONSUMER, {"EnginePort": port}).one("AWS::EC2::SecurityGroup")["SecurityGroupEgress"]
    assert [(one["FromPort"], one["ToPort"]) for one in rules] == [(one, one) for one in ports]
    assert all(one["CidrIp"] == "0.0.0.0/0" for one in rules)


def test_the_health_check_is_the_one_of_the_image() -> None:
    dockerfile = (ROOT / "docker" / "consumer.Dockerfile").read_text(encoding="utf-8")
    (container, *_) = containers(stack("ecs", CONSUMER))
    first, *command = container["HealthCheck"]["Command"]
    assert first == "CMD"
    assert f"CMD {json.dumps(command)}" in dockerfile
    assert "COPY docker/health.py /opt/vpcflow/" in dockerfile
    assert "USER 10001:10001" in dockerfile


@pytest.mark.parametrize("slots", ["0", "0,1", "0,1,2,10"])
def test_each_slot_is_a_service_of_one_task_with_an_id_of_its_own(slots: str) -> None:
    made = stack("ecs", CONSUMER, {"Slots": slots})
    services = made.resources("AWS::ECS::Service").values()
    assert [one["ServiceName"] for one in services] == [f"vpcflow-consumer-{slot}" for slot in slots.split(",")]
    for service, container in zip(services, containers(made), strict=True):
        slot = service["ServiceName"].rpartition("-")[2]
        assert service["DesiredCount"] == 1
        assert service["DeploymentConfiguration"] == {
            "MinimumHealthyPercent": 0,
            "MaximumPercent": 100,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        }
        assert service["AvailabilityZoneRebalancing"] == "DISABLED"
        assert service["TaskDefinition"] == f"the-taskdefinition{slot}"
        assert {"Name": "VPCFLOW_CONSUMER__WORKER_ID", "Value": f"vpcflow-{slot}"} in container["Environment"]
        alarm = made.resources("AWS::CloudWatch::Alarm")[f"RunningAlarm{slot}"]
        assert alarm["Threshold"] == 1
        assert alarm["Dimensions"][1]["Value"] == service["ServiceName"]


def test_random_ids_are_one_service_of_many_tasks() -> None:
    made = stack("ecs", CONSUMER, RANDOM)
    service = made.one("AWS::ECS::Service")
    assert service["DesiredCount"] == 3
    assert (
        service["DeploymentConfiguration"]["MinimumHealthyPercent"],
        service["DeploymentConfiguration"]["MaximumPercent"],
    ) == (100, 200)
    (container,) = containers(made)
    assert not [one for one in container["Environment"] if one["Name"] == "VPCFLOW_CONSUMER__WORKER_ID"]
    assert made.resources("AWS::CloudWatch::Alarm")["RunningAlarm0"]["Threshold"] == 3


def test_a_service_that_starts_first_gives_two_tasks_one_worker_id() -> None:
    """Why it is 0 and 100, and what the settings say of the grace."""
    assert Consumer().shutdown_grace_milliseconds >= 1000
    about = source("ecs")["Parameters"]["ShutdownGraceMilliseconds"]
    assert about["MaxValue"] / 1000 + 15 <= 120


# ---- examples ----


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_parameters_are_allowed(name: str) -> None:
    given = json.loads((FOLDER / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    made = stack(name, {one["ParameterKey"]: one["ParameterValue"] for one in given})
    assert made.refusals() == []
    assert made.resources()
