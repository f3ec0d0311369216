"""The cluster is away for six hours of simulated time; the settings are those of the templates.

Nothing is lost, nothing is there twice, and nothing is where an operator would have to fetch it, where that is promised.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from tests.e2e.conftest import Gate
from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.api import serving
from tests.eventsources.emulator.asynchronous import Invoker
from tests.eventsources.emulator.destinations import S3Bucket
from tests.eventsources.emulator.function import in_process
from tests.eventsources.emulator.kinesis import KinesisMapping
from tests.eventsources.emulator.queue import Queue, Redrive
from tests.eventsources.emulator.sqs import SqsMapping
from tests.eventsources.emulator.stream import Stream
from tests.eventsources.engine import MemoryEngine
from tests.eventsources.flows import keys, letters, our_handler, put, subscription
from tests.eventsources.numbers import (
    EVENT_AGE,
    HOUR,
    LOGS_TIMEOUT,
    QUEUE_BATCH,
    QUEUE_RETENTION,
    QUEUE_TIMEOUT,
    RECEIVES,
    RETRIES,
    STREAM_BATCH,
    STREAM_RETENTION_HOURS,
    STREAM_TIMEOUT,
    STREAM_WINDOW,
    VISIBILITY,
    record_age,
)
from tests.eventsources.queueing import queued
from tests.eventsources.scene import clock
from tests.firehose.flows import generator
from tests.firehose.replaying import replayed

OUTAGE_SECONDS = 6 * HOUR


def test_objects_through_a_queue(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made, time = generator(events=3000), clock()
    notices = put(s3, made.s3_files(lines_each=100))
    dead = Queue("dead", time, retention=QUEUE_RETENTION)
    queue = Queue("objects", time, visibility=VISIBILITY, retention=QUEUE_RETENTION, redrive=Redrive(dead, RECEIVES))
    with serving(queue) as sqs:
        handler = our_handler(time, {**cluster.environ, "VPCFLOW_FORWARDER__SQS_ENDPOINT": sqs.url})
        mapping = SqsMapping(queue, in_process(handler, time, timeout=QUEUE_TIMEOUT), batch_size=QUEUE_BATCH)
        times = Times(time, mapping)
        for body in notices[:5]:
            queue.send(body)
            times.run_for(300)
        before = len(cluster.documents())
        assert before == 500

        cluster.away = True
        for body in notices[5:25]:
            queue.send(body)
            times.run_for(OUTAGE_SECONDS / 20)
        assert len(cluster.documents()) == before
        assert len(queue) == 20

        cluster.away = False
        for body in notices[25:]:
            queue.send(body)
            times.run_for(300)
        times.drain()
    cluster.prove(made.manifest)
    assert (len(queue), len(dead), queue.expired, letters(s3)) == (0, 0, [], [])
    assert all(call.explicit for call in mapping.calls)
    assert 12 <= max(message.receives for message in queue.deleted) <= 13


def test_a_bucket_that_is_away(cluster: MemoryEngine, s3: Any, aws_url: str) -> None:  # noqa: ANN401
    """S3 is not reached for six hours: objects are read late, and none is taken for deleted."""
    made = generator(events=1000)
    notices = put(s3, made.s3_files(lines_each=100))
    gate = Gate(aws_url)
    environ = {**cluster.environ, "VPCFLOW_OBJECTS__S3_ENDPOINT": gate.url}
    with queued(environ) as there:
        there.send(*notices)
        there.times.run_for(OUTAGE_SECONDS)
        assert (len(cluster.documents()), len(there.queue)) == (0, len(notices))
        gate.open()
        there.times.drain()
        assert there.is_clean()
    gate.shut()
    cluster.prove(made.manifest)
    assert letters(s3) == []


def test_records_of_a_stream(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made, time = generator(events=3000, payload_events=50), clock()
    stream, failed = Stream("flows", time, shards=2, retention_hours=STREAM_RETENTION_HOURS), S3Bucket(s3, "failed")
    mapping = KinesisMapping(
        stream,
        in_process(our_handler(time, cluster.environ), time, timeout=STREAM_TIMEOUT),
        batch_size=STREAM_BATCH,
        window=STREAM_WINDOW,
        retries=-1,
        record_age=record_age(STREAM_RETENTION_HOURS),
        on_failure=failed,
    )
    times, payloads = Times(time, mapping), enumerate(made.payloads())
    for number, payload in islice(payloads, 10):
        stream.put(payload, str(number))
        times.run_for(60)
    before = len(cluster.documents())
    assert before > 0

    cluster.away = True
    for number, payload in islice(payloads, 40):
        stream.put(payload, str(number))
        times.run_for(OUTAGE_SECONDS / 40)
    assert len(cluster.documents()) == before

    cluster.away = False
    for number, payload in payloads:
        stream.put(payload, str(number))
        times.run_for(60)
    times.drain()
    cluster.prove(made.manifest)
    assert (mapping.lost, failed.keys, letters(s3)) == ([], [], [])
    assert len(mapping.done) == len(stream)


def test_log_events_of_a_subscription(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    """What comes in the outage ends in S3, and `vpcflow replay` brings it back; twice adds nothing."""
    made, time = generator(events=3000, payload_events=50), clock()
    failed = S3Bucket(s3, "failed")
    handler = our_handler(time, cluster.environ)
    invoker = Invoker(
        in_process(handler, time, timeout=LOGS_TIMEOUT),
        time,
        retries=RETRIES,
        event_age=EVENT_AGE,
        on_failure=failed,
        twice=0.1,
    )
    times, payloads = Times(time, invoker), made.payloads()
    for payload in islice(payloads, 10):
        invoker.invoke(subscription(payload))
        times.run_for(60)

    cluster.away = True
    sent = 0
    for payload in islice(payloads, 40):
        invoker.invoke(subscription(payload))
        sent += 1
        times.run_for(OUTAGE_SECONDS / 40)
    assert 0 < len(failed.keys) <= sent

    cluster.away = False
    for payload in payloads:
        invoker.invoke(subscription(payload))
        times.run_for(60)
    times.drain()
    assert (invoker.lost, letters(s3)) == ([], [])
    there = len(cluster.documents())
    assert 0 < there < made.manifest.documents

    where = "s3://failed/aws/lambda/async/"
    assert replayed(where, cluster.environ) == 0
    cluster.prove(made.manifest)
    assert len(keys(s3, "failed")) == len(failed.keys)
    assert replayed(where, cluster.environ) == 0
    cluster.prove(made.manifest)


@pytest.mark.parametrize(
    "as_text",
    [pytest.param(True, id="payload as text"), pytest.param(False, id="payload as an object", marks=pytest.mark.slow)],
)
def test_a_stream_that_is_away_for_longer_than_its_record_age(cluster: MemoryEngine, s3: Any, as_text: bool) -> None:  # noqa: ANN401, FBT001
    """What is given up is in S3 with its payload; `vpcflow replay` brings it back."""
    made, time = generator(events=1000, payload_events=50), clock()
    stream, failed = Stream("flows", time, retention_hours=STREAM_RETENTION_HOURS), S3Bucket(s3, "failed")
    mapping = KinesisMapping(
        stream,
        in_process(our_handler(time, cluster.environ), time, timeout=STREAM_TIMEOUT),
        batch_size=5,
        record_age=record_age(STREAM_RETENTION_HOURS),
        on_failure=failed,
        payload_as_text=as_text,
    )
    times, payloads = Times(time, mapping), made.payloads()
    cluster.away = True
    for payload in islice(payloads, 10):
        stream.put(payload)
    times.run_for(record_age(STREAM_RETENTION_HOURS) + 1800)
    assert failed.keys
    cluster.away = False
    for payload in payloads:
        stream.put(payload)
    times.drain()
    assert mapping.lost == []
    assert len(cluster.documents()) < made.manifest.documents
    assert replayed("s3://failed/aws/lambda/", cluster.environ) == 0
    cluster.prove(made.manifest)


def test_a_redrive_brings_back_what_was_given_up(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    """An outage that uses up the receives: everything is in the dead-letter queue, and from there in the engine."""
    made, time = generator(events=1000), clock()
    notices = put(s3, made.s3_files(lines_each=100))
    dead = Queue("dead", time, retention=QUEUE_RETENTION)
    queue = Queue("objects", time, visibility=VISIBILITY, retention=QUEUE_RETENTION, redrive=Redrive(dead, 3))
    with serving(queue) as sqs:
        handler = our_handler(time, {**cluster.environ, "VPCFLOW_FORWARDER__SQS_ENDPOINT": sqs.url})
        times = Times(time, SqsMapping(queue, in_process(handler, time, timeout=QUEUE_TIMEOUT)))
        cluster.away = True
        for body in notices:
            queue.send(body)
        times.drain()
        assert (len(queue), len(dead), len(cluster.documents())) == (0, len(notices), 0)
        cluster.away = False
        assert queue.move_all(dead) == len(notices)
        times.drain()
    assert (len(queue), len(dead)) == (0, 0)
    cluster.prove(made.manifest)
