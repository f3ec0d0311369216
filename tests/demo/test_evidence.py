"""Canned answers of an engine, and what is made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from vpcflow.demo.evidence import Evidence
from vpcflow.demo.proof import verdicts
from vpcflow.errors import SinkRefused, SinkUnavailable
from vpcflow.generate import FORMATS, Generator, GeneratorOptions, Manifest
from vpcflow.sink.engine import Reply

OPTIONS = GeneratorOptions(events=400, columns=FORMATS["v2"], broken=0.02, duplicates=0.05, nodata=0.02)


class CannedEngine:
    """Answers out of a reply to the aggregations, a list of lines, and its count of refused documents, by call."""

    def __init__(self, reply: dict[str, Any], lines: list[str], refused: list[int | None]) -> None:
        self.reply, self.lines, self.refused = reply, lines, refused
        self.asked: list[str] = []

    def request(self, method: str, path: str, body: object = None) -> Reply:
        self.asked.append(f"{method} {path}")
        if method == "DELETE":
            return Reply(status=200, body={}, headers={})
        refused = self.refused.pop(0)
        if refused is None:
            return Reply(status=403, body={}, headers={})
        indexing = {"index_failed": refused}
        return Reply(status=200, body={"_all": {"primaries": {"indexing": indexing}}}, headers={})

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        self.asked.append(f"{method} {path}")
        page, self.lines = self.lines[:150], self.lines[150:]
        return {"_scroll_id": "abc", "hits": {"hits": [{"_source": {"event": {"original": one}}} for one in page]}}

    def search(self, target: str, body: Mapping[str, object]) -> dict[str, object]:
        return self.reply

    def refresh(self, target: str) -> None:
        self.asked.append(f"refresh {target}")


def planted() -> tuple[Manifest, list[str]]:
    """Return the manifest, and the good lines as an engine should hold them: one for each event id."""
    generator = Generator(OPTIONS)
    seen: dict[str, str] = {}
    for document in generator.documents():
        payload = json.loads(document)
        if payload["messageType"] == "DATA_MESSAGE":
            seen.update({row["id"]: row["message"] for row in payload["logEvents"]})
    broken = set(generator.manifest.broken_lines)
    return generator.manifest, [one for one in seen.values() if one not in broken]


def reply_for(lines: list[str]) -> dict[str, Any]:
    """Aggregate lines as an engine would, with nothing of ours."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for cells in (one.split(" ") for one in lines):
        if cells[13] != "OK":
            continue
        bucket = groups.setdefault(cells[2], {}).setdefault(
            cells[12], {"key": cells[12], "doc_count": 0, "packets": {"value": 0.0}, "bytes": {"value": 0.0}}
        )
        bucket["doc_count"] += 1
        bucket["packets"]["value"] += float(cells[8])
        bucket["bytes"]["value"] += float(cells[9])
    interfaces = [{"key": name, "actions": {"buckets": list(actions.values())}} for name, actions in groups.items()]
    empty: dict[str, Any] = {"buckets": []}
    return {
        "hits": {"total": {"value": len(lines)}},
        "aggregations": {"interfaces": {"buckets": interfaces}, "rejected": {"ports": empty, "sources": empty}},
    }


def bad_claims(
    reply: dict[str, Any], lines: list[str], manifest: Manifest, refused: tuple[int | None, int | None]
) -> list[str]:
    evidence = Evidence(CannedEngine(reply, lines, list(refused)), "target", "group")
    return [one.claim for one in verdicts(manifest, evidence.found(), manifest.broken_lines) if not one.good]


COUNTED, FLOWS, PACKETS = "every good event is there, once", "flows by interface", "packets by interface"
BYTES, LINES, REFUSED = "bytes by interface", "each line is as it was planted", "second deliveries were refused"


def claims(names: list[str]) -> list[str]:
    return [one.partition(" and action")[0] for one in names]


def test_the_truth_is_found_good() -> None:
    manifest, lines = planted()
    assert manifest.duplicates > 0
    assert bad_claims(reply_for(lines), lines, manifest, (0, manifest.duplicates)) == []


def test_one_missing_document_is_seen() -> None:
    manifest, lines = planted()
    lines = lines[1:]
    bad = claims(bad_claims(reply_for(lines), lines, manifest, (0, manifest.duplicates)))
    assert bad == [COUNTED, FLOWS, PACKETS, BYTES, LINES]


def test_one_doubled_document_is_seen() -> None:
    manifest, lines = planted()
    lines.append(next(one for one in lines if one.endswith(" OK")))
    bad = claims(bad_claims(reply_for(lines), lines, manifest, (0, manifest.duplicates - 1)))
    assert bad == [COUNTED, FLOWS, PACKETS, BYTES, LINES, REFUSED]


def test_one_lost_and_another_doubled_is_seen_though_the_count_agrees() -> None:
    manifest, lines = planted()
    quiet = [one for one in lines if not one.endswith(" OK")]
    lines[lines.index(quiet[0])] = quiet[1]
    assert claims(bad_claims(reply_for(lines), lines, manifest, (0, manifest.duplicates))) == [LINES]


def test_one_wrong_sum_of_bytes_is_seen() -> None:
    manifest, lines = planted()
    reply = deepcopy(reply_for(lines))
    reply["aggregations"]["interfaces"]["buckets"][0]["actions"]["buckets"][0]["bytes"]["value"] += 1
    assert claims(bad_claims(reply, lines, manifest, (0, manifest.duplicates))) == [BYTES]


@pytest.mark.parametrize(
    ("before", "after", "seen"), [(7, 7, [REFUSED]), (9, 3, []), (None, 5, []), (0, None, []), (0, 10_000, [])]
)
def test_refusals_count_from_before_the_run_and_only_where_they_are_known(
    before: int | None, after: int | None, seen: list[str]
) -> None:
    manifest, lines = planted()
    assert bad_claims(reply_for(lines), lines, manifest, (before, after)) == seen


def test_all_pages_are_read_and_the_scroll_is_given_back() -> None:
    manifest, lines = planted()
    engine = CannedEngine(reply_for(lines), lines, [0, 0])
    assert Evidence(engine, "logs-a", "group").found().fingerprint == manifest.fingerprint
    assert engine.lines == []
    assert engine.asked[-2:] == ["POST /_search/scroll", "DELETE /_search/scroll"]


def test_shards_that_start_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = CannedEngine({"hits": {"total": {"value": 7}}}, [], [0])
    evidence = Evidence(engine, "logs-*", "group")
    assert evidence.documents() == 7

    def fails(error: Exception) -> None:
        def search(*_: object) -> dict[str, object]:
            raise error

        monkeypatch.setattr(engine, "search", search)

    fails(SinkUnavailable("503: search_phase_execution_exception: all shards failed"))
    assert evidence.documents() is None
    fails(SinkRefused("403: you may not"))
    with pytest.raises(SinkRefused):
        evidence.documents()
