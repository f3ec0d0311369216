"""From CloudWatch Logs through the stream and our transformation into S3: each planted event is there once."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.firehose.emulator.api import serving
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.invocation import in_process, in_runtime
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.flows import batches, generator, heap, lines_of, originals, our_handler
from tests.firehose.scene import clock, delivered, failed, raw, transformed
from tests.runtime.function import Function
from vpcflow.generate.manifest import Manifest


def documents(stream: DeliveryStream) -> list[dict[str, Any]]:
    return [json.loads(line) for line in delivered(stream).splitlines()]


def prove(manifest: Manifest, found: list[dict[str, Any]]) -> None:
    lines = originals(found)
    assert len(lines) == manifest.documents
    assert heap(lines) == manifest.fingerprint


@pytest.mark.parametrize("payloads", [25, 700], ids=["small payloads", "large payloads"])
def test_each_planted_event_is_in_s3_once(payloads: int) -> None:
    made, time = generator(payload_events=payloads), clock()
    stream = transformed(our_handler(time), time=time, seconds=60, megabytes=0.2)
    for batch in batches(made.payloads()):
        stream.put_record_batch(batch)
        stream.run_for(20)
    stream.drain()
    prove(made.manifest, documents(stream))
    assert len(stream.processor.dropped) == made.manifest.control_messages
    assert failed(stream) == []


def test_each_planted_event_is_in_s3_once_by_the_runtime_client() -> None:
    made, time = generator(), clock()
    environ = {"VPCFLOW_DOCUMENT__EVENT_ORIGINAL": "true"}
    with Function("firehose_transform.handler.handler", environ, timeout=60) as function:
        stream = transformed(our_handler(time), time=time)
        stream.processor._settings = Processing(invoke=in_runtime(function), seconds=0)
        for batch in batches(made.payloads()):
            stream.put_record_batch(batch)
            stream.run_for(1)
        stream.drain()
        assert function.cold_starts == 1
    prove(made.manifest, documents(stream))


def test_wrong_settings_cost_no_record() -> None:
    """Every call fails, each batch is in the error prefix, and the function says why in its log."""
    made, time = generator(events=100), clock()
    with Function("firehose_transform.handler.handler", {"VPCFLOW_FIREHOSE__MODE": "sideways"}) as function:
        stream = transformed(our_handler(time), time=time)
        stream.processor._settings = Processing(invoke=in_runtime(function), seconds=0)
        stream.put_record_batch(list(made.payloads()))
        stream.drain()
        assert "firehose.mode" in str(function.invoke({"records": []}).value["errorMessage"])
    lines = [line for entry in failed(stream) for line in lines_of(raw(entry))]
    assert heap(lines) == made.manifest.fingerprint
    assert {entry["attemptsMade"] for entry in failed(stream)} == {4}


def test_a_bad_line_costs_its_record_which_is_kept_whole() -> None:
    made, time = generator(broken=0.004), clock()
    stream = transformed(our_handler(time), time=time)
    for batch in batches(made.payloads()):
        stream.put_record_batch(batch)
    stream.drain()
    good = originals(documents(stream))
    kept = [line for entry in failed(stream) for line in lines_of(raw(entry))]
    assert made.manifest.broken_lines
    assert set(made.manifest.broken_lines) <= set(kept)
    assert len(good) + len(kept) == made.manifest.documents + len(made.manifest.broken_lines)
    assert heap([*good, *kept]) == (made.manifest.fingerprint + heap(made.manifest.broken_lines)) % 2**64
    assert all(any(line in made.manifest.broken_lines for line in lines_of(raw(entry))) for entry in failed(stream))


@pytest.mark.parametrize("extraction", [False, True])
def test_behind_firehoses_own_decompression(*, extraction: bool) -> None:
    made, time = generator(), clock()
    handler = our_handler(time, decompression="true")
    stream = transformed(handler, time=time, decompression=True, message_extraction=extraction)
    for batch in batches(made.payloads()):
        stream.put_record_batch(batch, from_logs=True)
    stream.drain()
    prove(made.manifest, documents(stream))
    if extraction:  # the text of a control message is no flow: kept, not lost and not indexed
        (entry,) = failed(stream)
        assert json.loads(gzip.decompress(raw(entry)))["messageType"] == "CONTROL_MESSAGE"
    else:
        assert failed(stream) == []


@pytest.mark.parametrize("source", ["", "logs-stream"], ids=["direct put", "kinesis"])
def test_what_has_no_room_goes_round_and_comes_out_once(source: str, aws: pytest.MonkeyPatch) -> None:
    """Records that give more documents than a reply has room for: the rest is put into the stream in parts."""
    made, time = generator(events=9000, payload_events=3000, interfaces=1), clock()
    stream = transformed(our_handler(time), time=time, seconds=60, megabytes=3, kinesis=source)
    with serving(stream) as api:
        aws.setenv("AWS_ENDPOINT_URL_FIREHOSE", api.url)
        aws.setenv("AWS_ENDPOINT_URL_KINESIS", api.url)
        for record in made.payloads():
            if source:
                stream.put_records([(record, "a key")])
            else:
                stream.put_record_batch([record])
        stream.drain()
    assert set(api.calls) == {"PutRecords" if source else "PutRecordBatch"}
    prove(made.manifest, documents(stream))
    assert failed(stream) == []
    if source:
        assert {record.kinesis.partition_key for record in stream.accepted if record.kinesis} == {"a key"}


def test_one_round_is_enough_when_firehose_gathers_more_than_its_hint_says(aws: pytest.MonkeyPatch) -> None:
    """*Assumed* of AWS: a record more. Parts are heavy enough for that, too: none of them goes round again."""
    made, time = generator(events=9000, payload_events=3000, interfaces=1), clock()
    stream = transformed(our_handler(time, max_hops=1), time=time, seconds=60, megabytes=3, overshoot=True)
    with serving(stream) as api:
        aws.setenv("AWS_ENDPOINT_URL_FIREHOSE", api.url)
        for record in made.payloads():
            stream.put_record_batch([record])
        stream.drain()
    assert failed(stream) == []
    prove(made.manifest, documents(stream))


def test_a_stream_that_pushes_back_while_records_go_round_loses_nothing(aws: pytest.MonkeyPatch) -> None:
    """Every third part is throttled; those alone are sent again."""
    made, time = generator(events=7000, payload_events=7000, interfaces=1), clock()
    stream = transformed(our_handler(time), time=time)
    with serving(stream) as api:
        aws.setenv("AWS_ENDPOINT_URL_FIREHOSE", api.url)
        for record in made.payloads():
            stream.put_record_batch([record])
        counted = iter(range(10**9))
        stream.throttled = lambda _index: next(counted) % 3 == 0
        stream.drain()
    assert len(api.calls) > 1
    prove(made.manifest, documents(stream))


def test_a_stream_that_takes_nothing_back_leaves_the_record_in_the_error_prefix(aws: pytest.MonkeyPatch) -> None:
    made, time = generator(events=7000, payload_events=7000, interfaces=1), clock()
    stream = transformed(our_handler(time), time=time)
    with serving(stream) as api:
        aws.setenv("AWS_ENDPOINT_URL_FIREHOSE", api.url)
        for record in made.payloads():
            stream.put_record_batch([record])
        stream.throttled = lambda _index: True
        stream.drain()
    (entry,) = failed(stream)
    assert heap(lines_of(raw(entry))) == made.manifest.fingerprint
    assert documents(stream) == []


def test_partition_keys_name_the_folder() -> None:
    made, time = generator(), clock()
    handler = our_handler(time, partition_keys='["account", "region"]')
    stream = DeliveryStream(
        "flows",
        S3Destination(partitioned=True),
        clock=time,
        processing=Processing(invoke=in_process(handler, time), seconds=0),
        prefix="out/!{partitionKeyFromLambda:account}/!{partitionKeyFromLambda:region}/",
        error_prefix="errors/!{firehose:error-output-type}/",
    )
    for batch in batches(made.payloads()):
        stream.put_record_batch(batch)
    stream.drain()
    prove(made.manifest, documents(stream))
    assert {key.rsplit("/", 1)[0][:27] for key in stream.bucket.objects} == {"out/123456789012/us-east-1/"}
