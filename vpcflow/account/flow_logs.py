"""The line formats of an account's flow logs → `codec.formats`.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeFlowLogs.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vpcflow.codec.formats import FormatError, parse_format

__all__ = ["Found", "flow_logs", "rules"]

_PATTERN = re.compile(r"([\[*?])")
_KINDS = ("cloud-watch-logs", "kinesis-data-firehose", "s3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One `codec.formats` entry, or (`rule` is empty) what there is to say about a flow log that needs none.

    flow_logs: the ids of the flow logs it is about.
    """

    rule: dict[str, str]
    flow_logs: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Source:
    """key and pattern: what of `codec.formats` tells this source; key '': nothing is needed. shown: for people."""

    key: str
    pattern: str
    shown: str


def flow_logs(ec2: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - boto3 has no types
    """Yield what DescribeFlowLogs says, all pages of it."""
    for page in ec2.get_paginator("describe_flow_logs").paginate(PaginationConfig={"PageSize": 1000}):
        yield from page["FlowLogs"]


def rules(found: Iterable[dict[str, Any]]) -> list[Found]:
    """Return an entry for each source, in the order of their names; a source with several formats has none, but a note."""
    by_source: dict[_Source, dict[str, list[str]]] = {}
    for one in found:
        form = str(one.get("LogFormat") or "v2")
        by_source.setdefault(_source(one), {}).setdefault(form, []).append(str(one["FlowLogId"]))
    return [
        entry
        for source in sorted(by_source, key=lambda one: (_KINDS.index(one.key) if one.key in _KINDS else 0, one.shown))
        for entry in _entries(source, by_source[source])
    ]


def _source(one: dict[str, Any]) -> _Source:
    kind, destination = one.get("LogDestinationType", "cloud-watch-logs"), str(one.get("LogDestination") or "")
    if kind == "s3":
        return _Source("", "", f"s3://{destination.rpartition(':')[2]}")
    if kind == "kinesis-data-firehose":
        name = destination.rpartition("/")[2]
        return _Source("source", f"firehose:{_escaped(name)}", f"delivery stream {name}")
    group = str(one.get("LogGroupName") or destination.partition(":log-group:")[2].removesuffix(":*"))
    return _Source("log_group", _escaped(group), f"log group {group}")


def _escaped(name: str) -> str:
    return _PATTERN.sub(r"[\1]", name)


def _entries(source: _Source, formats: dict[str, list[str]]) -> Iterator[Found]:
    if not source.key:
        ids = tuple(one for some in formats.values() for one in some)
        yield Found(rule={}, flow_logs=ids, note=f"{source.shown}: each object names its columns itself")
        return
    if len(formats) > 1:
        ids = tuple(one for some in formats.values() for one in some)
        shown = "; ".join(f"{' '.join(some)}: {form}" for form, some in formats.items())
        text = (
            f"{source.shown}: {len(formats)} formats in one place, nothing tells them apart but the log stream: {shown}"
        )
        yield Found(rule={}, flow_logs=ids, note=text)
        return
    ((form, some),) = formats.items()
    try:
        parse_format(form)
    except FormatError as error:
        yield Found(rule={}, flow_logs=tuple(some), note=f"{source.shown}: {error}")
        return
    yield Found(rule={source.key: source.pattern, "format": form}, flow_logs=tuple(some), note=source.shown)
