"""The supervisor over a daemon without Java: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.process import start_of

PROGRAMS = Path(__file__).parent / "programs.py"


class Bench:
    """Starts supervisors on one folder, and reads what everybody noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, mode: str) -> subprocess.Popen[bytes]:
        number = len(list(self.folder.parent.glob("err-*")))
        with (self.folder.parent / f"err-{number}").open("wb") as err:
            one = subprocess.Popen([sys.executable, str(PROGRAMS), "supervisor", str(self.folder), mode], stderr=err)
        self.started.append(one)
        return one

    def bystander(self) -> subprocess.Popen[bytes]:
        """Start a process that knows nothing of us, in a session of its own."""
        self.folder.mkdir()
        one = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
        self.started.append(one)
        return one

    def err(self, number: int = 0) -> str:
        return (self.folder.parent / f"err-{number}").read_text(encoding="utf-8")

    def events(self, kind: str) -> list[int]:
        """Process numbers of those who noted this kind of event, in order."""
        journal = self.folder / "journal"
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        return [event[-1] for event in map(json.loads, lines) if event[0] == kind]

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.err()
            assert any(one.poll() is None for one in self.started), self.err()
            time.sleep(0.02)

    def close(self) -> None:
        for one in self.started:
            if one.poll() is None:
                one.terminate()
        for one in self.started:
            try:
                one.wait(60)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        end = time.monotonic() + 60
        while any(start_of(pid) for pid in {*self.events("daemon"), *self.events("child")}):
            assert time.monotonic() < end, "a daemon or a child outlives its supervisor"
            time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path / "run folder")
    yield one
    one.close()


def test_stops_as_asked(bench: Bench) -> None:
    one = bench.start("serve")
    bench.until(lambda: bench.events("child"))
    one.terminate()
    assert one.wait(60) == 0
    assert bench.events("child saw stop")
    assert bench.events("daemon left") == bench.events("daemon")
    left = {path.name for path in bench.folder.iterdir()}
    assert left == {"child", "journal", "lock", "logs", "supervisor"}


def test_copies_log_lines_of_children_whole(bench: Bench) -> None:
    one = bench.start("serve")
    bench.until(lambda: "child begun" in bench.err())
    one.terminate()
    one.wait(60)
    lines = [json.loads(line) for line in bench.err().splitlines()]
    assert [len(line["filler"]) for line in lines if line["msg"] == "child begun"] == [9000]


def test_killed_idle_child_is_noticed_and_the_daemon_restarted(bench: Bench) -> None:
    bench.start("serve")
    bench.until(lambda: bench.events("child"))
    os.kill(bench.events("child")[0], signal.SIGKILL)
    bench.until(lambda: len(bench.events("child")) == 2)
    assert start_of(bench.events("daemon")[0]) is None
    assert "child is gone" in bench.err()


@pytest.mark.parametrize("code", [77, 78])
def test_a_child_that_leaves_for_good_ends_the_supervisor(bench: Bench, code: int) -> None:
    one = bench.start(str(code))
    assert one.wait(60) == code
    assert len(bench.events("daemon")) == 1
    assert "told to" in bench.err()


def test_a_child_that_fails_is_started_again(bench: Bench) -> None:
    bench.start("75,70,serve")
    bench.until(lambda: len(bench.events("daemon")) == 3 and len(bench.events("child")) == 3)


def test_restarts_with_growing_waits(bench: Bench) -> None:
    bench.start("exit")
    bench.until(lambda: len(bench.events("daemon")) >= 5)
    waits = [line["wait_seconds"] for line in map(json.loads, bench.err().splitlines()) if "wait_seconds" in line]
    for wait, bound in zip(waits, (0.1, 0.2, 0.4, 0.4), strict=False):
        assert bound / 2 <= wait <= bound


def test_stubborn_daemon_is_killed_with_its_child(bench: Bench) -> None:
    one = bench.start("stubborn")
    bench.until(lambda: bench.events("child"))
    one.terminate()
    assert one.wait(60) == 0
    assert start_of(bench.events("daemon")[0]) is None
    assert start_of(bench.events("child")[0]) is None
    assert "it is killed" in bench.err()


def test_second_supervisor_with_the_same_id_refuses(bench: Bench) -> None:
    first = bench.start("serve")
    bench.until(lambda: bench.events("child"))
    second = bench.start("refused")
    assert second.wait(60) == 75
    assert "another consumer with this worker id runs" in bench.err(1)
    assert first.poll() is None
    assert len(bench.events("prepared")) == 1


def test_second_supervisor_takes_over_when_the_first_leaves_in_time(bench: Bench) -> None:
    first = bench.start("serve")
    bench.until(lambda: bench.events("child"))
    bench.start("serve")
    first.terminate()
    bench.until(lambda: len(bench.events("child")) == 2)


def test_orphans_leave_when_the_supervisor_is_killed(bench: Bench) -> None:
    one = bench.start("serve")
    bench.until(lambda: bench.events("child"))
    one.kill()
    one.wait()
    end = time.monotonic() + 60
    while any(start_of(pid) for pid in (*bench.events("daemon"), *bench.events("child"))):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_restart_after_kill_ends_what_still_lives_first(bench: Bench) -> None:
    """A daemon that outlived its supervisor: here it is a process that this test started and recorded."""
    old = bench.bystander()
    (bench.folder / "daemon.json").write_text(json.dumps({"pid": old.pid, "start": start_of(old.pid)}))
    bench.start("serve")
    bench.until(lambda: bench.events("child"))
    assert old.poll() is not None
    assert "a daemon of an earlier run is ended first" in bench.err()


def test_a_recorded_number_that_is_somebody_else_by_now_is_left_alone(bench: Bench) -> None:
    other = bench.bystander()
    (bench.folder / "daemon.json").write_text(json.dumps({"pid": other.pid, "start": 1}))
    (bench.folder / f"child-{other.pid}.json").write_text(json.dumps({"pid": other.pid, "start": 1}))
    bench.start("serve")
    bench.until(lambda: bench.events("child"))
    assert other.poll() is None


@pytest.mark.parametrize("part", ["lock", "logs", "launcher", "folder"])
def test_a_folder_that_is_cleaned_under_it_ends_all_with_one_line(bench: Bench, part: str) -> None:
    one = bench.start("serve")
    bench.until(lambda: bench.events("child"))
    (child,) = bench.events("child")
    (running,) = bench.events("daemon")
    if part == "folder":
        bench.folder.rename(bench.folder.with_name("elsewhere"))
    else:
        (bench.folder / {"launcher": "child"}.get(part, part)).unlink()
    assert one.wait(60) == 75
    assert "was taken away while the consumer ran" in bench.err()
    assert "Traceback" not in bench.err()
    end = time.monotonic() + 60
    while start_of(child) or start_of(running):
        assert time.monotonic() < end, "a daemon or a child outlives its supervisor"
        time.sleep(0.02)


def test_a_lock_that_is_somebody_elses_by_now_ends_it(bench: Bench) -> None:
    one = bench.start("serve")
    bench.until(lambda: bench.events("child"))
    (bench.folder / "another").touch()
    (bench.folder / "another").rename(bench.folder / "lock")
    assert one.wait(60) == 75
