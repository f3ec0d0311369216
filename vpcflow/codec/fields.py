"""THE TABLE: every field of VPC and Transit Gateway flow logs, once.

Parsers, documents, the index mapping and `docs/mapping.md` are made of it. A new field is one line here; a plain text field
needs its name and version only, and goes to `aws.vpcflow.<name_with_underscores>`.

Names and versions: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html and
https://docs.aws.amazon.com/vpc/latest/tgw/tgw-flow-logs.html. Targets: the AWS integration of Elastic, package `aws`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

__all__ = ["FIELDS", "PRESETS", "Field", "Form", "Kind", "Target", "field_named"]


class Kind(enum.Enum):
    """What a column may hold. `-` (no value) is always allowed and never reaches a document."""

    TEXT = "text"  # any token: identifiers of samples are odd
    NUMBER = "number"  # 0 … 10^18 - 1
    PORT = "port"  # 0 … 65535
    BYTE = "byte"  # 0 … 255
    ADDRESS = "address"  # IPv4 or IPv6
    SECONDS = "seconds"  # since 1970; twelve digits and more are milliseconds
    ACTION = "action"  # ACCEPT or REJECT


class Form(enum.Enum):
    """How a value is written at one place of the document, and the Elasticsearch type of that place."""

    TEXT = "keyword"
    ADDRESS = "ip"
    LONG = "long"
    INTEGER = "integer"
    TIME = "date"
    TRANSPORT = "transport"  # protocol number → name, where there is one
    FLAGS = "flags"  # bit mask → array of names
    OUTCOME = "outcome"  # ACCEPT → success
    TYPE = "type"  # ACCEPT → ["connection","allowed"]


@dataclass(frozen=True, slots=True)
class Target:
    """One place of the document: its dotted path and the form of the value there."""

    path: str
    form: Form = Form.TEXT


@dataclass(frozen=True, slots=True)
class Field:
    """One flow-log field.

    check: what a *guessed* column must look like, where AWS lists the values; a known format accepts any token.
    """

    name: str
    version: int
    kind: Kind = Kind.TEXT
    targets: tuple[Target, ...] = ()
    check: re.Pattern[str] | None = None

    @property
    def places(self) -> tuple[Target, ...]:
        """Return where the value goes."""
        return self.targets or (Target("aws.vpcflow." + self.name.replace("-", "_")),)


def _text(*paths: str) -> tuple[Target, ...]:
    return tuple(Target(path) for path in paths)


def _of(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_N, _I = Form.LONG, Form.INTEGER
_DIGITS = _of("[0-9]{1,18}")

FIELDS: tuple[Field, ...] = (
    Field("version", 2, Kind.NUMBER, _text("aws.vpcflow.version"), _of("[0-9]{1,2}")),
    Field("account-id", 2, targets=_text("aws.vpcflow.account_id", "cloud.account.id")),
    Field("interface-id", 2),
    Field("srcaddr", 2, Kind.ADDRESS, (Target("source.address"), Target("source.ip", Form.ADDRESS))),
    Field("dstaddr", 2, Kind.ADDRESS, (Target("destination.address"), Target("destination.ip", Form.ADDRESS))),
    Field("srcport", 2, Kind.PORT, (Target("source.port", _I),)),
    Field("dstport", 2, Kind.PORT, (Target("destination.port", _I),)),
    Field("protocol", 2, Kind.BYTE, (Target("network.iana_number"), Target("network.transport", Form.TRANSPORT))),
    Field("packets", 2, Kind.NUMBER, (Target("source.packets", _N), Target("network.packets", _N))),
    Field("bytes", 2, Kind.NUMBER, (Target("source.bytes", _N), Target("network.bytes", _N))),
    Field("start", 2, Kind.SECONDS, (Target("event.start", Form.TIME),)),
    Field("end", 2, Kind.SECONDS, (Target("event.end", Form.TIME), Target("@timestamp", Form.TIME))),
    Field(
        "action",
        2,
        Kind.ACTION,
        (
            Target("aws.vpcflow.action"),
            Target("event.action"),
            Target("event.outcome", Form.OUTCOME),
            Target("event.type", Form.TYPE),
        ),
    ),
    Field("log-status", 2, check=_of("OK|NODATA|SKIPDATA")),
    Field("vpc-id", 3),
    Field("subnet-id", 3),
    Field("instance-id", 3, targets=_text("aws.vpcflow.instance_id", "cloud.instance.id")),
    Field(
        "tcp-flags",
        3,
        Kind.BYTE,
        (Target("aws.vpcflow.tcp_flags"), Target("aws.vpcflow.tcp_flags_array", Form.FLAGS)),
    ),
    Field("type", 3, check=_of("IPv4|IPv6|EFA")),
    Field("pkt-srcaddr", 3, Kind.ADDRESS, (Target("aws.vpcflow.pkt_srcaddr", Form.ADDRESS),)),
    Field("pkt-dstaddr", 3, Kind.ADDRESS, (Target("aws.vpcflow.pkt_dstaddr", Form.ADDRESS),)),
    Field("region", 4, targets=_text("cloud.region"), check=_of("[a-z]{2}(-[a-z]+)+-[0-9]+")),
    Field("az-id", 4, targets=_text("cloud.availability_zone")),
    Field(
        "sublocation-type", 4, targets=_text("aws.vpcflow.sublocation.type"), check=_of("wavelength|outpost|localzone")
    ),
    Field("sublocation-id", 4, targets=_text("aws.vpcflow.sublocation.id")),
    Field("pkt-src-aws-service", 5, targets=_text("aws.vpcflow.pkt_src_service")),
    Field("pkt-dst-aws-service", 5, targets=_text("aws.vpcflow.pkt_dst_service")),
    Field("flow-direction", 5, targets=_text("network.direction"), check=_of("ingress|egress")),
    Field("traffic-path", 5, Kind.NUMBER, _text("aws.vpcflow.traffic_path"), _of("[0-9]{1,2}")),
    # Transit Gateway
    Field("resource-type", 6),
    Field("tgw-id", 6),
    Field("tgw-attachment-id", 6),
    Field("tgw-src-vpc-account-id", 6),
    Field("tgw-dst-vpc-account-id", 6),
    Field("tgw-src-vpc-id", 6),
    Field("tgw-dst-vpc-id", 6),
    Field("tgw-src-subnet-id", 6),
    Field("tgw-dst-subnet-id", 6),
    Field("tgw-src-eni", 6),
    Field("tgw-dst-eni", 6),
    Field("tgw-src-az-id", 6),
    Field("tgw-dst-az-id", 6),
    Field("tgw-pair-attachment-id", 6),
    Field("packets-lost-no-route", 6, Kind.NUMBER, (Target("aws.vpcflow.packets_lost_no_route", _N),), _DIGITS),
    Field("packets-lost-blackhole", 6, Kind.NUMBER, (Target("aws.vpcflow.packets_lost_blackhole", _N),), _DIGITS),
    Field("packets-lost-mtu-exceeded", 6, Kind.NUMBER, (Target("aws.vpcflow.packets_lost_mtu_exceeded", _N),), _DIGITS),
    Field("packets-lost-ttl-expired", 6, Kind.NUMBER, (Target("aws.vpcflow.packets_lost_ttl_expired", _N),), _DIGITS),
    # Amazon ECS
    Field("ecs-cluster-arn", 7, targets=_text("orchestrator.cluster.id")),
    Field("ecs-cluster-name", 7, targets=_text("orchestrator.cluster.name")),
    Field("ecs-container-instance-arn", 7, targets=_text("orchestrator.resource.name")),
    Field("ecs-container-instance-id", 7, targets=_text("orchestrator.resource.id")),
    Field("ecs-container-id", 7),
    Field("ecs-second-container-id", 7),
    Field("ecs-service-name", 7, targets=_text("service.name")),
    Field("ecs-task-definition-arn", 7),
    Field("ecs-task-arn", 7),
    Field("ecs-task-id", 7),
    Field("reject-reason", 8, targets=_text("event.reason")),
    Field("resource-id", 9),
    Field("encryption-status", 10, Kind.NUMBER, _text("aws.vpcflow.encryption_status"), _of("[0-3]")),
    Field("instance-tag", 11),
    Field("instance-tag-2", 11),
    Field("interface-tag", 11),
    Field("interface-tag-2", 11),
    Field("asg-tag", 11),
    Field("asg-tag-2", 11),
    Field("interface-type", 11),
    Field("next-hop-interface-id", 11),
    Field("next-hop-subnet-id", 11),
    Field("next-hop-az-id", 11),
    Field("next-hop-vpc-id", 11),
    Field("next-hop-interface-type", 11),
)

_BY_NAME = {field.name: field for field in FIELDS}
# Parquet column names and some headers write underscores.
_BY_NAME.update({field.name.replace("-", "_"): field for field in FIELDS})


def field_named(name: str) -> Field | None:
    """Return the field that AWS calls `name` (hyphens or underscores), or None."""
    return _BY_NAME.get(name)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
_V5 = (
    f"{_V2} vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type sublocation-id"
    " pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
)
_V7 = (
    f"{_V5} ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id ecs-container-id"
    " ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id"
)

# Column orders seen in the wild, tried when neither the settings nor a header tell one. Several may have one column count.
PRESETS: dict[str, tuple[str, ...]] = {
    "v2": _names(_V2),
    "v5": _names(_V5),
    "v7": _names(_V7),
    "v8": _names(f"{_V7} reject-reason"),
    "v9": _names(f"{_V5} resource-id"),
    "v10": _names(f"{_V5} encryption-status"),
    "v4-region": _names(f"{_V2} region az-id sublocation-type sublocation-id"),
    "nat-gateway": _names("instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr"),
    "tcp-flags": _names(
        "version interface-id account-id vpc-id subnet-id instance-id srcaddr dstaddr srcport dstport protocol tcp-flags type"
        " pkt-srcaddr pkt-dstaddr action log-status"
    ),
    "tcp-flags-sequence": _names(
        "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr"
        " pkt-dstaddr protocol bytes packets start end action tcp-flags log-status"
    ),
    "tgw": _names(
        "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id"
        " tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id"
        " tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status"
        " type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags"
        " region flow-direction pkt-src-aws-service pkt-dst-aws-service"
    ),
}
