"""The whole program with its endpoint; only Java is not real: a script that says its version and then waits."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from consumer.run_folder import RunFolder
from vpcflow.java import JAVA_LEAST, KCL_JARS, KCL_VERSION

ROOT = Path(__file__).resolve().parents[2]
JAVA = f"""#!/bin/sh
[ "$1" = -version ] && echo 'openjdk version "{JAVA_LEAST}.0.1"' >&2 && exit
exec sleep 600
"""


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Bench:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = RunFolder.of_worker(path / "run", "vpcflow-flows", "w0")
        self.started: list[subprocess.Popen[str]] = []
        (path / "java").write_text(JAVA)
        (path / "java").chmod(0o700)
        (path / "jars").mkdir()
        for number in range(KCL_JARS - 1):
            (path / "jars" / f"{number}.jar").touch()
        (path / "jars" / f"amazon-kinesis-client-multilang-{KCL_VERSION}.jar").touch()

    def start(self, listen: str) -> subprocess.Popen[str]:
        settings = {
            "KINESIS__STREAM": "flows",
            "KINESIS__REGION": "us-east-1",
            "KINESIS__KINESIS_ENDPOINT": "http://127.0.0.1:9",
            "CONSUMER__WORKER_ID": "w0",
            "CONSUMER__RUN_FOLDER": str(self.path / "run"),
            "CONSUMER__JAVA": str(self.path / "java"),
            "CONSUMER__JARS": str(self.path / "jars"),
            "METRICS__LISTEN": listen,
        }
        one = subprocess.Popen(
            [sys.executable, "-m", "consumer"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "AWS_ACCESS_KEY_ID": "none",
                "AWS_SECRET_ACCESS_KEY": "none",
                **{f"VPCFLOW_{name}": value for name, value in settings.items()},
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(one)
        return one

    def ask(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(f"http://127.0.0.1:{self.folder.endpoint()}{path}", timeout=60) as reply:
                return reply.status, reply.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def close(self) -> None:
        for one in self.started:
            one.terminate()
            one.communicate(timeout=60)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.close()


def test_one_endpoint_from_start_to_stop(bench: Bench) -> None:
    one = bench.start("127.0.0.1:0")
    until(lambda: bench.folder.endpoint() and bench.folder.daemon())
    status, body = bench.ask("/readyz")
    assert (status, [problem["reason"] for problem in json.loads(body)["problems"]]) == (503, ["the daemon starts"])
    assert bench.ask("/healthz") == (200, '{"healthy": true, "problems": []}\n')
    assert "vpcflow_daemon_restarts_total 0.0\n" in bench.ask("/metrics")[1]
    daemon = bench.folder.daemon()
    assert daemon is not None
    daemon.signal(signal.SIGKILL)
    until(lambda: "vpcflow_daemon_restarts_total 1.0\n" in bench.ask("/metrics")[1])
    port = bench.folder.endpoint()
    one.terminate()
    _, err = one.communicate(timeout=60)
    assert one.returncode == 0, err
    assert bench.folder.endpoint() is None
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port or 0), timeout=60)
    # Nobody answers at the stream's endpoint: that is told, and nothing else suffers.
    assert [line["level"] for line in map(json.loads, err.splitlines()) if "retention" in line["msg"]] in (
        [],
        ["warning"],
    )


def test_without_an_endpoint(bench: Bench) -> None:
    one = bench.start("")
    until(bench.folder.daemon)
    assert bench.folder.endpoint() is None
    one.terminate()
    assert one.wait(30) == 0


def test_a_port_in_use_is_a_matter_of_settings(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        one = bench.start(f"127.0.0.1:{other.getsockname()[1]}")
        _, err = one.communicate(timeout=60)
    assert one.returncode == 78
    (line,) = err.splitlines()
    assert "metrics.listen: 127.0.0.1:" in json.loads(line)["msg"]
    assert bench.folder.daemon() is None


def test_no_address_is_a_matter_of_settings(bench: Bench) -> None:
    one = bench.start("9464")
    _, err = one.communicate(timeout=60)
    assert one.returncode == 78
    (line,) = err.splitlines()
    assert "metrics.listen: 9464: no HOST:PORT" in json.loads(line)["msg"]
