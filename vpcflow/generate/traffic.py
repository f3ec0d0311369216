"""Interfaces, and the flows that pass them: web traffic, databases, DNS, pings, port scans, IPv6."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["Flow", "Interface", "Traffic"]


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface and where it stands. key: the part that its names share. outpost: "" for most."""

    key: str
    name: str
    address: str
    address6: str
    vpc: str
    subnet: str
    instance: str
    zone: str
    outpost: str


@dataclass(slots=True, kw_only=True)
class Flow:
    """One flow as its interface saw it.

    other: the interface at the far end, where that is one of ours. status: OK, NODATA, SKIPDATA; the latter two have no
    traffic.
    """

    interface: Interface
    start: int
    end: int
    source: str = ""
    destination: str = ""
    source_port: int = 0
    destination_port: int = 0
    protocol: int = 0
    packets: int = 0
    bytes: int = 0
    action: str = ""
    flags: int = 0
    inbound: bool = True
    other: Interface | None = None
    status: str = "OK"


_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
_FLAGS = (2, 3, 18, 19, 0, 1)
_FIRST_BYTES = (18, 34, 52, 81, 91, 104, 142, 185, 203)
_SERVICES = (443, 443, 443, 443, 443, 443, 80, 80, 8443, 22)
_SCANNED = (22, 23, 445, 1433, 3306, 3389, 5900, 6379, 8080, 9200, 27017)
_SCANNED_SHARES = tuple(accumulate(1 / rank for rank in range(1, len(_SCANNED) + 1)))
_SCAN_SIZES = (40, 44, 52, 60)
_PEERS, _SCANNERS = 3000, 8
_DENIED = 0.03  # of web traffic, by a security group
_NODATA = 0.9  # of the intervals without flow records; the others are SKIPDATA


class Traffic:
    """Makes flows. All of it is decided by the seed."""

    def __init__(self, pick: random.Random, *, interfaces: int) -> None:
        """Lay out the interfaces and the peers that they talk to."""
        self._pick = pick
        self.interfaces = [self._interface(number) for number in range(interfaces)]
        self._peers = [self._public() for _ in range(_PEERS)]
        self._scanners = [self._public() for _ in range(_SCANNERS)]
        mix = (
            (self._web, 34),
            (self._out, 12),
            (self._database, 20),
            (self._dns, 16),
            (self._ping, 3),
            (self._scan, 12),
            (self._six, 3),
        )
        self._kinds: list[Callable[[Flow], None]] = [kind for kind, _ in mix]
        self._shares = list(accumulate(share for _, share in mix))

    def _interface(self, number: int) -> Interface:
        key = f"{self._pick.getrandbits(68):017x}"
        return Interface(
            key=key,
            name=f"eni-{key}",
            address=f"10.{number // 200}.{number % 200}.{self._pick.randrange(4, 250)}",
            address6=f"2a05:d014:{number:x}::{self._pick.randrange(1, 65_000):x}",
            vpc=f"vpc-{number // 6 + 1:017x}",
            subnet=f"subnet-{number // 3 + 1:017x}",
            instance=f"i-{key}",
            zone=f"euc1-az{number % 3 + 1}",
            outpost=f"op-{number:017x}" if number % 8 == 7 else "",  # noqa: PLR2004 - one in eight
        )

    def _public(self) -> str:
        pick = self._pick
        return f"{pick.choice(_FIRST_BYTES)}.{pick.randrange(256)}.{pick.randrange(256)}.{pick.randrange(1, 255)}"

    def _peer(self) -> str:
        """Return one of the peers: a few of them again and again, most of them hardly ever."""
        return self._peers[min(int(self._pick.paretovariate(0.9)) - 1, _PEERS - 1)]

    def flow(self, interface: Interface, start: int) -> Flow:
        """Return a flow with traffic that starts then."""
        pick = self._pick
        packets = min(int(pick.paretovariate(0.7)), 200_000)
        flow = Flow(
            interface=interface,
            start=start,
            end=start + 1 + int(pick.random() * 59),
            source_port=1024 + int(pick.random() * 64_512),
            protocol=_TCP,
            packets=packets,
            bytes=packets * (40 + int(pick.random() * 1460)),
            action="ACCEPT",
            flags=_FLAGS[int(pick.random() * len(_FLAGS))],
        )
        pick.choices(self._kinds, cum_weights=self._shares)[0](flow)
        return flow

    def _web(self, flow: Flow) -> None:
        pick = self._pick
        flow.source, flow.destination = self._peer(), flow.interface.address
        flow.destination_port = _SERVICES[int(pick.random() * len(_SERVICES))]
        if pick.random() < _DENIED:
            flow.action = "REJECT"

    def _out(self, flow: Flow) -> None:
        flow.source, flow.destination, flow.destination_port = flow.interface.address, self._peer(), 443
        flow.inbound = False

    def _database(self, flow: Flow) -> None:
        others = [
            one for one in self._pick.sample(self.interfaces, min(2, len(self.interfaces))) if one != flow.interface
        ]
        flow.other = others[0] if others else flow.interface
        flow.source, flow.destination, flow.destination_port = flow.interface.address, flow.other.address, 5432
        flow.inbound = False

    def _dns(self, flow: Flow) -> None:
        flow.source, flow.destination, flow.destination_port = flow.interface.address, "10.0.0.2", 53
        flow.protocol, flow.flags, flow.inbound = _UDP, 0, False

    def _ping(self, flow: Flow) -> None:
        flow.source, flow.destination, flow.source_port = self._peer(), flow.interface.address, 0
        flow.protocol, flow.flags = _ICMP, 0

    def _scan(self, flow: Flow) -> None:
        pick = self._pick
        flow.source, flow.destination = pick.choice(self._scanners), flow.interface.address
        flow.destination_port = pick.choices(_SCANNED, cum_weights=_SCANNED_SHARES)[0]
        flow.packets, flow.bytes, flow.action, flow.flags = 1, pick.choice(_SCAN_SIZES), "REJECT", 2

    def _six(self, flow: Flow) -> None:
        pick = self._pick
        flow.source, flow.destination = f"2600:1f18::{pick.randrange(1, 65_000):x}", flow.interface.address6
        if pick.random() < 0.1:  # noqa: PLR2004 - pings
            flow.protocol, flow.source_port, flow.flags = _ICMP6, 0, 0
        else:
            flow.destination_port = 443

    def silence(self, interface: Interface, start: int) -> Flow:
        """Return what an interface says that saw nothing, or skipped what it saw."""
        status = "NODATA" if self._pick.random() < _NODATA else "SKIPDATA"
        return Flow(interface=interface, start=start, end=start + 60, status=status)
