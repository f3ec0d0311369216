"""What the supervisor answers for itself and its children; the children are live processes and files of theirs."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.board import Board
from consumer.log_channel import LogReader
from consumer.process import Process
from consumer.report import Report, State
from consumer.run_folder import RunFolder
from consumer.supervisor import Supervisor, Timing
from vpcflow.clock import FakeClock, SystemClock
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally
from vpcflow.metrics.snapshot import Snapshot


class Child:
    def __init__(self, bench: Bench, shard: str) -> None:
        self._bench = bench
        self._running = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        process = Process.of(self._running.pid)
        assert process is not None
        self.process = process
        self.shard = shard
        self.tally = Tally()

    def tells(self, state: State = State.SERVING, since: float = 0.0, reason: str = "") -> None:
        report = Report(
            process=self.process,
            at=self._bench.clock.monotonic(),
            shard=self.shard,
            state=state,
            since=since,
            reason=reason,
            snapshot=self.tally.snapshot(),
        )
        self._bench.folder.note_report(self.process.pid, report.written())

    def dies(self) -> None:
        self._running.kill()
        self._running.wait()


class Bench:
    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.folder = RunFolder(path)
        self.folder.create()
        self.board = Board(self.folder, self.clock, absence=60)
        self.children: list[Child] = []

    def child(self, shard: str = "a") -> Child:
        self.children.append(Child(self, shard))
        return self.children[-1]

    def settled(self) -> None:
        self.board.daemon_starts()
        self.clock.advance(120)

    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.board.obstacles()]

    def created(self) -> float | None:
        return self.board.snapshot().value(catalog.DOCUMENTS, outcome="created")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path / "run")
    yield one
    for child in one.children:
        child.dies()


def test_not_ready_while_it_starts_then_a_spare_is_ready(bench: Bench) -> None:
    assert bench.reasons() == ["the daemon does not run; it will be started again"]
    bench.board.daemon_starts()
    assert bench.reasons() == ["the daemon starts"]
    bench.clock.advance(120)
    assert bench.reasons() == []
    assert bench.board.snapshot().value(catalog.SHARDS) == 0
    assert bench.board.snapshot().value(catalog.READY) == 1


def test_ready_as_soon_as_a_child_serves(bench: Bench) -> None:
    bench.board.daemon_starts()
    child = bench.child()
    child.tells(State.STARTING)
    assert bench.reasons() == ["the child that serves this shard starts"]
    child.tells(State.SERVING)
    assert bench.reasons() == []
    assert bench.board.snapshot().value(catalog.SHARDS) == 1


def test_a_further_shard_may_take_its_time_to_start(bench: Bench) -> None:
    bench.settled()
    bench.child("a").tells()
    second = bench.child("b")
    second.tells(State.STARTING, since=bench.clock.monotonic())
    assert bench.reasons() == []
    bench.clock.advance(5)
    assert bench.reasons() == ["the child that serves this shard starts"]


def test_a_child_that_waits_is_named_with_its_reason(bench: Bench) -> None:
    bench.settled()
    bench.child("a").tells()
    child = bench.child("b")
    child.tally.set(catalog.SECONDS_UNTIL_EXPIRY, 1234.56, shard="b")
    child.tells(State.WAITING, since=bench.clock.monotonic(), reason="connection refused")
    assert bench.reasons() == []  # it may be over at once
    bench.clock.advance(5)
    (problem,) = bench.board.obstacles()
    assert problem.shown() == {
        "shard": "b",
        "reason": "connection refused",
        "seconds": 5.0,
        "seconds_until_expiry": 1234.6,
    }
    assert bench.board.snapshot().value(catalog.READY) == 0
    child.tells(State.SERVING)
    assert bench.reasons() == []


def test_a_child_that_says_nothing_is_an_obstacle(bench: Bench) -> None:
    bench.settled()
    bench.child().tells()
    bench.clock.advance(30)
    assert bench.reasons() == []
    bench.clock.advance(1)
    assert bench.reasons() == ["no word from the child that serves this shard"]


def test_a_child_that_leaves_is_none(bench: Bench) -> None:
    bench.settled()
    bench.child().tells(State.LEAVING)
    bench.clock.advance(31)
    assert bench.reasons() == []
    assert bench.board.snapshot().value(catalog.SHARDS) == 0


def test_counters_outlive_a_child_and_gauges_do_not(bench: Bench) -> None:
    bench.settled()
    first = bench.child("a")
    first.tally.count(catalog.DOCUMENTS, 5, outcome="created")
    first.tally.set(catalog.SECONDS_UNTIL_EXPIRY, 100, shard="a")
    first.tally.observe(catalog.BULK_SECONDS, 0.2)
    first.tells()
    assert bench.created() == 5
    first.dies()
    for _ in range(2):  # it is added once
        found = bench.board.snapshot()
        assert found.value(catalog.DOCUMENTS, outcome="created") == 5
        assert found.value(catalog.SECONDS_UNTIL_EXPIRY, shard="a") is None
        assert sum(found.histograms["bulk_seconds", ()].counts) == 1
    assert bench.folder.reports() == []  # nothing piles up
    second = bench.child("a")
    second.tally.count(catalog.DOCUMENTS, 2, outcome="created")
    second.tells()
    assert bench.created() == 7


def test_dead_children_are_folded_without_anybody_asking(bench: Bench) -> None:
    bench.settled()
    child = bench.child()
    child.tally.count(catalog.DOCUMENTS, 5, outcome="created")
    child.tells()
    child.dies()
    bench.clock.advance(10)
    bench.board.turns()
    assert bench.folder.reports() == []
    assert bench.created() == 5


def test_a_number_that_is_somebody_else_by_now_is_dead(bench: Bench) -> None:
    child = bench.child()
    child.process = Process(child.process.pid, child.process.start - 1)
    child.tells()
    bench.settled()
    assert bench.board.snapshot().value(catalog.SHARDS) == 0


def test_restarts_are_counted(bench: Bench) -> None:
    assert bench.board.snapshot().value(catalog.DAEMON_RESTARTS) == 0
    bench.board.daemon_starts()
    assert bench.board.snapshot().value(catalog.DAEMON_RESTARTS) == 0
    bench.board.daemon_ended()
    assert bench.reasons() == ["the daemon does not run; it will be started again"]
    bench.board.daemon_starts()
    assert bench.board.snapshot().value(catalog.DAEMON_RESTARTS) == 1


def test_stopping_is_not_ready(bench: Bench) -> None:
    bench.settled()
    bench.board.stops()
    assert bench.reasons() == ["the consumer stops"]


def test_healthy_while_its_loop_turns(bench: Bench) -> None:
    bench.settled()
    bench.board.turns()
    assert bench.board.illness() == []
    bench.clock.advance(31)
    (problem,) = bench.board.illness()
    assert problem.reason == "the supervisor's loop stands still"
    bench.board.turns()
    assert bench.board.illness() == []


def test_the_supervisor_says_that_its_loop_turns(bench: Bench) -> None:
    supervisor = Supervisor(
        command=[],
        folder=bench.folder,
        timing=Timing(grace=1, tick=0.01),
        clock=SystemClock(),
        stderr=io.BytesIO(),
        board=bench.board,
    )
    supervisor._logs = LogReader(bench.folder.logs, io.BytesIO())
    bench.settled()
    assert bench.board.illness()
    assert not supervisor._wait(0.5, lambda: False)
    assert bench.board.illness() == []
    supervisor._logs.close()


def test_healthy_while_a_daemon_is_being_started_again(bench: Bench) -> None:
    bench.settled()
    bench.board.daemon_ended()
    bench.clock.advance(60)
    bench.board.turns()
    assert bench.board.illness() == []
    bench.clock.advance(1)
    bench.board.turns()
    assert [problem.reason for problem in bench.board.illness()] == ["there is no daemon"]


def test_what_an_earlier_supervisor_left_is_not_counted(bench: Bench) -> None:
    child = bench.child()
    child.tally.count(catalog.DOCUMENTS, 5, outcome="created")
    child.tells()
    (bench.folder.path / "report-1.json").write_text('{"of": "another version"}')
    bench.folder.note_retention(1.0)
    bench.folder.note_endpoint(1)
    bench.board.forget()
    assert (bench.folder.reports(), bench.folder.retention(), bench.folder.endpoint()) == ([], None, None)
    assert bench.board.snapshot().total(catalog.DOCUMENTS) == 0


def test_a_snapshot_of_nothing(bench: Bench) -> None:
    found = bench.board.snapshot()
    assert isinstance(found, Snapshot)
    assert found.value(catalog.READY) == 0
