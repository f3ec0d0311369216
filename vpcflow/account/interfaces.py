"""Names for the interfaces and addresses of an account, from EC2.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html and API_DescribeInstances,
API_DescribeSubnets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Names", "interface_names"]

_PAGE = {"PageSize": 1000}


@dataclass(slots=True)
class Names:
    """names: by interface id, address or CIDR, in the order they came. ambiguous: keys that two things have in common."""

    names: dict[str, str] = field(default_factory=dict)
    ambiguous: set[str] = field(default_factory=set)
    unnamed: int = 0

    def put(self, key: str, name: str) -> None:
        """Note a name; a key that has another one is left out for good: networks of an account may overlap."""
        if key in self.ambiguous:
            return
        if self.names.setdefault(key, name) != name:
            del self.names[key]
            self.ambiguous.add(key)


def interface_names(ec2: Any, names: Names, *, subnets: bool = False) -> Names:  # noqa: ANN401 - boto3 has no types
    """Add what one region has; return `names`.

    An interface is called as its tag `Name` says, else as its instance's does, else by its description. Its addresses have
    the same name. subnets: their CIDRs too, by their tag `Name`.
    """
    instances = dict(_instances(ec2))
    for page in ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig=_PAGE):
        for interface in page["NetworkInterfaces"]:
            instance = interface.get("Attachment", {}).get("InstanceId", "")
            name = _tag(interface, "TagSet") or instances.get(instance, "") or interface.get("Description", "").strip()
            if not name:
                names.unnamed += 1
                continue
            names.put(interface["NetworkInterfaceId"], name)
            for address in _addresses(interface):
                names.put(address, name)
    if subnets:
        for page in ec2.get_paginator("describe_subnets").paginate(PaginationConfig=_PAGE):
            for subnet in page["Subnets"]:
                _put_subnet(subnet, names)
    return names


def _put_subnet(subnet: dict[str, Any], names: Names) -> None:
    name = _tag(subnet, "Tags")
    if not name:
        names.unnamed += 1
        return
    names.put(subnet["CidrBlock"], name)
    for block in subnet.get("Ipv6CidrBlockAssociationSet", []):
        names.put(block["Ipv6CidrBlock"], name)


def _instances(ec2: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - boto3 has no types
    for page in ec2.get_paginator("describe_instances").paginate(PaginationConfig=_PAGE):
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                name = _tag(instance, "Tags")
                if name:
                    yield instance["InstanceId"], name


def _addresses(interface: dict[str, Any]) -> Iterator[str]:
    for private in interface.get("PrivateIpAddresses", []):
        yield private["PrivateIpAddress"]
        public = private.get("Association", {}).get("PublicIp")
        if public:
            yield public
    for address in interface.get("Ipv6Addresses", []):
        yield address["Ipv6Address"]


def _tag(thing: dict[str, Any], key: str) -> str:
    return next((str(tag["Value"]).strip() for tag in thing.get(key, []) if tag["Key"] == "Name"), "")
