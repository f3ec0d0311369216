from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from vpcflow.account.interfaces import Names, interface_names


@pytest.fixture
def ec2(aws_url: str) -> Iterator[Any]:
    client = boto3.client(
        "ec2", region_name="eu-west-1", endpoint_url=aws_url, aws_access_key_id="test", aws_secret_access_key="test"
    )
    yield client
    client.close()


def tags(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


@pytest.fixture
def subnet(ec2: Any) -> str:  # noqa: ANN401 - boto3 has no types
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24", TagSpecifications=tags("subnet", "web tier"))
    return made["Subnet"]["SubnetId"]


def interface(ec2: Any, subnet: str, address: str, **values: Any) -> str:  # noqa: ANN401 - boto3 has no types
    made = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=address, **values)
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


def test_an_interface_and_its_address_have_the_name_of_its_tag(ec2: Any, subnet: str) -> None:  # noqa: ANN401 - boto3 has no types
    eni = interface(ec2, subnet, "10.7.1.10", TagSpecifications=tags("network-interface", "bastion"))
    names = interface_names(ec2, Names()).names
    assert names[eni] == names["10.7.1.10"] == "bastion"
    assert "10.7.1.0/24" not in names


def test_else_of_its_description_and_subnets_where_wanted(ec2: Any, subnet: str) -> None:  # noqa: ANN401 - boto3 has no types
    eni = interface(ec2, subnet, "10.7.1.11", Description="ELB app/web/1")
    names = interface_names(ec2, Names(), subnets=True).names
    assert names[eni] == "ELB app/web/1"
    assert names["10.7.1.0/24"] == "web tier"


def test_else_of_its_instance(ec2: Any, subnet: str) -> None:  # noqa: ANN401 - boto3 has no types
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    (instance,) = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet, TagSpecifications=tags("instance", "web-1")
    )["Instances"]
    (eni,) = [one["NetworkInterfaceId"] for one in instance["NetworkInterfaces"]]
    assert interface_names(ec2, Names()).names[eni] == "web-1"


def test_a_key_of_two_names_is_left_out_for_good() -> None:
    names = Names()
    for name in ("a", "a", "b", "a"):
        names.put("10.0.0.1", name)
    assert (names.names, names.ambiguous) == ({}, {"10.0.0.1"})
