from __future__ import annotations

from dataclasses import replace

import pytest

from vpcflow.demo.proof import Found, found, verdicts
from vpcflow.generate import FORMATS, Generator, GeneratorOptions
from vpcflow.generate.manifest import Manifest, Sums


def planted() -> Manifest:
    generator = Generator(GeneratorOptions(events=500, columns=FORMATS["v2"], broken=0.02))
    list(generator.payloads())
    return generator.manifest


def held(manifest: Manifest) -> Found:
    return Found(
        documents=manifest.documents,
        sums={key: replace(one) for key, one in manifest.sums.items()},
        rejected_ports=dict(manifest.rejected_ports),
        rejected_sources=dict(manifest.rejected_sources),
    )


def test_all_is_good_when_all_agrees() -> None:
    manifest = planted()
    assert all(one.good for one in verdicts(manifest, held(manifest), manifest.broken_lines))


def test_dead_letters_that_come_twice_are_no_fault() -> None:
    manifest = planted()
    assert all(
        one.good for one in verdicts(manifest, held(manifest), [*manifest.broken_lines, manifest.broken_lines[0]])
    )


@pytest.mark.parametrize("change", [-1, 1])
def test_one_document_less_or_more_is_seen(change: int) -> None:
    manifest = planted()
    there = replace(held(manifest), documents=manifest.documents + change)
    assert [one.good for one in verdicts(manifest, there, manifest.broken_lines)] == [False, True, True, True, True]


@pytest.mark.parametrize(("name", "place"), [("flows", 1), ("packets", 2), ("bytes", 3)])
def test_one_wrong_sum_is_seen(name: str, place: int) -> None:
    manifest = planted()
    there = held(manifest)
    one = next(iter(there.sums.values()))
    setattr(one, name, getattr(one, name) + 1)
    assert [index for index, one in enumerate(verdicts(manifest, there, manifest.broken_lines)) if not one.good] == [
        place
    ]


def test_a_group_that_nobody_planted_is_seen() -> None:
    manifest = planted()
    there = held(manifest)
    there = replace(there, sums={**there.sums, ("eni-other", "ACCEPT"): Sums(flows=1, packets=1, bytes=1)})
    assert not verdicts(manifest, there, manifest.broken_lines)[1].good


def test_a_missing_and_a_foreign_dead_letter_are_seen() -> None:
    manifest = planted()
    assert not verdicts(manifest, held(manifest), manifest.broken_lines[1:])[-1].good
    assert not verdicts(manifest, held(manifest), [*manifest.broken_lines, "a good line"])[-1].good


def test_the_engines_reply_is_read() -> None:
    actions = {"buckets": [{"key": "REJECT", "doc_count": 2, "packets": {"value": 3.0}, "bytes": {"value": 120.0}}]}
    reply = {
        "hits": {"total": {"value": 2}},
        "aggregations": {
            "interfaces": {"buckets": [{"key": "eni-1", "actions": actions}]},
            "rejected": {
                "ports": {"buckets": [{"key": 22, "doc_count": 2}]},
                "sources": {"buckets": [{"key": "192.0.2.1", "doc_count": 2}]},
            },
        },
    }
    seen = found(reply)
    assert seen.documents == 2
    assert seen.sums == {("eni-1", "REJECT"): Sums(flows=2, packets=3, bytes=120)}
    assert seen.rejected_ports == {22: 2}
    assert seen.rejected_sources == {"192.0.2.1": 2}
