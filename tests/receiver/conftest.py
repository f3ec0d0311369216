"""The real command in a process of its own, before real engines."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.receiver.firehose import KEY
from vpcflow import wiring
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.sink.engine import EngineSink
from vpcflow.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0
Serve = Callable[..., "Receiver"]


def until(condition: Callable[[], Any], what: str) -> Any:  # noqa: ANN401
    """Wait for something that is true; return it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
        time.sleep(0.05)
    return found


@dataclass
class Target:
    """A data stream with its template."""

    url: str
    name: str
    settings: Settings
    sink: EngineSink

    def count(self, name: str = "") -> int:
        self.sink.refresh(name or self.name)
        return self.sink.count(name or self.name)

    def documents(self, name: str = "") -> list[dict[str, Any]]:
        self.sink.refresh(name or self.name)
        found: Any = self.sink.search(name or self.name, {"size": 1000, "sort": [{"network.bytes": "asc"}]})
        return list(found["hits"]["hits"])

    def prepare(self, name: str) -> None:
        """Put the template of another data stream."""
        settings = _settings(self.url, name)
        with contextlib.closing(wiring.sink(settings)) as sink:
            sink.ensure_template(*wiring.template(settings, sink))


def _settings(url: str, name: str) -> Settings:
    return load(None, {"VPCFLOW_ELASTICSEARCH__HOSTS": url, "VPCFLOW_INDEX__NAME": name}).settings


def unique() -> str:
    return f"logs-aws.vpcflow-rx{uuid.uuid4().hex[:10]}"


def target_at(url: str, name: str = "") -> Target:
    name = name or unique()
    settings = _settings(url, name)
    sink = wiring.sink(settings)
    sink.ensure_template(*wiring.template(settings, sink))
    return Target(url, name, settings, sink)


@dataclass
class Receiver:
    """`vpcflow serve firehose`, running. log: its lines; counts: of requests, by result."""

    process: subprocess.Popen[bytes]
    file: Path
    letters: Path
    port: int = 0
    admin: int = 0
    ended: bool = field(default=False)

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def said(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["msg"] == message]

    def get(self, path: str, port: int = 0) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.admin, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def metric(self, name: str) -> float:
        (found,) = re.findall(rf"^vpcflow_{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(found)

    def requests(self, result: str) -> float:
        return self.metric(f'firehose_requests_total{{result="{result}"}}')

    def dead_letters(self) -> list[dict[str, Any]]:
        files = sorted(self.letters.glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


NAMES = itertools.count()


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("VPCFLOW_", "AWS_"))}


def toml(sections: Mapping[str, Mapping[str, object]]) -> str:
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for section, keys in sections.items()
    )


def _started(folder: Path, url: str, name: str, changes: Mapping[str, Mapping[str, object]]) -> Receiver:
    work = folder / str(next(NAMES))
    letters = work / "letters"
    work.mkdir()
    sections: dict[str, dict[str, object]] = {
        "elasticsearch": {"hosts": [url]},
        "index": {"name": name},
        "deadletters": {"path": str(letters), "accept_loss": True},
        "retry": {"initial_seconds": 0.1, "max_seconds": 0.5},
        "receiver": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "access_key": KEY, "check_seconds": 0.1},
    }
    for section, keys in changes.items():
        sections.setdefault(section, {}).update(keys)
    (work / "vpcflow.toml").write_text(toml(sections))
    file = work / "log"
    command = [sys.executable, "-m", "vpcflow", "serve", "firehose", "--settings", str(work / "vpcflow.toml")]
    with file.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, cwd=ROOT, env=environment())
    receiver = Receiver(process, file, letters)

    def listens() -> dict[str, Any] | None:
        assert process.poll() is None, file.read_text()
        text = file.read_text()
        return receiver.said("receiver listens")[0] if '"receiver listens"' in text and text.endswith("\n") else None

    line = until(listens, "the receiver listens")
    receiver.port, receiver.admin = line["port"], line.get("admin_port", 0)
    return receiver


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start receivers, with sections of settings that differ; they end with the test, by SIGTERM and with 0."""
    running: list[Receiver] = []

    def started(url: str, name: str = "", **changes: Mapping[str, object]) -> Receiver:
        running.append(_started(tmp_path, url, name, changes))
        return running[-1]

    try:
        yield started
    finally:
        for receiver in running:
            if receiver.process.poll() is None and not receiver.ended:
                receiver.process.terminate()
        codes = [receiver.process.wait(PATIENCE_SECONDS) for receiver in running]
    assert codes == [0] * len(running)


@pytest.fixture(scope="session", params=["elasticsearch", "opensearch"])
def each_engine(request: pytest.FixtureRequest) -> str:
    """The URL of a real engine, both in turn."""
    kind: Literal["elasticsearch", "opensearch"] = request.param
    stack: Stack = request.getfixturevalue(f"stack_{kind}")
    return stack.engine_url


@pytest.fixture
def target(each_engine: str) -> Iterator[Target]:
    """A data stream of its own in each engine."""
    made = target_at(each_engine)
    yield made
    made.sink.close()


@pytest.fixture
def one_target(stack_elasticsearch: Stack) -> Iterator[Target]:
    """A data stream of its own, where the engine does not matter."""
    made = target_at(stack_elasticsearch.engine_url)
    yield made
    made.sink.close()
