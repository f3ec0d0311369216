"""Modes, sizes and rounds by chance: whatever is put in, replies keep to the contract and each line comes out or is kept."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.firehose.emulator.api import serving
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.invocation import in_process
from tests.firehose.emulator.opensearch import FAILED, MemoryCluster, OpenSearchDestination
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.flows import Handler, check_reply, lines_of, originals, our_handler
from tests.firehose.scene import START_MS, clock, delivered, failed, raw
from tests.runtime.function import Function

MODES = ("documents", "bulk", "document")
_NUMBERS = count()

# What a record may be: how many flows, and in which wrapping.
KINDS = ("logs", "logs plain", "lines", "message", "header", "control", "garbage", "bad gzip", "empty", "unicode")


def flow(number: int) -> str:
    return f"2 123456789012 eni-0a1b2c3d 10.0.0.1 10.0.0.2 1234 443 6 10 {number} 1789999000 1789999060 ACCEPT OK"


def made(kind: str, flows: int) -> tuple[bytes, list[str]]:  # noqa: PLR0911 - a table
    """Return a record, and the lines in it that are flows, each different from all others."""
    lines = [flow(next(_NUMBERS)) for _ in range(flows)]
    group = "g\u00e4\U0001f4a7" if kind == "unicode" else "g"
    events = [{"id": f"{number}-{line}", "timestamp": 1, "message": line} for number, line in enumerate(lines)]
    payload = {
        "messageType": "CONTROL_MESSAGE" if kind == "control" else "DATA_MESSAGE", "owner": "123456789012",
        "logGroup": group, "logStream": "s", "subscriptionFilters": ["f"], "logEvents": events,
    }  # fmt: skip
    text = json.dumps(payload, ensure_ascii=False).encode()
    match kind:
        case "logs" | "unicode":
            return gzip.compress(text, 6), lines
        case "logs plain":
            return text, lines
        case "lines" | "header":
            first = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
            head = [first + "action log-status"] if kind == "header" else []
            return "\n".join([*head, *lines]).encode(), lines
        case "message":
            return json.dumps({"message": "\n".join(lines)}).encode(), lines
        case "control":
            return gzip.compress(text, 6), []
        case "garbage":
            return f"?? {next(_NUMBERS)} ??".encode(), []
        case "bad gzip":
            return gzip.compress(text, 6)[:-9], []
        case _:
            return b"", []


records = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 30)), min_size=1, max_size=12)


def checked(handler: Handler, mode: str, limit: int) -> Handler:
    """Return the handler with a judge behind it: each of its replies is checked."""

    def call(event: dict[str, Any], context: object) -> object:
        reply = handler(event, context)
        check_reply(event, reply, mode=mode, limit=limit)
        return reply

    return call


@pytest.fixture(scope="module")
def credentials() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        yield patch


def found_in(stream: DeliveryStream, cluster: MemoryCluster | None, mode: str) -> list[str]:
    """Return the lines of all documents that were delivered."""
    if cluster is not None:
        return originals(cluster.documents.values())
    rows = [json.loads(line) for line in delivered(stream).splitlines()]
    return originals(rows[1::2] if mode == "bulk" else rows)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    put=records,
    mode=st.sampled_from(MODES),
    kinesis=st.sampled_from(["", "source"]),
    reingest=st.sampled_from(["auto", "off"]),
    throttle=st.integers(0, 3),
    seconds=st.sampled_from([0, 1, 60]),
)
def test_each_line_is_delivered_once_or_kept(
    credentials: pytest.MonkeyPatch,
    put: list[tuple[str, int]],
    mode: str,
    kinesis: str,
    reingest: str,
    throttle: int,
    seconds: int,
) -> None:
    """Of a record with no bad line: each flow is one document, or its record is in the error prefix; never both."""
    time = clock()
    cluster = MemoryCluster() if mode == "document" else None
    handler = checked(our_handler(time, mode=mode, reingest=reingest), mode, 5_000_000)
    destination = S3Destination(seconds=60) if cluster is None else OpenSearchDestination(cluster, "flows", seconds=0)
    stream = DeliveryStream(
        "flows",
        destination,
        clock=time,
        processing=Processing(invoke=in_process(handler, time), seconds=seconds, megabytes=0.2),
        prefix="out/",
        error_prefix="errors/!{firehose:error-output-type}/",
        kinesis=kinesis,
    )
    wanted: Counter[str] = Counter()
    with serving(stream) as api:
        credentials.setenv("AWS_ENDPOINT_URL_FIREHOSE", api.url)
        credentials.setenv("AWS_ENDPOINT_URL_KINESIS", api.url)
        for kind, flows in put:
            data, lines = made(kind, flows)
            wanted.update(lines)
            if kinesis:
                stream.put_records([(data, "key")])
            else:
                stream.put_record_batch([data])
        calls = count()
        stream.throttled = lambda _index: bool(throttle) and next(calls) % (throttle + 1) == 0
        stream.drain(hours=1)
    out = Counter(found_in(stream, cluster, mode))
    kept = Counter(line for entry in failed(stream) for line in flows_of(raw(entry)))
    assert failed(stream, FAILED) == []
    assert out + kept == wanted


def flows_of(record: bytes) -> list[str]:
    """Return the flows in a kept record; what is broken on purpose has none."""
    try:
        return [line for line in lines_of(record) if line.startswith("2 ")]
    except UnicodeDecodeError:
        return []


def event_of(data: Iterable[bytes]) -> dict[str, Any]:
    """Return an event with these records."""
    rows = [
        {
            "recordId": f"id-{number}",
            "approximateArrivalTimestamp": START_MS,
            "data": base64.b64encode(one).decode(),
        }
        for number, one in enumerate(data)
    ]
    return {"invocationId": "i", "deliveryStreamArn": "arn:aws:firehose:us-east-1:1:deliverystream/d", "records": rows}


@settings(max_examples=20, deadline=None)
@given(put=records, mode=st.sampled_from(MODES), limit=st.integers(0, 60_000))
def test_a_reply_never_exceeds_its_limit(put: list[tuple[str, int]], mode: str, limit: int) -> None:
    """Room for the records as they came, and by chance a little more: what has no room fails whole, in its place."""
    ballast = b"x" * 3_200_000  # no flow log; a reply may not be bounded to less than it takes
    event = event_of([ballast, *(made(*one)[0] for one in put)])
    rows = event["records"]
    least = len(json.dumps({"records": [{**row, "result": "ProcessingFailed"} for row in rows]}))
    handler = our_handler(clock(), mode=mode, reingest="off", max_reply_bytes=least + limit)
    check_reply(event, handler(event, None), mode=mode, limit=least + limit)


def test_each_mode_answers_alike_in_the_runtime_client() -> None:
    """The process that AWS runs gives the same reply as the call in this one, byte for byte."""
    event = event_of(made(kind, 3)[0] for kind in KINDS)
    for mode in MODES:
        environ = {"VPCFLOW_FIREHOSE__MODE": mode, "VPCFLOW_FIREHOSE__REINGEST": "off"}
        environ |= {"VPCFLOW_DOCUMENT__EVENT_ORIGINAL": "true"}
        with Function("firehose_transform.handler.handler", environ, timeout=30) as function:
            there = function.invoke(event)
        assert not there.failed
        here = our_handler(clock(), mode=mode, reingest="off")(event, None)
        assert there.value == here
        assert len(there.payload) <= len(json.dumps(here)), "the reply was measured with another serializer"
