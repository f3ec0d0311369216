"""What a template sets up, run through the emulated Firehose of tests/firehose: prefixes, partitions, settings."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.deploy.cases import CODE, FLOWS, GROUP
from tests.deploy.emulated import emulated
from tests.deploy.template import Stack, template
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.flows import batches, generator, heap, lines_of, originals
from vpcflow.replay.firehose import firehose_letter


def documents(stream: DeliveryStream) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(stream.bucket.below("documents/")).splitlines()]


@pytest.mark.parametrize(
    ("choice", "folder"),
    [
        ("none", r"\d{4}/\d\d/\d\d/\d\d/"),
        ("account", r"account=123456789012/\d{4}/\d\d/\d\d/\d\d/"),
        ("account-region", r"account=123456789012/region=us-east-1/\d{4}/\d\d/\d\d/\d\d/"),
    ],
)
def test_a_log_group_comes_into_its_folders(choice: str, folder: str) -> None:
    made = generator(payload_events=25)
    stream = emulated(Stack(template("to-s3"), {**CODE, **GROUP, "PartitionBy": choice}))
    for batch in batches(made.payloads()):
        stream.put_record_batch(batch, from_logs=True)
    stream.drain()
    assert heap(originals(documents(stream))) == made.manifest.fingerprint
    assert all(re.fullmatch(f"documents/{folder}[^/]+", key) for key in stream.bucket.objects)


def test_a_flow_log_comes_into_folders_by_date() -> None:
    made = generator(events=500)
    stream = emulated(Stack(template("to-s3"), {**CODE, **FLOWS, "PartitionBy": "account-region-date"}))
    records = [json.dumps({"message": line}).encode() for payload in made.payloads() for line in lines_of(payload)]
    for batch in batches(records):
        stream.put_record_batch(batch)
    stream.drain()
    found = documents(stream)
    assert heap(originals(found)) == made.manifest.fingerprint
    dates = {document["@timestamp"][:10] for document in found}
    folders = {re.sub(r"/\d\d/[^/]+$", "", key) for key in stream.bucket.objects}
    assert folders == {f"documents/account=123456789012/region=us-east-1/date={date}" for date in dates}


def test_what_fails_is_where_the_replay_reads_it() -> None:
    made = generator(events=200, broken=0.05)
    stream = emulated(Stack(template("to-s3"), {**CODE, **FLOWS, "BadLines": "fail_record"}))
    records = [json.dumps({"message": line}).encode() for payload in made.payloads() for line in lines_of(payload)]
    for batch in batches(records):
        stream.put_record_batch(batch)
    stream.drain()
    (key,) = [key for key in stream.bucket.objects if key.startswith("errors/")]
    entries = stream.bucket.entries("errors/")
    assert entries
    assert len(entries) + len(documents(stream)) == len(records)
    assert {firehose_letter(entry, f"s3://bucket/{key}", arn=stream.arn).reason for entry in entries} == {
        "processing-failed"
    }
