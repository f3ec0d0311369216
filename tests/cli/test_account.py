"""`vpcflow formats discover`, `vpcflow labels from-ec2`: against an emulated EC2."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.cli.conftest import Run
from vpcflow.settings.load import load

AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
FORMAT = "${version} ${vpc-id} ${srcaddr} ${dstaddr} ${bytes} ${start} ${end} ${action}"


@pytest.fixture
def ec2(aws_url: str) -> Iterator[Any]:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("ec2", region_name="eu-central-1", endpoint_url=aws_url, **keys)
    yield client
    client.close()


@pytest.fixture
def vpc(ec2: Any) -> str:  # noqa: ANN401 - boto3 has no types
    return str(ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])


def test_formats_that_were_found_are_settings(run: Run, aws_url: str, ec2: Any, vpc: str, tmp_path: Path) -> None:  # noqa: ANN401
    ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName="custom-flows",
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flows",
        LogFormat=FORMAT,
    )
    ran = run("formats", "discover", "--region", "eu-central-1", "--endpoint", aws_url, **AWS)
    assert ran.code == 0, ran.err
    (rule,) = tomllib.loads(ran.out)["codec"]["formats"]
    assert rule == {"log_group": "custom-flows", "format": FORMAT}
    assert "1 flow logs, 1 formats by source" in ran.err
    file = tmp_path / "vpcflow.toml"
    file.write_text(ran.out, encoding="utf-8")
    assert load(file, {}).settings.codec.formats[0].log_group == "custom-flows"


def test_no_flow_logs_are_no_error(run: Run, aws_url: str) -> None:
    ran = run("formats", "discover", "--region", "ap-south-1", "--endpoint", aws_url, **AWS)
    assert (ran.code, ran.out.strip()) == (0, "")
    assert "0 flow logs" in ran.err


def test_labels_of_interfaces(run: Run, aws_url: str, ec2: Any, vpc: str, tmp_path: Path) -> None:  # noqa: ANN401
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    name = 'bastion, "old"'
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": name}]}]
    made = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress="10.9.1.7", TagSpecifications=tags)
    file = tmp_path / "labels.csv"
    ran = run("labels", "from-ec2", "--region", "eu-central-1", "--endpoint", aws_url, "--output", file, **AWS)
    assert (ran.code, ran.out) == (0, ""), ran.err
    rows = dict(csv.reader(file.read_text(encoding="utf-8").splitlines()))
    assert rows["10.9.1.7"] == rows[made["NetworkInterface"]["NetworkInterfaceId"]] == name


@pytest.mark.parametrize("command", [("formats", "discover"), ("labels", "from-ec2")])
def test_without_credentials_one_line_says_so(run: Run, aws_url: str, command: tuple[str, str]) -> None:
    ran = run(*command, "--region", "eu-central-1", "--endpoint", aws_url)
    assert ran.code == 77
    assert ran.err.count("\n") == 1
    assert "no AWS credentials" in ran.err


def test_without_a_region_one_line_says_so(run: Run) -> None:
    ran = run("formats", "discover", **AWS)
    assert ran.code == 78
    assert "AWS_REGION" in ran.err


def test_a_file_that_cannot_be_written_is_said(run: Run, aws_url: str, tmp_path: Path) -> None:
    ran = run("labels", "from-ec2", "--region", "eu-central-1", "--endpoint", aws_url, "--output", tmp_path, **AWS)
    assert ran.code == 65
    assert "--output" in ran.err
