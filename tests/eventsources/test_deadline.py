"""Time is up at every hundredth line of an object: what is left is handed over, again and again; nothing is lost or doubled."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from tests.eventsources.engine import HangUp, MemoryEngine
from tests.eventsources.flows import MARGIN_SECONDS, letters, put
from tests.eventsources.numbers import QUEUE_TIMEOUT
from tests.eventsources.queueing import Queued, queued
from tests.eventsources.scene import Event, Handler, clock
from tests.eventsources.test_mixed import parquet
from tests.firehose.flows import generator
from vpcflow.clock import FakeClock
from vpcflow.generate import Generator
from vpcflow.pipeline.pipeline import Record

LINES = 2000
BLOCK_BYTES = 8000
"""Some 70 lines: less than settings allow, so that time can be up at each hundredth of them."""

_FOLDER = "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/09/21/x_vpcflowlogs_"
FORMS: dict[str, Callable[[bytes], tuple[str, bytes]]] = {
    "gzip": lambda text: (f"{_FOLDER}.log.gz", gzip.compress(text)),
    "two members": lambda text: (f"{_FOLDER}.log.gz", gzip.compress(text[:100_000]) + gzip.compress(text[100_000:])),
    "plain": lambda text: (f"{_FOLDER}.log", text),
    "CRLF": lambda text: (f"{_FOLDER}.log", text.replace(b"\n", b"\r\n")),
    "Parquet": lambda text: (f"{_FOLDER}.parquet", parquet(text.decode().splitlines())),
}


class Stopping:
    """Moves the clock to the deadline once so many lines were given to the outputs in one call; `sent`: in all."""

    def __init__(self, time: FakeClock, after: int) -> None:
        self.sent = self.calls = 0
        self._time, self._after, self._now = time, after, 0

    def watch(self, record: Record) -> None:
        lines = len(record.data.splitlines())
        self.sent += lines
        before, self._now = self._now, self._now + lines
        if before < self._after <= self._now:
            self._time.advance(QUEUE_TIMEOUT - MARGIN_SECONDS)

    def around(self, handler: Handler) -> Handler:
        def watched(event: Event, context: object) -> object:
            self._now = 0
            self.calls += 1
            return handler(event, context)

        return watched


def the_text(made: Generator) -> bytes:
    ((_, body),) = made.s3_files(lines_each=LINES)
    return gzip.decompress(body)


def run(
    cluster: MemoryEngine, bodies: list[str], after: int, *, fifo: bool = False, **environ: str
) -> tuple[Stopping, Queued]:
    time = clock()
    stopping = Stopping(time, after)
    with queued(
        {**cluster.environ, **environ},
        fifo=fifo,
        time=time,
        block_bytes=BLOCK_BYTES,
        after_run=stopping.watch,
        wrapped=stopping.around,
    ) as there:
        there.send(*bodies)
        there.times.drain()
        return stopping, there


EACH_HUNDREDTH = [
    pytest.param(after, marks=() if after in (100, 900, 1900) else pytest.mark.slow) for after in range(100, LINES, 100)
]


@pytest.mark.parametrize("after", EACH_HUNDREDTH)
def test_at_each_hundredth_line(cluster: MemoryEngine, s3: Any, after: int) -> None:  # noqa: ANN401
    made = generator(events=LINES)
    stopping, there = run(cluster, put(s3, [FORMS["gzip"](the_text(made))]), after)
    cluster.prove(made.manifest)
    assert there.is_clean()
    assert letters(s3) == []
    assert stopping.calls >= LINES // (after + 100)
    assert stopping.calls > 1
    assert stopping.sent - LINES <= 1  # a header at most: no line is given twice
    assert cluster.duplicates == 0


@pytest.mark.parametrize("after", [100, 700, 1900])
@pytest.mark.parametrize("form", [*FORMS][1:])
def test_in_each_form(cluster: MemoryEngine, s3: Any, form: str, after: int) -> None:  # noqa: ANN401
    made = generator(events=LINES)
    stopping, there = run(cluster, put(s3, [FORMS[form](the_text(made))]), after)
    cluster.prove(made.manifest)
    assert there.is_clean()
    assert letters(s3) == []
    assert stopping.calls > 1
    assert cluster.duplicates == 0


def test_of_several_objects_in_a_queue_with_an_order(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made = generator(events=LINES)
    stopping, there = run(cluster, put(s3, made.s3_files(lines_each=500)), 300, fifo=True)
    cluster.prove(made.manifest)
    assert there.is_clean()
    assert there.mapping.order_breaks == []
    assert stopping.calls > 4


def test_when_a_flush_takes_all_the_time(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    """The engine takes what it is given, and answers when the function is dead: once more, and nothing twice."""
    made, time = generator(events=LINES), clock()
    late = [2]

    def slow(step: str) -> None:
        if step == "after" and late[0]:
            late[0] -= 1
            time.advance(QUEUE_TIMEOUT + 1)

    cluster.hook = slow
    with queued(cluster.environ, time=time) as there:
        there.send(*put(s3, made.s3_files(lines_each=500)))
        there.times.drain()
        assert there.is_clean()
        assert sum("Timedout" in call.problem for call in there.mapping.calls) == 2
    cluster.prove(made.manifest)


@pytest.mark.parametrize("step", ["before", "half", "after"])
def test_when_the_engine_goes_away_in_the_midst(cluster: MemoryEngine, s3: Any, step: str) -> None:  # noqa: ANN401
    """From the eighth request on nothing is answered in that call: what is left begins at the first open line."""
    made, time = generator(events=LINES), clock()
    stopping = Stopping(time, 10 * LINES)

    def away(now: str) -> None:
        if stopping.calls == 1 and cluster.bulks >= 8 and now == step:
            raise HangUp

    cluster.hook = away
    environ = {**cluster.environ, "VPCFLOW_BULK__MAX_ACTIONS": "50", "VPCFLOW_BULK__IN_FLIGHT": "2"}
    with queued(
        environ, time=time, block_bytes=BLOCK_BYTES, after_run=stopping.watch, wrapped=stopping.around
    ) as there:
        there.send(*put(s3, made.s3_files(lines_each=LINES)))
        there.times.run_for(1)  # the first call
        assert there.sqs.calls == ["SendMessage"]
        there.times.drain()
        assert there.is_clean()
    cluster.prove(made.manifest)


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "FIFO"])
def test_a_batch_that_is_settled_in_part(cluster: MemoryEngine, s3: Any, fifo: bool) -> None:  # noqa: ANN401, FBT001
    """Objects that are there are deleted; those that had no turn come again, in a FIFO queue with all behind them."""
    made, time = generator(events=LINES), clock()
    stopping = Stopping(time, 10 * LINES)

    def away(_step: str) -> None:
        if stopping.calls == 1 and cluster.bulks >= 15:
            raise HangUp

    cluster.hook = away
    environ = {**cluster.environ, "VPCFLOW_BULK__MAX_ACTIONS": "50", "VPCFLOW_BULK__IN_FLIGHT": "1"}
    with queued(
        environ, fifo=fifo, time=time, block_bytes=BLOCK_BYTES, after_run=stopping.watch, wrapped=stopping.around
    ) as there:
        there.send(*put(s3, made.s3_files(lines_each=400)))
        there.times.run_for(1)
        first = there.mapping.calls[0]
        assert first.problem == ""
        assert 0 < len(first.failed) < len(first.ids)
        there.times.drain()
        assert there.is_clean()
        assert there.mapping.order_breaks == []
    cluster.prove(made.manifest)


def test_an_object_that_gets_nowhere_ends_in_the_dead_letter_queue(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    """A hand-over needs progress: else it would go round for ever, and no receive would count."""
    made = generator(events=500)
    notices = put(s3, made.s3_files(lines_each=500))
    cluster.away = True
    with queued(cluster.environ, receives=3) as there:
        there.send(*notices)
        there.times.drain()
        assert (len(there.queue), there.dead.bodies) == (0, notices)
        assert there.sqs.calls == []
        cluster.away = False
        there.queue.move_all(there.dead)
        there.times.drain()
    cluster.prove(made.manifest)


def test_a_hand_over_that_fails_leaves_the_message_where_it_is(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made, time = generator(events=LINES), clock()
    stopping = Stopping(time, 300)
    cuts = ["before", "after", "before"]

    def cut(step: str) -> None:
        if cuts and step == cuts[0]:
            cuts.pop(0)
            raise ConnectionResetError

    with queued(
        cluster.environ, time=time, block_bytes=BLOCK_BYTES, after_run=stopping.watch, wrapped=stopping.around
    ) as there:
        there.sqs.hook = cut
        there.send(*put(s3, made.s3_files(lines_each=LINES)))
        there.times.drain()
        assert there.is_clean()
        assert cuts == []
        assert any(call.failed for call in there.mapping.calls)
    cluster.prove(made.manifest)
