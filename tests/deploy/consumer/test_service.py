"""The consumer on ECS: its containers, and the services of its slots."""

from __future__ import annotations

import json

import pytest

from tests.deploy.consumer.cases import (
    CASES,
    CONSUMER,
    RANDOM,
    ROOT,
    containers,
    source,
    stack,
)
from vpcflow.settings.model import Consumer

TMP = "/tmp"  # noqa: S108 - in a container of its own


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
