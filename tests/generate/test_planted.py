"""What is planted is there, and is what the manifest calls it."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from hashlib import blake2b

import pytest

from vpcflow.generate import FORMATS, Generator, GeneratorOptions, columns

OPTIONS = GeneratorOptions(events=4000, columns=FORMATS["v2"], broken=0.02, duplicates=0.05, nodata=0.03)


def read(options: GeneratorOptions) -> tuple[Generator, list[dict[str, str]], list[list[str]]]:
    """Return the generator, all rows, and the ids by payload."""
    generator = Generator(options)
    payloads = [json.loads(one) for one in generator.documents()]
    data = [one["logEvents"] for one in payloads if one["messageType"] == "DATA_MESSAGE"]
    return generator, [row for rows in data for row in rows], [[row["id"] for row in rows] for rows in data]


def test_a_second_delivery_is_the_same_event_in_another_payload() -> None:
    generator, rows, payloads = read(OPTIONS)
    assert all(len(ids) == len(set(ids)) for ids in payloads)
    times = Counter(row["id"] for row in rows)
    assert set(times.values()) == {1, 2}
    assert sum(one == 2 for one in times.values()) == generator.manifest.duplicates
    assert len({json.dumps(row) for row in rows}) == len(times)


def test_rejects_and_the_fingerprint_are_those_of_the_lines() -> None:
    generator, rows, _ = read(OPTIONS)
    manifest = generator.manifest
    broken = set(manifest.broken_lines)
    good = [line for line in {row["id"]: row["message"] for row in rows}.values() if line not in broken]
    rejected = [cells for cells in (line.split(" ") for line in good) if cells[12] == "REJECT"]
    assert manifest.rejected_ports == Counter(int(cells[6]) for cells in rejected)
    assert manifest.rejected_sources == Counter(cells[3] for cells in rejected)
    total = sum(int.from_bytes(blake2b(line.encode(), digest_size=8).digest()) for line in good)
    assert manifest.fingerprint == total % 2**64
    assert manifest.statuses == Counter(line.rpartition(" ")[2] for line in good)


def _not_a_flow(kind: str, line: str) -> bool:
    cells = line.split(" ")
    if kind in ("too few columns", "garbage"):
        return len(cells) != 14
    if kind == "port 99999":
        return cells[6] == "99999"
    with pytest.raises(ValueError, match="472"):
        ipaddress.ip_address(cells[3])
    return True


def test_there_are_four_kinds_of_broken_lines_and_each_is_broken() -> None:
    generator, rows, _ = read(OPTIONS)
    manifest = generator.manifest
    assert set(manifest.broken) == {"too few columns", "garbage", "port 99999", "bad address"}
    assert all(_not_a_flow(kind, line) for kind, lines in manifest.broken.items() for line in lines)
    assert set(manifest.broken_lines) <= {row["message"] for row in rows}
    said = manifest.to_json()
    assert sum(said["broken"].values()) == len(said["broken_lines"]) == len(manifest.broken_lines)
    assert said["events"] == OPTIONS.events == said["documents"] + len(said["broken_lines"])


@pytest.mark.parametrize("text", ["srcaddr", "version end", "start end action", "srcport end action log-status"])
def test_lines_of_few_columns_are_broken_in_ways_that_show(text: str) -> None:
    names = columns(text)
    generator = Generator(GeneratorOptions(events=2000, columns=names, broken=0.5))
    list(generator.lines())
    for kind, lines in generator.manifest.broken.items():
        assert kind in ("port 99999", "bad address") or {len(one.split(" ")) for one in lines}.isdisjoint({len(names)})
        assert all(lines)


def test_traffic_is_of_many_kinds() -> None:
    generator = Generator(GeneratorOptions(events=5000, columns=FORMATS["v2"], broken=0.0))
    cells = [line.split(" ") for line in generator.lines()]
    assert {row[12] for row in cells} == {"ACCEPT", "REJECT", "-"}
    assert {row[7] for row in cells} == {"6", "17", "1", "58", "-"}
    assert any(":" in row[3] for row in cells)
    assert {row[13] for row in cells} == {"OK", "NODATA", "SKIPDATA"}
    assert len({row[2] for row in cells}) == 12
    # A few peers are seen again and again, most once or twice.
    peers = Counter(row[3] for row in cells if row[12] == "ACCEPT" and not row[3].startswith("10."))
    assert peers.most_common(1)[0][1] > 20 * sorted(peers.values())[len(peers) // 2]
    # A scanner tries many ports, and is let in at none.
    worst = generator.manifest.rejected_sources.most_common(1)[0][0]
    assert len({row[6] for row in cells if row[3] == worst}) > 8
    assert {row[12] for row in cells if row[3] == worst} == {"REJECT"}
    assert all(int(row[10]) < int(row[11]) <= int(row[10]) + 60 for row in cells)
