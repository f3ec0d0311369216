"""The columns of a flow-log line: AWS's names, the version that brought each, and what stands in it.

https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html and
https://docs.aws.amazon.com/vpc/latest/tgw/tgw-flow-logs.html. A second list beside the codec's own, on purpose: a name that is
wrong in one of them shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from vpcflow.errors import ConfigError
from vpcflow.generate.traffic import Flow, Interface

__all__ = ["FIELDS", "FIELD_NAMES", "FORMATS", "Column", "columns", "line_writer", "version_of"]

_V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
_V3 = "vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr"
_V4 = "region az-id sublocation-type sublocation-id"
_V5 = "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
_TGW = (
    "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id tgw-src-vpc-id"
    " tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id"
    " tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status type"
    " packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags region"
    " flow-direction pkt-src-aws-service pkt-dst-aws-service"
)
FORMATS = {"v2": tuple(_V2.split()), "v5": tuple(f"{_V2} {_V3} {_V4} {_V5}".split()), "tgw": tuple(_TGW.split())}

_Cell = Callable[[Flow, str, str], object]  # flow, account, region


@dataclass(frozen=True, slots=True)
class Column:
    """version: that brought it. cell: what stands in it; "" becomes `-`. silent: filled without traffic, too."""

    version: int
    cell: _Cell
    silent: bool = False


def _other(cell: Callable[[Interface], str]) -> _Cell:
    """Return what a cell says of the interface at the other end, if that is one of ours."""
    return lambda flow, _account, _region: cell(flow.other) if flow.other else ""


def _hash(interface: Interface) -> str:
    return (interface.key * 2)[:32]


def _service(address: str) -> str:
    return "AMAZON" if address.startswith("52.") else "S3" if address.startswith("3.5.") else ""


def _path(flow: Flow) -> object:
    """Return how egress traffic leaves: inside of the VPC, or by the internet gateway of a Nitro instance."""
    return "" if flow.inbound else 1 if flow.destination.startswith("10.") else 8


def _encryption(flow: Flow) -> int:
    return (1 if flow.other else 0) + (2 if flow.destination_port == 443 else 0)  # noqa: PLR2004 - Nitro, TLS


FIELDS: dict[str, Column] = {
    "version": Column(2, lambda _f, _a, _r: "", silent=True),  # `line_writer` knows it
    "account-id": Column(2, lambda _f, account, _r: account, silent=True),
    "interface-id": Column(2, lambda f, _a, _r: f.interface.name, silent=True),
    "srcaddr": Column(2, lambda f, _a, _r: f.source),
    "dstaddr": Column(2, lambda f, _a, _r: f.destination),
    "srcport": Column(2, lambda f, _a, _r: f.source_port),
    "dstport": Column(2, lambda f, _a, _r: f.destination_port),
    "protocol": Column(2, lambda f, _a, _r: f.protocol),
    "packets": Column(2, lambda f, _a, _r: f.packets),
    "bytes": Column(2, lambda f, _a, _r: f.bytes),
    "start": Column(2, lambda f, _a, _r: f.start, silent=True),
    "end": Column(2, lambda f, _a, _r: f.end, silent=True),
    "action": Column(2, lambda f, _a, _r: f.action),
    "log-status": Column(2, lambda f, _a, _r: f.status, silent=True),
    "vpc-id": Column(3, lambda f, _a, _r: f.interface.vpc, silent=True),
    "subnet-id": Column(3, lambda f, _a, _r: f.interface.subnet, silent=True),
    "instance-id": Column(3, lambda f, _a, _r: f.interface.instance, silent=True),
    "tcp-flags": Column(3, lambda f, _a, _r: f.flags),
    "type": Column(3, lambda f, _a, _r: "IPv6" if ":" in f.source else "IPv4"),
    "pkt-srcaddr": Column(3, lambda f, _a, _r: f.source),
    "pkt-dstaddr": Column(3, lambda f, _a, _r: f.destination),
    "region": Column(4, lambda _f, _a, region: region, silent=True),
    "az-id": Column(4, lambda f, _a, _r: f.interface.zone, silent=True),
    "sublocation-type": Column(4, lambda f, _a, _r: "outpost" if f.interface.outpost else "", silent=True),
    "sublocation-id": Column(4, lambda f, _a, _r: f.interface.outpost, silent=True),
    "pkt-src-aws-service": Column(5, lambda f, _a, _r: _service(f.source)),
    "pkt-dst-aws-service": Column(5, lambda f, _a, _r: _service(f.destination)),
    "flow-direction": Column(5, lambda f, _a, _r: "ingress" if f.inbound else "egress"),
    "traffic-path": Column(5, lambda f, _a, _r: _path(f)),
    "resource-type": Column(6, lambda _f, _a, _r: "TransitGateway", silent=True),
    "tgw-id": Column(6, lambda f, _a, _r: "tgw-" + f.interface.vpc[4:], silent=True),
    "tgw-attachment-id": Column(6, lambda f, _a, _r: "tgw-attach-" + f.interface.subnet[7:], silent=True),
    "tgw-src-vpc-account-id": Column(6, lambda _f, account, _r: account),
    "tgw-dst-vpc-account-id": Column(6, lambda f, account, _r: account if f.other else ""),
    "tgw-src-vpc-id": Column(6, lambda f, _a, _r: f.interface.vpc),
    "tgw-dst-vpc-id": Column(6, _other(lambda one: one.vpc)),
    "tgw-src-subnet-id": Column(6, lambda f, _a, _r: f.interface.subnet),
    "tgw-dst-subnet-id": Column(6, _other(lambda one: one.subnet)),
    "tgw-src-eni": Column(6, lambda f, _a, _r: f.interface.name),
    "tgw-dst-eni": Column(6, _other(lambda one: one.name)),
    "tgw-src-az-id": Column(6, lambda f, _a, _r: f.interface.zone),
    "tgw-dst-az-id": Column(6, _other(lambda one: one.zone)),
    "tgw-pair-attachment-id": Column(6, _other(lambda one: "tgw-attach-" + one.subnet[7:])),
    "packets-lost-no-route": Column(6, lambda f, _a, _r: f.packets if f.action == "REJECT" else 0),
    "packets-lost-blackhole": Column(6, lambda _f, _a, _r: 0),
    "packets-lost-mtu-exceeded": Column(6, lambda _f, _a, _r: 0),
    "packets-lost-ttl-expired": Column(6, lambda _f, _a, _r: 0),
    "ecs-cluster-arn": Column(7, lambda _f, account, region: f"arn:aws:ecs:{region}:{account}:cluster/shop"),
    "ecs-cluster-name": Column(7, lambda _f, _a, _r: "shop"),
    "ecs-container-instance-arn": Column(
        7, lambda f, a, r: f"arn:aws:ecs:{r}:{a}:container-instance/shop/{_hash(f.interface)}"
    ),
    "ecs-container-instance-id": Column(7, lambda f, _a, _r: _hash(f.interface)),
    "ecs-container-id": Column(7, lambda f, _a, _r: f"{_hash(f.interface)}-1"),
    "ecs-second-container-id": Column(7, lambda _f, _a, _r: ""),
    "ecs-service-name": Column(7, lambda f, _a, _r: f"service-{f.interface.key[-2:]}"),
    "ecs-task-definition-arn": Column(7, lambda _f, a, r: f"arn:aws:ecs:{r}:{a}:task-definition/shop:7"),
    "ecs-task-arn": Column(7, lambda f, a, r: f"arn:aws:ecs:{r}:{a}:task/shop/{_hash(f.interface)}"),
    "ecs-task-id": Column(7, lambda f, _a, _r: _hash(f.interface)),
    "reject-reason": Column(8, lambda f, _a, _r: "BPA" if f.action == "REJECT" and f.source_port % 4 == 0 else ""),
    "resource-id": Column(9, lambda f, _a, _r: f.interface.instance),
    "encryption-status": Column(10, lambda f, _a, _r: _encryption(f)),
    "instance-tag": Column(11, lambda f, _a, _r: f"web%20server%20{f.interface.key[-1]}"),
    "instance-tag-2": Column(11, lambda _f, _a, _r: ""),
    "interface-tag": Column(11, lambda f, _a, _r: f"B%C3%BCro-{f.interface.key[-1]}"),
    "interface-tag-2": Column(11, lambda _f, _a, _r: ""),
    "asg-tag": Column(11, lambda _f, _a, _r: "shop"),
    "asg-tag-2": Column(11, lambda _f, _a, _r: ""),
    "interface-type": Column(11, lambda _f, _a, _r: "interface"),
    "next-hop-interface-id": Column(11, _other(lambda one: one.name)),
    "next-hop-subnet-id": Column(11, _other(lambda one: one.subnet)),
    "next-hop-az-id": Column(11, _other(lambda one: one.zone)),
    "next-hop-vpc-id": Column(11, _other(lambda one: one.vpc)),
    "next-hop-interface-type": Column(11, _other(lambda _one: "interface")),
}
FIELD_NAMES = frozenset(FIELDS)
_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")


def columns(text: str) -> tuple[str, ...]:
    """Return the column names of a format: a preset's name, `${version} …` as AWS prints it, or names with spaces or commas.

    Raises:
        ConfigError: no names, names that AWS does not have, or one of them twice.
    """
    if text.strip() in FORMATS:
        return FORMATS[text.strip()]
    names = _PLACEHOLDER.findall(text) if "$" in text else re.split(r"[\s,]+", text.strip())
    stray = _PLACEHOLDER.sub("", text).strip() if "$" in text else ""
    if stray:
        raise ConfigError(
            f"--format: {stray!r} stands outside of ${{…}}; did the shell take the rest? use single quotes"
        )
    known = f"presets are {', '.join(FORMATS)}; names are those of AWS, such as ${{srcaddr}}"
    for name in names:
        if name not in FIELDS:
            raise ConfigError(f"--format: unknown field {name!r}; {known}")
        if names.count(name) > 1:
            raise ConfigError(f"--format: {name!r} comes twice; name each field once")
    return tuple(names)


def version_of(names: tuple[str, ...]) -> int:
    """Return what AWS puts into the `version` column: the highest version among the columns."""
    return max((FIELDS[name].version for name in names), default=2)


def line_writer(names: tuple[str, ...], account: str, region: str) -> Callable[[Flow], str]:
    """Return a function that writes a flow's line."""
    version = str(version_of(names))
    chosen = [(None if name == "version" else FIELDS[name]) for name in names]

    def write(flow: Flow) -> str:
        traffic = flow.status == "OK"
        cells = []
        for column in chosen:
            if column is None:
                cells.append(version)
                continue
            value = column.cell(flow, account, region) if traffic or column.silent else ""
            cells.append("-" if value == "" else str(value))
        return " ".join(cells)

    return write
