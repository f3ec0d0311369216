"""A child as the daemon starts it: a process of its own between two pipes, with nobody at the engine's address."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.child import WaitLog
from consumer.process import Process, start_of
from consumer.run_folder import ChildNote, RunFolder
from vpcflow.clock import FakeClock

ROOT = Path(__file__).resolve().parents[2]
INITIALIZE = '{"action":"initialize","shardId":"shardId-7","sequenceNumber":"TRIM_HORIZON","subSequenceNumber":0}\n'


class Bench:
    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.folder = RunFolder(folder / "run")
        self.folder.create()
        self.reader = os.open(self.folder.logs, os.O_RDWR | os.O_NONBLOCK)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.started: list[subprocess.Popen[bytes]] = []

    def start(
        self, supervisor: Process | None = None, before: str = "exec ", **environ: str
    ) -> subprocess.Popen[bytes]:
        supervisor = supervisor or Process.of(os.getpid())
        command = [sys.executable, "-P", "-m", "consumer", "--child", str(self.folder.path), "--supervisor"]
        one = subprocess.Popen(
            ["/bin/sh", "-c", before + shlex.join([*command, str(supervisor)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.path,
            env={
                "PATH": os.environ["PATH"],
                "VPCFLOW_DEADLETTERS__ACCEPT_LOSS": "true",
                "PYTHONPATH": str(ROOT),
                "VPCFLOW_KINESIS__STREAM": "flow-logs",
                "VPCFLOW_ELASTICSEARCH__HOSTS": f"http://127.0.0.1:{self.port}",
                "VPCFLOW_RETRY__MAX_SECONDS": "0.2",
                **environ,
            },
        )
        self.started.append(one)
        return one

    def tell(self, one: subprocess.Popen[bytes], message: str) -> None:
        assert one.stdin is not None
        one.stdin.write(message.encode())
        one.stdin.flush()

    def notes(self) -> list[ChildNote]:
        return self.folder.children()

    def logs(self) -> list[dict[str, object]]:
        try:
            return [json.loads(line) for line in os.read(self.reader, 1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def close(self) -> None:
        for one in self.started:
            one.kill()
            one.communicate()
        os.close(self.reader)


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.close()


def waits(bench: Bench) -> Callable[[], bool]:
    seen: list[object] = []

    def found() -> bool:
        seen.extend(line["msg"] for line in bench.logs())
        return "waiting for the search engine; nothing is checkpointed" in seen

    return found


def test_end_of_input_is_a_clean_end(bench: Bench) -> None:
    one = bench.start()
    until(bench.notes)
    out, err = one.communicate(timeout=60)
    assert (one.returncode, out, err) == (0, b"", b"")
    assert bench.notes() == []


def test_waits_for_a_dead_cluster_and_leaves_when_told_to_stop(bench: Bench) -> None:
    one = bench.start()
    bench.tell(one, INITIALIZE)
    until(waits(bench))
    assert [note.shard for note in bench.notes()] == ["shardId-7"]
    until(lambda: [report["state"] for report in bench.folder.reports()] == ["waiting"])
    (report,) = bench.folder.reports()
    assert report["shard"] == "shardId-7"
    assert f"127.0.0.1:{bench.port}" in report["reason"]
    bench.folder.ask_stop()
    assert one.wait(60) == 75
    assert [note.exit_code for note in bench.notes()] == [75]
    assert [report["state"] for report in bench.folder.reports()] == ["leaving"]
    assert one.stdout is not None
    assert one.stdout.read() == b""


def test_signals_do_not_end_it(bench: Bench) -> None:
    one = bench.start()
    bench.tell(one, INITIALIZE)
    until(waits(bench))
    one.send_signal(signal.SIGTERM)
    one.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        one.wait(0.5)


def test_orphan_without_supervisor_leaves(bench: Bench) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as supervisor:
        until(lambda: start_of(supervisor.pid))
        one = bench.start(Process.of(supervisor.pid))
        bench.tell(one, INITIALIZE)
        until(waits(bench))
        supervisor.kill()
    assert one.wait(60) == 75


def test_orphan_without_daemon_leaves(bench: Bench) -> None:
    """Here a shell stands for the daemon; the input stays open, as it does when another child inherited the pipe's end."""
    daemon = bench.start(before="trap : TERM; ")
    bench.tell(daemon, INITIALIZE)
    until(waits(bench))
    child = bench.notes()[0].process
    assert child.pid != daemon.pid
    os.kill(daemon.pid, signal.SIGKILL)
    until(lambda: not child.alive())


def test_wrong_settings_leave_a_note_for_the_supervisor(bench: Bench) -> None:
    one = bench.start(VPCFLOW_ELASTICSEARCH__HOSTS="no url", VPCFLOW_LOGS__LEVEL="error")
    bench.tell(one, INITIALIZE)
    assert one.wait(60) == 78
    (note,) = bench.notes()
    assert note.exit_code == 78
    assert "elasticsearch.hosts" in note.message


def test_broken_message_is_a_defect_and_one_log_line(bench: Bench) -> None:
    one = bench.start()
    bench.tell(one, '{"action": "dance"}\n')
    assert one.wait(60) == 70
    (line,) = bench.logs()
    assert "MalformedAction" in str(line["traceback"])


def test_stray_output_does_not_reach_the_protocol(tmp_path: Path) -> None:
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1]);"
        "from consumer.child import claim_stdout; protocol = claim_stdout();"
        "print('stray'); sys.stdout.flush(); os.write(1, b'raw\\n'); os.system('echo grandchild');"
        "protocol.write('message\\n'); protocol.flush()"
    )
    done = subprocess.run([sys.executable, "-c", script, str(ROOT)], capture_output=True, check=True)
    assert done.stdout == b"message\n"
    assert sorted(done.stderr.splitlines()) == [b"grandchild", b"raw", b"stray"]


def test_modules_of_the_child_do_not_import_kclpy_before_stdout_is_claimed() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import consumer.__main__; print('amazon_kclpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(ROOT)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_waiting_is_said_every_half_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    wait = WaitLog("s", clock)
    for _ in range(61):
        wait("connection refused", 1.0)
        clock.advance(1)
    assert len(caplog.records) == 3
