"""The mode `document`: one JSON document for each record, by splitting and re-ingestion, and that it comes to an end."""

from __future__ import annotations

import gzip
import json
import uuid
from typing import Any

import pytest
import urllib3

from tests.firehose.emulator.api import serving
from tests.firehose.emulator.invocation import in_process
from tests.firehose.emulator.opensearch import FAILED, MemoryCluster, OpenSearchDestination, RealCluster
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.flows import Handler, generator, heap, lines_of, originals, our_handler
from tests.firehose.scene import clock, failed, raw
from vpcflow.clock import FakeClock
from vpcflow.stack import Stack

LINE = "2 123456789012 eni-0a1b2c3d 10.0.0.1 10.0.0.2 1234 443 6 10 {n} 1789999000 1789999060 ACCEPT OK"


def streaming(
    handler: Handler, time: FakeClock, destination: OpenSearchDestination, *, kinesis: str = ""
) -> DeliveryStream:
    return DeliveryStream(
        "flows",
        destination,
        clock=time,
        processing=Processing(invoke=in_process(handler, time), seconds=1),
        error_prefix="errors/!{firehose:error-output-type}/",
        kinesis=kinesis,
    )


def run(stream: DeliveryStream, records: list[bytes], aws: pytest.MonkeyPatch) -> list[str]:
    """Put the records, let the stream come to rest, and return the calls that were made back to it."""
    stream.most = 1000
    with serving(stream) as api:
        aws.setenv("AWS_ENDPOINT_URL_FIREHOSE", api.url)
        aws.setenv("AWS_ENDPOINT_URL_KINESIS", api.url)
        for record in records:
            if stream._kinesis:
                stream.put_records([(record, "key")])
            else:
                stream.put_record_batch([record])
        stream.drain(hours=1)
    return api.calls


@pytest.mark.parametrize("kinesis", ["", "source"], ids=["direct put", "kinesis"])
def test_each_event_becomes_one_document(kinesis: str, aws: pytest.MonkeyPatch) -> None:
    made, time, cluster = generator(events=600, payload_events=100), clock(), MemoryCluster()
    handler = our_handler(time, mode="document")
    stream = streaming(handler, time, OpenSearchDestination(cluster, "flows", seconds=0), kinesis=kinesis)
    calls = run(stream, list(made.payloads()), aws)
    assert calls
    lines = originals(list(cluster.documents.values()))
    assert (len(lines), heap(lines)) == (made.manifest.documents, made.manifest.fingerprint)
    assert failed(stream) == failed(stream, FAILED) == []


def test_a_record_with_one_event_does_not_go_round(aws: pytest.MonkeyPatch) -> None:
    time, cluster = clock(), MemoryCluster()
    stream = streaming(our_handler(time, mode="document"), time, OpenSearchDestination(cluster, "flows", seconds=0))
    assert run(stream, [LINE.format(n=n).encode() for n in range(5)], aws) == []
    assert len(cluster.documents) == 5


def test_documents_of_one_event_are_told_by_event_id_where_firehose_gives_the_ids(aws: pytest.MonkeyPatch) -> None:
    """Firehose's ids are its own: what CloudWatch delivers twice is there twice, but is known by `event.id`."""
    made, time, cluster = generator(events=200, payload_events=50, duplicates=0.2), clock(), MemoryCluster()
    stream = streaming(our_handler(time, mode="document"), time, OpenSearchDestination(cluster, "flows", seconds=0))
    run(stream, list(made.payloads()), aws)
    documents = list(cluster.documents.values())
    assert made.manifest.duplicates
    assert len(documents) == made.manifest.documents + made.manifest.duplicates
    by_id = {document["event"]["id"]: document for document in documents}
    assert heap(originals(by_id.values())) == made.manifest.fingerprint


def test_without_reingestion_the_record_is_kept_whole(aws: pytest.MonkeyPatch) -> None:
    made, time, cluster = generator(events=100, payload_events=50), clock(), MemoryCluster()
    handler = our_handler(time, mode="document", reingest="off")
    stream = streaming(handler, time, OpenSearchDestination(cluster, "flows", seconds=0))
    assert run(stream, list(made.payloads()), aws) == []
    kept = [line for entry in failed(stream) for line in lines_of(raw(entry))]
    assert heap([*kept, *originals(cluster.documents.values())]) == made.manifest.fingerprint


MARKS: list[object] = [
    {"hops": 1},
    {"hops": 3},
    {"hops": 10**30},
    {"hops": 0},
    {"hops": -1},
    {"hops": True},
    {"hops": "1"},
    {"hops": None},
    {"hops": 1, "arrival_ms": -1},
    {"hops": 1, "occurrences": {"x": 0}},
    {},
    [],
    7,
    None,
]


@pytest.mark.parametrize("mark", MARKS, ids=json.dumps)
def test_a_forged_mark_ends_within_its_rounds_and_loses_nothing(mark: object, aws: pytest.MonkeyPatch) -> None:
    """Whatever a record says about itself: at most `max_hops` rounds, and each line is a document or in the error prefix."""
    time, cluster = clock(), MemoryCluster()
    lines = [LINE.format(n=n) for n in range(4)]
    events = [{"id": str(n), "timestamp": 1, "message": line} for n, line in enumerate(lines)]
    payload = {
        "vpcflow": mark, "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "g", "logStream": "s",
        "logEvents": events,
    }  # fmt: skip
    stream = streaming(our_handler(time, mode="document"), time, OpenSearchDestination(cluster, "flows", seconds=0))
    calls = run(stream, [gzip.compress(json.dumps(payload).encode())], aws)
    assert len(calls) <= 3
    kept = [line for entry in failed(stream) for line in lines_of(raw(entry))]
    assert sorted([*kept, *originals(cluster.documents.values())]) == sorted(lines)


def test_a_part_that_always_comes_back_too_large_ends_in_the_error_prefix(aws: pytest.MonkeyPatch) -> None:
    """A loop attempt: a peer puts each part back with a second event in it, under the same mark, so that none ever fits."""
    time, cluster = clock(), MemoryCluster()
    handler = our_handler(time, mode="document", max_hops=5)
    stream = streaming(handler, time, OpenSearchDestination(cluster, "flows", seconds=0))
    accept = stream._put

    def swollen(index: int, data: bytes, partition_key: str | None) -> dict[str, Any]:
        payload = json.loads(gzip.decompress(data))
        event = payload["logEvents"][0]
        payload["logEvents"] = [event, {**event, "id": event["id"] + "x"}]
        return accept(index, gzip.compress(json.dumps(payload).encode()), partition_key)

    stream._put = swollen  # type: ignore[method-assign]
    start = {
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "g", "logStream": "s",
        "logEvents": [{"id": "1", "timestamp": 1, "message": LINE.format(n=1)}],
    }  # fmt: skip
    calls = run(stream, [gzip.compress(json.dumps(start).encode())], aws)
    assert 5 <= len(calls) <= 2**6
    assert cluster.documents == {}
    assert {line for entry in failed(stream) for line in lines_of(raw(entry))} == {LINE.format(n=1)}
    hops = {json.loads(gzip.decompress(raw(entry)))["vpcflow"]["hops"] for entry in failed(stream)}
    assert hops == {5}


@pytest.mark.stack
def test_each_event_becomes_one_document_in_a_real_engine(stack_opensearch: Stack, aws: pytest.MonkeyPatch) -> None:
    made, time = generator(events=600, payload_events=100), clock()
    index = f"firehose-{uuid.uuid4().hex}"
    destination = OpenSearchDestination(
        RealCluster(stack_opensearch.engine_url), index, seconds=0, rotation="NoRotation"
    )
    stream = streaming(our_handler(time, mode="document"), time, destination)
    run(stream, list(made.payloads()), aws)
    assert failed(stream) == failed(stream, FAILED) == []
    http = urllib3.PoolManager(retries=False, timeout=60)
    http.request("POST", f"{stack_opensearch.engine_url}/{index}/_refresh")
    found = http.request("GET", f"{stack_opensearch.engine_url}/{index}/_search?size=10000")
    lines = originals([hit["_source"] for hit in found.json()["hits"]["hits"]])
    http.request("DELETE", f"{stack_opensearch.engine_url}/{index}")
    http.clear()
    assert (len(lines), heap(lines)) == (made.manifest.documents, made.manifest.fingerprint)
