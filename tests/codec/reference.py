"""A strict and slow reading of the mapping rules, one dict per line: what the compiled plans are compared with."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import struct
from datetime import UTC, datetime
from typing import Any

TRANSPORT = {
    0: "hopopt", 1: "icmp", 2: "igmp", 6: "tcp", 8: "egp", 17: "udp", 47: "gre", 50: "esp", 58: "ipv6-icmp", 112: "vrrp",
    132: "sctp",
}  # fmt: skip
FLAGS = ((1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"))
PLACES = {
    "version": ["aws.vpcflow.version"],
    "account-id": ["aws.vpcflow.account_id", "cloud.account.id"],
    "srcaddr": ["source.address", "source.ip"],
    "dstaddr": ["destination.address", "destination.ip"],
    "instance-id": ["aws.vpcflow.instance_id", "cloud.instance.id"],
    "region": ["cloud.region"],
    "az-id": ["cloud.availability_zone"],
    "sublocation-type": ["aws.vpcflow.sublocation.type"],
    "sublocation-id": ["aws.vpcflow.sublocation.id"],
    "pkt-src-aws-service": ["aws.vpcflow.pkt_src_service"],
    "pkt-dst-aws-service": ["aws.vpcflow.pkt_dst_service"],
    "flow-direction": ["network.direction"],
    "protocol": ["network.iana_number"],
    "action": ["aws.vpcflow.action", "event.action"],
    "ecs-cluster-arn": ["orchestrator.cluster.id"],
    "ecs-cluster-name": ["orchestrator.cluster.name"],
    "ecs-container-instance-arn": ["orchestrator.resource.name"],
    "ecs-container-instance-id": ["orchestrator.resource.id"],
    "ecs-service-name": ["service.name"],
    "reject-reason": ["event.reason"],
}
NUMBERS = {
    "srcport": ["source.port"],
    "dstport": ["destination.port"],
    "packets": ["source.packets", "network.packets"],
    "bytes": ["source.bytes", "network.bytes"],
    "packets-lost-no-route": ["aws.vpcflow.packets_lost_no_route"],
    "packets-lost-blackhole": ["aws.vpcflow.packets_lost_blackhole"],
    "packets-lost-mtu-exceeded": ["aws.vpcflow.packets_lost_mtu_exceeded"],
    "packets-lost-ttl-expired": ["aws.vpcflow.packets_lost_ttl_expired"],
}
TIMES = {"start": ["event.start"], "end": ["event.end", "@timestamp"]}


def put(document: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.split(".")
    for name in parents:
        document = document.setdefault(name, {})
    document[last] = value


def iso(text: str) -> str:
    number = int(text)
    ms = number if len(text) >= 12 else number * 1000
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def community_id(source: str, destination: str, sport: int, dport: int, protocol: int) -> str:
    first, last = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    ports: tuple[int, ...] = (sport, dport)
    if protocol == 1:
        ports = (0, 8)
    elif protocol == 58:
        ports = (0, 0)
    elif protocol not in (6, 17, 132):
        ports = ()
    if protocol != 58 and (int(first), ports[:1]) > (int(last), ports[1:]):
        first, last, ports = last, first, ports[::-1]
    raw = struct.pack("!H", 0) + first.packed + last.packed + struct.pack("!BB", protocol, 0)
    raw += b"".join(struct.pack("!H", port) for port in ports)
    return "1:" + base64.b64encode(hashlib.sha1(raw).digest()).decode()  # noqa: S324 - the specification's


def document(names: list[str], line: str) -> dict[str, Any]:  # noqa: PLR0912 - one for each rule
    found = {name: token for name, token in zip(names, line.split(), strict=True) if token != "-"}
    made: dict[str, Any] = {
        "cloud": {"provider": "aws"},
        "data_stream": {"type": "logs", "dataset": "aws.vpcflow", "namespace": "default"},
        "ecs": {"version": "8.11.0"},
        "event": {"kind": "event", "category": ["network"], "type": ["connection"]},
        "tags": ["forwarded", "aws-vpcflow"],
    }
    for name, token in found.items():
        if name in NUMBERS:
            for path in NUMBERS[name]:
                put(made, path, int(token))
        elif name in TIMES:
            for path in TIMES[name]:
                put(made, path, iso(token))
        else:
            for path in PLACES.get(name, ["aws.vpcflow." + name.replace("-", "_")]):
                put(made, path, token)
    if "action" in found:
        accepted = found["action"] == "ACCEPT"
        made["event"]["outcome"] = "success" if accepted else "failure"
        made["event"]["type"] = ["connection", "allowed" if accepted else "denied"]
    if "tcp-flags" in found:
        put(made, "aws.vpcflow.tcp_flags_array", [name for bit, name in FLAGS if int(found["tcp-flags"]) & bit])
    if int(found.get("protocol", 255)) in TRANSPORT:
        put(made, "network.transport", TRANSPORT[int(found["protocol"])])
    if "srcaddr" in found:
        put(made, "network.type", "ipv6" if ":" in found["srcaddr"] else "ipv4")
        if "dstaddr" in found:
            put(made, "related.ip", [found["srcaddr"], found["dstaddr"]])
            if {"srcport", "dstport", "protocol"} <= found.keys():
                numbers = [int(found[name]) for name in ("srcport", "dstport", "protocol")]
                put(made, "network.community_id", community_id(found["srcaddr"], found["dstaddr"], *numbers))
    return made
