"""A consumer as in production, on the real KCL, an emulated stream and a real search engine."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from consumer.process import Process, start_of
from consumer.run_folder import ChildNote, RunFolder
from vpcflow import wiring
from vpcflow.errors import SinkUnavailable
from vpcflow.settings.load import load
from vpcflow.stack import Stack
from vpcflow.stack.streams import CREDENTIALS, client, create_stream, put_records, seed_leases

ROOT = Path(__file__).resolve().parents[2]
NAMES = itertools.count()
_BUSY = 4  # times slower than where limits were found: no test may fail for what else its machine does


def until(condition: Callable[[], Any], seconds: float, what: str = "") -> float:
    """Wait for a condition, on a busy machine longer than `seconds`; return how long that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < _BUSY * seconds, f"not within {_BUSY} times {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - began


def payload(first: int, count: int) -> bytes:
    """Return a subscription record with `count` flows, told apart by their bytes: `first`, `first` + 1, …"""
    now = int(time.time())
    events = [
        {
            "id": f"{number:056d}",
            "timestamp": now * 1000,
            "message": f"2 123456789012 eni-0a1b2c3d 10.0.0.1 10.0.0.2 1234 443 6 10 {number} {now - 60} {now} ACCEPT OK",
        }
        for number in range(first, first + count)
    ]
    body = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "vpc",
        "logStream": "eni-0a1b2c3d-all",
        "subscriptionFilters": ["all"],
        "logEvents": events,
    }
    return gzip.compress(json.dumps(body).encode(), 1)


class Gate:
    """A way to the engine that can be shut: connections are refused, and those that were open are cut."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._target = (target.hostname or "", target.port or 0)
        self._ends: list[socket.socket] = []
        self._server: socket.socket | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        self._server = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def shut(self) -> None:
        if self._server is not None:
            # A blocked accept() would keep the socket open past close().
            with contextlib.suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            self._server = None
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


class Scene:
    """One stream, one lease table, one data stream, and consumers on them.

    environ: what consumers are started with besides; VPCFLOW_… variables win over the settings that are written here.
    """

    def __init__(
        self, engine: Stack, streams: Stack, folder: Path, environ: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.name = f"e2e{next(NAMES)}-{uuid.uuid4().hex[:8]}"
        self.modules = [ROOT]
        self.streams, self.folder = streams, folder
        self.gate = Gate(engine.engine_url)
        self.gate.open()
        self.settings = folder / "settings.toml"
        self.environ = {
            "VPCFLOW_INDEX__NAME": f"logs-aws.vpcflow-{self.name}",
            # A daemon's start is most of the time of a test.
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            **environ,
        }
        if self.environ.get("VPCFLOW_INDEX__MODE") == "pattern":
            self.environ["VPCFLOW_INDEX__NAME"] += "-{yyyy.MM.dd}"
        self.target = f"logs-aws.vpcflow-{self.name}*"
        self.run = self.run_of("w0")
        self.started: list[subprocess.Popen[bytes]] = []
        self.placed: list[tuple[str, str]] = []
        self.sent = 0
        self.write(short=True)
        self.sink = wiring.sink(
            load(self.settings, {**self.environ, "VPCFLOW_ELASTICSEARCH__HOSTS": engine.engine_url}).settings
        )
        self.sink.ensure_template(*self.template())

    def run_of(self, worker: str) -> RunFolder:
        return RunFolder.of_worker(self.folder / "run folder", self.name, worker)

    def template(self) -> tuple[str, dict[str, Any]]:
        return wiring.template(load(self.settings, self.environ).settings, self.sink)

    def write(self, *, short: bool) -> None:
        """Write the settings; `short`: timings of the KCL for tests.

        A machine that stands still for most of the failover time has lost its leases; the KCL takes so long to end, too.
        """
        timings = (
            "failover_milliseconds = 5000\nlease_assignment_milliseconds = 1000\nshard_sync_milliseconds = 1000\n"
            "parent_poll_milliseconds = 1000\n"
        )
        self.settings.write_text(f"""
[elasticsearch]
hosts = ["{self.gate.url}"]
[retry]
max_seconds = 1.0
[deadletters]
path = "dead letters"
accept_loss = true
[kinesis]
stream = "{self.name}"
application = "{self.name}"
region = "us-east-1"
kinesis_endpoint = "{self.streams.kinesis_url}"
dynamodb_endpoint = "{self.streams.dynamodb_url}"
idle_milliseconds = 250
[metrics]
listen = "127.0.0.1:0"
[consumer]
worker_id = "w0"
run_folder = "run folder"
java = "{self.streams.java}"
checkpoint_seconds = 1.0
shutdown_grace_milliseconds = 8000
restart_max_seconds = 2.0
{timings if short else ""}""")

    def stream(self, shards: int = 1, *, seed: bool = True) -> None:
        create_stream(self.streams.kinesis_url, self.name, shards)
        if seed:
            seed_leases(self.streams.dynamodb_url, self.name, self.streams.kinesis_url, self.name)

    def put(self, records: int, flows: int = 5) -> None:
        batch = [(str(n), payload(self.sent + n * flows, flows)) for n in range(records)]
        self.placed += put_records(self.streams.kinesis_url, self.name, batch)
        self.sent += records * flows

    def start(self, worker: str = "w0") -> subprocess.Popen[bytes]:
        with (self.folder / f"log-{len(self.started)}").open("wb") as log:
            one = subprocess.Popen(
                [sys.executable, "-m", "consumer", "--settings", "settings.toml"],
                cwd=self.folder,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": os.pathsep.join(map(str, self.modules)),
                    **CREDENTIALS,
                    **self.environ,
                    "VPCFLOW_CONSUMER__WORKER_ID": worker,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(one)
        return one

    def lines(self, message: str = "") -> list[dict[str, Any]]:
        """Return the log lines with this message. Each line of the log must be JSON."""
        lines = [line for path in sorted(self.folder.glob("log-*")) for line in path.read_text().splitlines()]
        parsed: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("}")]
        return [line for line in parsed if message in (line.get("msg") or line.get("message") or "")]

    def flows(self) -> list[int]:
        """Return the bytes of every document, in order."""
        if not self.sink.request("POST", f"/{self.target}/_refresh").ok:
            return []  # nothing was written yet
        try:
            reply: Any = self.sink.search(self.target, {"size": 10_000, "_source": ["network.bytes"]})
        except SinkUnavailable:
            return []  # the shards of a new index are not up yet
        return sorted(hit["_source"]["network"]["bytes"] for hit in reply["hits"]["hits"])

    def arrived(self, seconds: float = 120) -> float:
        """Wait until all that was put is there, each once."""
        began = time.monotonic()
        while len(found := self.flows()) < self.sent:
            assert time.monotonic() - began < _BUSY * seconds, f"{len(found)} of {self.sent} documents: {found[:20]}"
            assert any(one.poll() is None for one in self.started), "the consumer ended"
            time.sleep(0.2)
        assert found == list(range(self.sent))
        return time.monotonic() - began

    def waits(self, times: int = 1) -> None:
        """Wait until so many children have said that they wait for the engine."""
        until(lambda: len(self.lines("waiting for the search engine")) >= times, 60, "word of the wait")

    def children(self) -> list[ChildNote]:
        """Return the live children that serve a shard."""
        return [note for note in self.run.children() if note.shard and note.process.alive()]

    def child(self) -> Process:
        until(self.children, 60, "a child")
        return self.children()[0].process

    def daemon(self) -> Process:
        until(self.run.daemon, 60, "a daemon")
        process = self.run.daemon()
        assert process is not None
        return process

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of the consumer's endpoint; 0 while nobody answers."""
        if self.run.endpoint() is None:
            return 0, ""
        try:
            with urlopen(f"http://127.0.0.1:{self.run.endpoint()}{path}", timeout=60) as reply:
                return int(reply.status), reply.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metric(self, series: str) -> float | None:
        """Return the value of one series of `/metrics`, as it is written there; None where it is not."""
        lines = self.ask("/metrics")[1].splitlines()
        return next((float(line.removeprefix(series)) for line in lines if line.startswith(series + " ")), None)

    def checkpoints(self) -> dict[str, tuple[str, int]]:
        """Return what the lease table holds, by shard."""
        with client("dynamodb", self.streams.dynamodb_url) as dynamodb:
            items = dynamodb.scan(TableName=self.name, ConsistentRead=True)["Items"]
        return {
            item["leaseKey"]["S"]: (item["checkpoint"]["S"], int(item["checkpointSubSequenceNumber"]["N"]))
            for item in items
            if "checkpoint" in item
        }

    def checkpointed(self, seconds: float = 30) -> None:
        """Wait until the lease table holds the last record of each shard."""
        last = dict(self.placed)
        until(lambda: {k: v[0] for k, v in self.checkpoints().items() if k in last} == last, seconds, "checkpoints")

    def stop(self, one: subprocess.Popen[bytes] | None = None) -> float:
        """Stop a consumer, the last one by default, as an operator does; return how long it took."""
        began = time.monotonic()
        stopped = one or self.started[-1]
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(90) == 0  # a busy machine
        return time.monotonic() - began

    def close(self) -> None:
        for log in sorted(self.folder.glob("log-*")):  # shown where a test fails
            print(log, *(line[:1000] for line in log.read_text().splitlines()[-60:]), sep="\n")
        runs = [RunFolder(path) for path in (self.folder / "run folder").glob("*")]
        left = [note.process for run in runs for note in run.children()]
        left += [daemon for run in runs if (daemon := run.daemon()) is not None]
        for one in self.started:
            if one.poll() is None:
                one.terminate()
        for one in self.started:
            try:
                one.wait(30)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        self.gate.shut()
        self.sink.close()
        until(lambda: not any(start_of(one.pid) == one.start for one in left), 30)


@pytest.fixture
def scene(stack_elasticsearch: Stack, stack_kinesis: Stack, tmp_path: Path) -> Iterator[Scene]:
    one = Scene(stack_elasticsearch, stack_kinesis, tmp_path)
    yield one
    one.close()
