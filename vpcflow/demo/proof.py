"""What the engine holds against what was planted. Pure: the engine's answers in, verdicts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vpcflow.generate.manifest import FINGERPRINT_BITS, Manifest, Sums, fingerprint

__all__ = ["Found", "Verdict", "aggregations", "fingerprint_of", "found", "of_log_group", "verdicts"]

_MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the engine's own aggregations say, and what else is known of it.

    sums: by interface and action. fingerprint: of the lines in the documents; None: not looked at. refused: how many
    documents the engine did not take because it had them already; None: it does not say.
    """

    documents: int
    sums: Mapping[tuple[str, str], Sums]
    rejected_ports: Mapping[int, int]
    rejected_sources: Mapping[str, int]
    fingerprint: int | None = None
    refused: int | None = None

    def with_evidence(self, *, fingerprint: int, refused: int | None) -> Found:
        """Return this with what the aggregations do not say."""
        return replace(self, fingerprint=fingerprint, refused=refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing that was proven, or not."""

    claim: str
    planted: str
    found: str
    good: bool


def of_log_group(log_group: str) -> dict[str, Any]:
    """Return the query for the documents of one log group: of one run of the demo."""
    return {"term": {"aws.cloudwatch.log_group": log_group}}


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
        "query": of_log_group(log_group),
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


def fingerprint_of(hits: Sequence[Mapping[str, Any]]) -> int:
    """Return the fingerprint of the lines that documents were made of."""
    total = sum(fingerprint(hit["_source"]["event"]["original"]) for hit in hits)
    return total % (1 << FINGERPRINT_BITS)


def _number(value: int) -> str:
    return f"{value:,}"


def verdicts(manifest: Manifest, held: Found, dead_lines: Sequence[str]) -> list[Verdict]:
    """Return each claim with its verdict. Things that nobody looked at, or that the engine does not say, are no claims."""
    made = [
        Verdict(
            claim="every good event is there, once",
            planted=f"{_number(manifest.documents)} events",
            found=f"{_number(held.documents)} documents",
            good=held.documents == manifest.documents,
        ),
        *_sums(manifest, held),
        _dead(manifest, dead_lines),
    ]
    if held.fingerprint is not None:
        made.append(
            Verdict(
                claim="each line is as it was planted",
                planted=f"fingerprint {manifest.fingerprint:016x}",
                found=f"fingerprint {held.fingerprint:016x}",
                good=held.fingerprint == manifest.fingerprint,
            )
        )
    if held.refused is not None:
        more = held.refused - manifest.duplicates
        made.append(
            Verdict(
                claim="second deliveries were refused",
                planted=f"{_number(manifest.duplicates)} second deliveries",
                found=f"{_number(held.refused)} refused by the engine (409)"
                + (f", {_number(more)} of them sent again" if more > 0 else ""),
                good=more >= 0,
            )
        )
    return made


def _sums(manifest: Manifest, held: Found) -> list[Verdict]:
    made = []
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
    return made


def _dead(manifest: Manifest, dead_lines: Sequence[str]) -> Verdict:
    """Compare the dead letters. One that comes again is no fault: its record was read again after a restart."""
    planted = Counter(manifest.broken_lines)
    missing = planted - Counter(dead_lines)
    extra = set(dead_lines) - set(planted)
    return Verdict(
        claim="every broken line is kept aside",
        planted=f"{_number(planted.total())} broken lines",
        found=f"{_number(len(set(dead_lines)))} dead letters"
        + (f", {missing.total()} missing" if missing else "")
        + (f", {len(extra)} that were not planted" if extra else ""),
        good=not missing and not extra,
    )
