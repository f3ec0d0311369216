"""What the engine holds against what was planted. Pure: aggregations in, verdicts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vpcflow.generate.manifest import Manifest, Sums

__all__ = ["Found", "Verdict", "aggregations", "found", "verdicts"]

_MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the engine's own aggregations say. sums: by interface and action."""

    documents: int
    sums: Mapping[tuple[str, str], Sums]
    rejected_ports: Mapping[int, int]
    rejected_sources: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing that was proven, or not."""

    claim: str
    planted: str
    found: str
    good: bool


def aggregations(log_group: str) -> dict[str, Any]:
    """Return the body of the search that says it all, for the documents of one log group."""
    sums = {
        "packets": {"sum": {"field": "network.packets"}},
        "bytes": {"sum": {"field": "network.bytes"}},
    }
    by_action = {"terms": {"field": "aws.vpcflow.action", "size": 10}, "aggs": sums}
    return {
        "size": 0,
        "track_total_hits": True,
        "query": {"term": {"aws.cloudwatch.log_group": log_group}},
        "aggs": {
            "interfaces": {
                "terms": {"field": "aws.vpcflow.interface_id", "size": _MANY},
                "aggs": {"actions": by_action},
            },
            "rejected": {
                "filter": {"term": {"aws.vpcflow.action": "REJECT"}},
                "aggs": {
                    "ports": {"terms": {"field": "destination.port", "size": _MANY}},
                    "sources": {"terms": {"field": "source.ip", "size": _MANY}},
                },
            },
        },
    }


def found(reply: Mapping[str, Any]) -> Found:
    """Return what a reply to `aggregations` says."""
    sums: dict[tuple[str, str], Sums] = {}
    for interface in reply["aggregations"]["interfaces"]["buckets"]:
        for action in interface["actions"]["buckets"]:
            sums[interface["key"], action["key"]] = Sums(
                flows=action["doc_count"], packets=int(action["packets"]["value"]), bytes=int(action["bytes"]["value"])
            )
    rejected = reply["aggregations"]["rejected"]
    return Found(
        documents=reply["hits"]["total"]["value"],
        sums=sums,
        rejected_ports={bucket["key"]: bucket["doc_count"] for bucket in rejected["ports"]["buckets"]},
        rejected_sources={bucket["key"]: bucket["doc_count"] for bucket in rejected["sources"]["buckets"]},
    )


def _number(value: int) -> str:
    return f"{value:,}"


def verdicts(manifest: Manifest, held: Found, dead_lines: Sequence[str]) -> list[Verdict]:
    """Return each claim with its verdict."""
    total = manifest.documents
    made = [
        Verdict(
            claim="every event is there, none of them twice",
            planted=f"{_number(total)} events, {_number(manifest.duplicates)} delivered twice",
            found=f"{_number(held.documents)} documents",
            good=held.documents == total,
        )
    ]
    for name in ("flows", "packets", "bytes"):
        planted = {key: getattr(one, name) for key, one in manifest.sums.items()}
        there = {key: getattr(one, name) for key, one in held.sums.items()}
        off = sum(planted.get(key, 0) != there.get(key, 0) for key in planted.keys() | there.keys())
        made.append(
            Verdict(
                claim=f"{name} by interface and action agree",
                planted=f"{_number(sum(planted.values()))} in {len(planted)} groups",
                found=f"{_number(sum(there.values()))} in {len(there)} groups" + (f", {off} differ" if off else ""),
                good=not off,
            )
        )
    missing = Counter(manifest.broken_lines) - Counter(dead_lines)
    extra = Counter(dead_lines).keys() - Counter(manifest.broken_lines).keys()
    made.append(
        Verdict(
            claim="every broken line is kept, with its reason",
            planted=f"{_number(len(manifest.broken_lines))} broken lines",
            found=f"{_number(len(set(dead_lines)))} dead letters"
            + (f", {len(missing)} missing" if missing else "")
            + (f", {len(extra)} too many" if extra else ""),
            good=not missing and not extra,
        )
    )
    return made
