"""The function's process is killed at each step of a flush: nothing is lost, and what is done twice is there once.

The function is a process of the real runtime client; queue, stream and asynchronous events are on simulated time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.api import SqsApi, serving
from tests.eventsources.emulator.asynchronous import Invoker
from tests.eventsources.emulator.function import in_runtime
from tests.eventsources.emulator.kinesis import KinesisMapping
from tests.eventsources.emulator.queue import Queue, Redrive
from tests.eventsources.emulator.sqs import SqsMapping
from tests.eventsources.emulator.stream import Stream
from tests.eventsources.engine import HangUp, MemoryEngine
from tests.eventsources.flows import letters, put, subscription
from tests.eventsources.functions import TIMEOUT_SECONDS, in_steps
from tests.eventsources.numbers import RECEIVES, VISIBILITY
from tests.eventsources.scene import START_MS, clock
from tests.firehose.flows import generator
from tests.runtime.function import Function

BULK_STEPS = ["bulk before", "bulk half", "bulk after"]
SLOW_STEPS = ["run-1", "run-5", "send before", "answer"]


class Killing:
    """Where the function dies, once. `happened`: it did."""

    def __init__(self, step: str, folder: Path, function: Function) -> None:
        self._kind, _, self._step = step.partition(" ")
        self._function, self._folder, self._done = function, folder, False
        if not self._step:
            (folder / step).touch()

    @property
    def happened(self) -> bool:
        return self._done if self._step else not (self._folder / self._kind).exists()

    def hook(self, kind: str, cut: type[Exception]) -> Callable[[str], None]:
        """Return a hook of a server that kills the function in the midst of a request, and cuts that."""

        def told(step: str) -> None:
            if not self._done and (kind, step) == (self._kind, self._step):
                self._done = True
                process = self._function._process
                assert process is not None
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                raise cut

        return told


@contextmanager
def killing(
    step: str, cluster: MemoryEngine, folder: Path, aws_url: str, sqs: SqsApi | None = None, *, stop_after: int = 0
) -> Iterator[tuple[Function, Killing]]:
    environ = {
        **cluster.environ,
        "AWS_ENDPOINT_URL_S3": aws_url,
        "WALL_MS": str(START_MS),
        "STOP_AFTER": str(stop_after),
        "KILLS": str(folder),
    }
    if sqs is not None:
        environ["VPCFLOW_FORWARDER__SQS_ENDPOINT"] = sqs.url
    handler = f"{in_steps.__module__}.in_steps"
    with (
        (folder / "log").open("wb") as log,
        Function(handler, environ, timeout=TIMEOUT_SECONDS, name="forwarder", log=log) as function,
    ):
        kill = Killing(step, folder, function)
        cluster.hook = kill.hook("bulk", HangUp)
        if sqs is not None:
            sqs.hook = kill.hook("send", ConnectionResetError)
        yield function, kill


QUEUE_STEPS = [*BULK_STEPS, "send after", *(pytest.param(step, marks=pytest.mark.slow) for step in SLOW_STEPS)]


@pytest.mark.parametrize("step", QUEUE_STEPS)
def test_objects_through_a_queue(
    cluster: MemoryEngine,
    s3: Any,  # noqa: ANN401
    aws_url: str,
    tmp_path: Path,
    step: str,
) -> None:
    made, time = generator(events=1000), clock()
    dead = Queue("dead", time)
    queue = Queue("objects", time, visibility=VISIBILITY, redrive=Redrive(dead, RECEIVES))
    with serving(queue) as sqs, killing(step, cluster, tmp_path, aws_url, sqs, stop_after=6) as (function, kill):
        times = Times(time, SqsMapping(queue, in_runtime(function)))
        for body in put(s3, made.s3_files(lines_each=250)):
            queue.send(body)
        times.drain()
        assert kill.happened, (tmp_path / "log").read_text()
        assert function.cold_starts == 2
        assert sqs.calls
    cluster.prove(made.manifest)
    assert (len(queue), len(dead), queue.expired, letters(s3)) == (0, 0, [], [])


@pytest.mark.slow
@pytest.mark.parametrize("step", ["run-2", *BULK_STEPS, "answer"])
def test_records_of_a_stream(
    cluster: MemoryEngine,
    s3: Any,  # noqa: ANN401
    aws_url: str,
    tmp_path: Path,
    step: str,
) -> None:
    made, time = generator(events=1000, payload_events=50), clock()
    stream = Stream("flows", time)
    with killing(step, cluster, tmp_path, aws_url) as (function, kill):
        mapping = KinesisMapping(stream, in_runtime(function), batch_size=8)
        for payload in made.payloads():
            stream.put(payload)
        Times(time, mapping).drain()
        assert kill.happened, (tmp_path / "log").read_text()
        assert function.cold_starts == 2
    cluster.prove(made.manifest)
    assert (len(mapping.done), mapping.lost, letters(s3)) == (len(stream), [], [])


@pytest.mark.slow
@pytest.mark.parametrize("step", [*BULK_STEPS, "answer"])
def test_log_events_of_a_subscription(
    cluster: MemoryEngine,
    s3: Any,  # noqa: ANN401
    aws_url: str,
    tmp_path: Path,
    step: str,
) -> None:
    made, time = generator(events=300, payload_events=100), clock()
    with killing(step, cluster, tmp_path, aws_url) as (function, kill):
        invoker = Invoker(in_runtime(function), time)
        for payload in made.payloads():
            invoker.invoke(subscription(payload))
        Times(time, invoker).drain()
        assert kill.happened, (tmp_path / "log").read_text()
        assert function.cold_starts == 2
    cluster.prove(made.manifest)
    assert (invoker.lost, letters(s3)) == ([], [])
