"""Things that can never be forwarded: each is one dead letter with its reason, and holds nothing up."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.asynchronous import Invoker
from tests.eventsources.emulator.function import in_process
from tests.eventsources.emulator.kinesis import KinesisMapping
from tests.eventsources.emulator.stream import Stream
from tests.eventsources.engine import MemoryEngine
from tests.eventsources.flows import letters, notification, our_handler, put, subscription
from tests.eventsources.queueing import queued
from tests.eventsources.scene import clock
from tests.firehose.flows import generator, lines_of, originals

MORE = "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/09/21/more_vpcflowlogs_"


def test_messages(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made = generator(events=300)
    notices = put(s3, made.s3_files(lines_each=100))
    poison = [
        "{",
        "[]",
        json.dumps({"Records": []}),
        json.dumps({"Records": [{"s3": {}}]}),
        json.dumps({"vpcflow.continue": {"version": 1}}),
        json.dumps({"Type": "Notification", "Message": "no JSON"}),
        notification(f"{MORE}gone.log.gz", "0" * 32),
    ]
    with queued(cluster.environ) as there:
        there.send(*(body for pair in zip(poison, [*notices, *poison], strict=False) for body in pair))
        there.times.drain()
        assert there.is_clean()
    cluster.prove(made.manifest)
    kept = letters(s3)
    assert len(kept) >= len(poison)
    assert all(letter.message and letter.raw for letter in kept)


def test_objects_that_end_in_the_midst(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    """Every whole line before the damage is there; the rest is kept."""
    made = generator(events=2000)
    ((_, body),) = made.s3_files(lines_each=2000)
    lines = gzip.decompress(body).splitlines()[1:]
    cut = body[: len(body) * 3 // 4]
    with queued(cluster.environ) as there:
        there.send(*put(s3, [(f"{MORE}cut.log.gz", cut)]))
        there.times.drain()
        assert there.is_clean()
    came = [line.encode() for line in cluster.lines()]
    assert 0 < len(came) < len(lines)
    assert came == lines[: len(came)]
    assert len(letters(s3)) == 1


def test_records_of_a_stream(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    """A truncated gzip costs itself; nothing of the batch is tried again."""
    made, time = generator(events=500, payload_events=50), clock()
    stream = Stream("flows", time)
    mapping = KinesisMapping(
        stream, in_process(our_handler(time, cluster.environ), time, timeout=300), record_age=82_800
    )
    payloads = list(made.payloads())
    bad = payloads[4][:-100]
    for payload in [*payloads[:3], bad, b"", b"\x00\xff", b"\xf3\x89\x9a\xc2 no aggregate", *payloads[3:]]:
        stream.put(payload)
    Times(time, mapping).drain()
    assert len(mapping.done) == len(stream)
    assert len(mapping.calls) == 1
    lost = set(lines_of(payloads[4]))
    assert lost <= set(cluster.lines())
    cluster.prove(made.manifest)
    raw = [letter.raw for letter in letters(s3)]
    assert bad in raw
    assert b"\x00\xff" in raw


def test_subscription_events(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made, time = generator(events=200, payload_events=50), clock()
    invoker = Invoker(in_process(our_handler(time, cluster.environ), time), time)
    payloads = list(made.payloads())
    events = [subscription(payload) for payload in payloads]
    events += [subscription(payloads[0][:-50]), {"awslogs": {"data": "no base64!"}}, subscription(b"no gzip")]
    for event in events:
        invoker.invoke(event)
    Times(time, invoker).drain()
    assert (len(invoker.done), len(invoker.lost), len(invoker.calls)) == (len(events), 0, len(events))
    assert len(letters(s3)) >= 3
    assert sorted(originals(cluster.documents())) == sorted(set(cluster.lines()))
    cluster.prove(made.manifest)
