from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace

import pytest

from vpcflow.errors import ConfigError
from vpcflow.generate import FIELD_NAMES, FORMATS, Generator, GeneratorOptions, columns

OPTIONS = GeneratorOptions(events=3000, columns=FORMATS["v2"], broken=0.01, duplicates=0.05, nodata=0.03)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again = Generator(OPTIONS), Generator(OPTIONS)
    assert list(first.payloads()) == list(again.payloads())
    assert first.manifest.to_json() == again.manifest.to_json()
    assert list(Generator(replace(OPTIONS, seed=8)).payloads()) != list(Generator(OPTIONS).payloads())


def test_the_manifest_is_what_the_lines_say() -> None:
    generator = Generator(OPTIONS)
    payloads = [json.loads(gzip.decompress(one)) for one in generator.payloads()]
    manifest = generator.manifest
    events = [event for one in payloads if one["messageType"] == "DATA_MESSAGE" for event in one["logEvents"]]
    distinct = {event["id"]: event["message"] for event in events}
    assert len(distinct) == OPTIONS.events
    assert len(events) - len(distinct) == manifest.duplicates > 0
    broken = set(manifest.broken_lines)
    good = [message.split(" ") for message in distinct.values() if message not in broken]
    assert len(good) == manifest.documents == OPTIONS.events - len(manifest.broken_lines)
    assert len(manifest.broken_lines) > 0
    assert manifest.without_traffic == sum(cells[-1] != "OK" for cells in good) > 0
    flows = Counter((cells[2], cells[12]) for cells in good if cells[-1] == "OK")
    assert {key: one.flows for key, one in manifest.sums.items()} == flows
    size = Counter[tuple[str, str]]()
    for cells in good:
        if cells[-1] == "OK":
            size[cells[2], cells[12]] += int(cells[9])
    assert {key: one.bytes for key, one in manifest.sums.items()} == size
    assert sum(one["messageType"] == "CONTROL_MESSAGE" for one in payloads) == manifest.control_messages == 1


def test_a_payload_holds_one_log_stream_and_its_times_are_the_starts() -> None:
    for packed in Generator(OPTIONS).payloads():
        payload = json.loads(gzip.decompress(packed))
        for event in payload["logEvents"]:
            cells = event["message"].split(" ")
            if payload["messageType"] == "DATA_MESSAGE" and len(cells) == 14 and cells[2].startswith("eni-"):
                assert payload["logStream"] == f"{cells[2]}-all"
                assert event["timestamp"] == int(cells[10]) * 1000
                assert len(event["id"]) == 56


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_line_of_a_format_has_its_columns(name: str) -> None:
    options = replace(OPTIONS, columns=FORMATS[name], events=300, broken=0.0)
    assert {len(one.split(" ")) for one in Generator(options).lines()} == {len(FORMATS[name])}


def test_every_field_can_be_a_column() -> None:
    options = replace(OPTIONS, columns=tuple(sorted(FIELD_NAMES)), events=50, broken=0.0)
    assert {len(one.split(" ")) for one in Generator(options).lines()} == {len(FIELD_NAMES)}


def test_the_version_is_the_highest_among_the_columns() -> None:
    options = replace(OPTIONS, columns=("version", "srcaddr", "encryption-status"), events=20, broken=0.0)
    assert {one.split(" ")[0] for one in Generator(options).lines()} == {"10"}


def test_s3_files_begin_with_a_header_and_lie_where_aws_puts_them() -> None:
    files = list(Generator(replace(OPTIONS, events=250)).s3_files(lines_each=100))
    assert len(files) == 3
    for key, packed in files:
        assert key.startswith("AWSLogs/123456789012/vpcflowlogs/eu-central-1/2025/10/")
        assert key.endswith(".log.gz")
        assert gzip.decompress(packed).startswith(b"version account-id interface-id ")


def test_formats_are_read_as_aws_prints_them() -> None:
    assert columns("${version} ${account-id}") == columns("version account-id") == ("version", "account-id")
    with pytest.raises(ConfigError, match="srcadr"):
        columns("version srcadr")
