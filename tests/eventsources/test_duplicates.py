"""The same thing twice adds nothing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.asynchronous import Invoker
from tests.eventsources.emulator.function import in_process
from tests.eventsources.emulator.kinesis import KinesisMapping
from tests.eventsources.emulator.stream import Stream
from tests.eventsources.engine import MemoryEngine
from tests.eventsources.flows import our_handler, put, subscription
from tests.eventsources.queueing import queued
from tests.eventsources.scene import clock
from tests.firehose.flows import generator
from vpcflow.cli.main import main


def test_an_object_that_is_notified_twice(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made = generator(events=500)
    notices = put(s3, made.s3_files(lines_each=100))
    with queued(cluster.environ) as there:
        there.send(*notices, *notices)
        there.times.run_for(7200)
        there.send(*notices)
        there.times.drain()
        assert there.is_clean()
    cluster.prove(made.manifest)


def test_an_object_that_is_written_again_without_a_change(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    """Its ETag is the same, its version another one."""
    s3.put_bucket_versioning(Bucket="flows", VersioningConfiguration={"Status": "Enabled"})
    made = generator(events=200)
    files = list(made.s3_files(lines_each=100))
    with queued(cluster.environ) as there:
        there.send(*put(s3, files), *put(s3, files))
        there.times.drain()
        assert there.is_clean()
    cluster.prove(made.manifest)


def backfilled(environ: Mapping[str, str]) -> int:
    """Send all that lies in the bucket `flows` once more; return the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.setenv("VPCFLOW_DEADLETTERS__ACCEPT_LOSS", "true")  # wherever the tests are run
        return main(["replay", "s3://flows", "--from", "2026-09-20", "--to", "2026-09-23", "--workers", "1"])


def test_live_and_backfill(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made = generator(events=500)
    notices = put(s3, made.s3_files(lines_each=100))
    with queued(cluster.environ) as there:
        there.send(*notices[:3])
        there.times.drain()
        assert len(cluster.documents()) == 300
        assert backfilled(cluster.environ) == 0
        cluster.prove(made.manifest)
        there.send(*notices)
        there.times.drain()
        assert there.is_clean()
    cluster.prove(made.manifest)


def test_the_same_log_event_directly_and_through_a_stream(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made, time = generator(events=500, payload_events=50), clock()
    payloads = list(made.payloads())
    handler = our_handler(time, cluster.environ)
    stream, invoker = Stream("flows", time), Invoker(in_process(handler, time), time, twice=0.3)
    times = Times(time, invoker, KinesisMapping(stream, in_process(handler, time)))
    both = [*payloads, *payloads]
    random.Random(5).shuffle(both)
    for number, payload in enumerate(both):
        if number % 2:
            stream.put(payload)
        else:
            invoker.invoke(subscription(payload))
        times.run_for(10)
    for payload in payloads:
        stream.put(payload)
    times.drain()
    cluster.prove(made.manifest)
