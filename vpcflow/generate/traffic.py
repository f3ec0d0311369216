"""Interfaces, and the flows that pass them: web traffic, databases, DNS, pings, port scans, IPv6."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from vpcflow.errors import ConfigError

__all__ = ["FIELD_NAMES", "FORMATS", "Flow", "Interface", "Traffic", "columns"]

_V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
_V5 = (
    f"{_V2} vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type sublocation-id"
    " pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
)
_TGW = (
    "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id tgw-src-vpc-id"
    " tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id"
    " tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status type"
    " packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags region"
    " flow-direction pkt-src-aws-service pkt-dst-aws-service"
)
FORMATS = {"v2": tuple(_V2.split()), "v5": tuple(_V5.split()), "tgw": tuple(_TGW.split())}


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface and where it stands."""

    name: str
    address: str
    address6: str
    vpc: str
    subnet: str
    instance: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One flow as its interface saw it. status: OK, NODATA, SKIPDATA; the latter two have no traffic."""

    interface: Interface
    source: str = "-"
    destination: str = "-"
    source_port: int = 0
    destination_port: int = 0
    protocol: int = 0
    packets: int = 0
    bytes: int = 0
    start: int
    end: int
    action: str = "-"
    flags: int = 0
    inbound: bool = True
    status: str = "OK"


_Value = Callable[[Flow, str, str], object]  # flow, account, region


def _id(prefix: str, text: str) -> str:
    return f"{prefix}-{text.rpartition('-')[2]}"


_SERVICE = "AMAZON"
# What each column holds while there is traffic. Columns that a flow has none for are `-`.
_VALUES: dict[str, _Value] = {
    "version": lambda _f, _a, _r: 2,  # replaced by the highest version among the columns
    "account-id": lambda _f, account, _r: account,
    "interface-id": lambda f, _a, _r: f.interface.name,
    "srcaddr": lambda f, _a, _r: f.source,
    "dstaddr": lambda f, _a, _r: f.destination,
    "srcport": lambda f, _a, _r: f.source_port,
    "dstport": lambda f, _a, _r: f.destination_port,
    "protocol": lambda f, _a, _r: f.protocol,
    "packets": lambda f, _a, _r: f.packets,
    "bytes": lambda f, _a, _r: f.bytes,
    "start": lambda f, _a, _r: f.start,
    "end": lambda f, _a, _r: f.end,
    "action": lambda f, _a, _r: f.action,
    "log-status": lambda f, _a, _r: f.status,
    "vpc-id": lambda f, _a, _r: f.interface.vpc,
    "subnet-id": lambda f, _a, _r: f.interface.subnet,
    "instance-id": lambda f, _a, _r: f.interface.instance,
    "tcp-flags": lambda f, _a, _r: f.flags,
    "type": lambda f, _a, _r: "IPv6" if ":" in f.source else "IPv4",
    "pkt-srcaddr": lambda f, _a, _r: f.source,
    "pkt-dstaddr": lambda f, _a, _r: f.destination,
    "region": lambda _f, _a, region: region,
    "az-id": lambda f, _a, _r: f.interface.zone,
    "pkt-src-aws-service": lambda f, _a, _r: _SERVICE if f.source.startswith("52.") else "-",
    "pkt-dst-aws-service": lambda f, _a, _r: _SERVICE if f.destination.startswith("52.") else "-",
    "flow-direction": lambda f, _a, _r: "ingress" if f.inbound else "egress",
    "traffic-path": lambda f, _a, _r: "-" if f.inbound else 8,
    "resource-type": lambda _f, _a, _r: "TransitGateway",
    "tgw-id": lambda f, _a, _r: _id("tgw", f.interface.vpc),
    "tgw-attachment-id": lambda f, _a, _r: _id("tgw-attach", f.interface.subnet),
    "tgw-src-vpc-account-id": lambda _f, account, _r: account,
    "tgw-dst-vpc-account-id": lambda _f, account, _r: account,
    "tgw-src-vpc-id": lambda f, _a, _r: f.interface.vpc,
    "tgw-src-subnet-id": lambda f, _a, _r: f.interface.subnet,
    "tgw-src-eni": lambda f, _a, _r: f.interface.name,
    "tgw-src-az-id": lambda f, _a, _r: f.interface.zone,
    "packets-lost-no-route": lambda _f, _a, _r: 0,
    "packets-lost-blackhole": lambda _f, _a, _r: 0,
    "packets-lost-mtu-exceeded": lambda _f, _a, _r: 0,
    "packets-lost-ttl-expired": lambda _f, _a, _r: 0,
    "ecs-cluster-name": lambda _f, _a, _r: "shop",
    "ecs-service-name": lambda f, _a, _r: f"service-{f.interface.name[-2:]}",
    "reject-reason": lambda f, _a, _r: "BPA" if f.action == "REJECT" else "-",
    "encryption-status": lambda f, _a, _r: 1 if f.destination_port == 443 else 0,  # noqa: PLR2004
    "interface-tag": lambda f, _a, _r: f"team%20{f.interface.name[-1]}",
}
_BLANK = [
    "sublocation-type",
    "sublocation-id",
    "tgw-dst-vpc-id",
    "tgw-dst-subnet-id",
    "tgw-dst-eni",
    "tgw-dst-az-id",
    "tgw-pair-attachment-id",
    "ecs-cluster-arn",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-container-id",
    "ecs-second-container-id",
    "ecs-task-definition-arn",
    "ecs-task-arn",
    "ecs-task-id",
    "resource-id",
    "instance-tag",
    "instance-tag-2",
    "interface-tag-2",
    "asg-tag",
    "asg-tag-2",
    "interface-type",
    "next-hop-interface-id",
    "next-hop-subnet-id",
    "next-hop-az-id",
    "next-hop-vpc-id",
    "next-hop-interface-type",
]
FIELD_NAMES = frozenset(_VALUES) | frozenset(_BLANK)
# What a line still says when its interface saw no traffic.
_WITHOUT_TRAFFIC = frozenset(
    (
        "version",
        "account-id",
        "interface-id",
        "start",
        "end",
        "log-status",
        "vpc-id",
        "subnet-id",
        "instance-id",
        "region",
        "az-id",
    )
)
_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")


def columns(text: str) -> tuple[str, ...]:
    """Return the column names of a format: a preset's name, `${version} …`, or names. Raises ConfigError."""
    if text in FORMATS:
        return FORMATS[text]
    names = tuple(_PLACEHOLDER.findall(text) if "$" in text else re.split(r"[\s,]+", text.strip()))
    unknown = [name for name in names if name not in FIELD_NAMES]
    if unknown:
        raise ConfigError(f"--format: unknown field {unknown[0]!r}; presets are {', '.join(FORMATS)}")
    return names


def line(flow: Flow, names: tuple[str, ...], account: str, region: str, version: int) -> str:
    """Return the flow's line."""
    cells = []
    for name in names:
        value = _VALUES.get(name)
        if name == "version":
            cells.append(str(version))
        elif value is None or (flow.status != "OK" and name not in _WITHOUT_TRAFFIC):
            cells.append("-")
        else:
            cells.append(str(value(flow, account, region)))
    return " ".join(cells)


_WEB, _DATABASE, _DNS, _PING, _SCAN, _SIX = range(6)
_MIX = ((_WEB, 46), (_DATABASE, 20), (_DNS, 16), (_PING, 3), (_SCAN, 12), (_SIX, 3))
_SCANNED = (22, 23, 445, 1433, 3306, 3389, 5900, 6379, 8080, 9200, 27017)
_TCP, _UDP, _ICMP = 6, 17, 1


class Traffic:
    """Makes flows. All of it is decided by the seed."""

    def __init__(self, pick: random.Random, *, interfaces: int) -> None:
        """Lay out the interfaces and the peers that they talk to."""
        self._pick = pick
        self.interfaces = [self._interface(number) for number in range(interfaces)]
        self._peers = [self._public() for _ in range(3000)]
        self._scanners = [self._public() for _ in range(8)]

    def _interface(self, number: int) -> Interface:
        name = f"{self._pick.getrandbits(68):017x}"
        return Interface(
            name=f"eni-{name}",
            address=f"10.{number // 200}.{number % 200}.{self._pick.randrange(4, 250)}",
            address6=f"2a05:d014:{number:x}::{self._pick.randrange(1, 65_000):x}",
            vpc=f"vpc-{number // 6 + 1:017x}",
            subnet=f"subnet-{number // 3 + 1:017x}",
            instance=f"i-{name}",
            zone=f"euc1-az{number % 3 + 1}",
        )

    def _public(self) -> str:
        first = self._pick.choice((18, 34, 52, 81, 91, 104, 142, 185, 203))
        return f"{first}.{self._pick.randrange(256)}.{self._pick.randrange(256)}.{self._pick.randrange(1, 255)}"

    def _peer(self) -> str:
        return self._peers[min(int(self._pick.paretovariate(0.9)) - 1, len(self._peers) - 1)]

    def flow(self, interface: Interface, start: int) -> Flow:
        """Return a flow with traffic that starts then."""
        pick = self._pick
        kind = pick.choices([one for one, _ in _MIX], [weight for _, weight in _MIX])[0]
        packets = min(int(pick.paretovariate(0.7)), 200_000)
        base = Flow(
            interface=interface,
            source=self._peer(),
            destination=interface.address,
            source_port=pick.randrange(1024, 65_536),
            destination_port=443,
            protocol=_TCP,
            packets=packets,
            bytes=packets * pick.randrange(40, 1500),
            start=start,
            end=start + pick.randrange(1, 60),
            action="ACCEPT",
            flags=pick.choice((2, 3, 18, 19, 0, 1)),
        )
        return self._shaped(kind, base)

    def _shaped(self, kind: int, base: Flow) -> Flow:
        pick, interface = self._pick, base.interface
        if kind == _SCAN:
            return replace(
                base,
                source=pick.choice(self._scanners),
                destination_port=pick.choice(_SCANNED),
                packets=1,
                bytes=pick.choice((40, 44, 52, 60)),
                action="REJECT",
                flags=2,
            )
        if kind == _DATABASE:
            other = pick.choice(self.interfaces).address
            return replace(base, source=interface.address, destination=other, destination_port=5432, inbound=False)
        if kind == _DNS:
            return replace(
                base,
                source=interface.address,
                destination="10.0.0.2",
                destination_port=53,
                protocol=_UDP,
                flags=0,
                inbound=False,
            )
        if kind == _PING:
            return replace(base, source_port=0, destination_port=0, protocol=_ICMP, flags=0)
        if kind == _SIX:
            return replace(base, source=f"2600:1f18::{pick.randrange(1, 65_000):x}", destination=interface.address6)
        return base

    def silence(self, interface: Interface, start: int) -> Flow:
        """Return what an interface says that saw nothing, or skipped what it saw."""
        status = "NODATA" if self._pick.random() < 0.9 else "SKIPDATA"  # noqa: PLR2004
        return Flow(interface=interface, start=start, end=start + 60, status=status)
