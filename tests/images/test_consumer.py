"""The consumer's image, read-only and without a capability: from a stream to documents that are found, and its end."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.images.base import ROOT
from tests.images.engine import Engine
from vpcflow import __version__, wiring
from vpcflow.settings.load import load
from vpcflow.sink.engine import EngineSink
from vpcflow.stack import Stack
from vpcflow.stack.server import free_port
from vpcflow.stack.streams import CREDENTIALS

pytestmark = pytest.mark.images
LAPTOP = ROOT / "docker" / "laptop.py"
# As compose.yaml and docs/containers.md have it. The temporary folder is one that nothing can be executed in.
LOCKED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges", "--pids-limit=512"]


def until(condition: Callable[[], Any], seconds: float, what: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.5)


class Container:
    """Runs the image on loopback, with settings by variables."""

    def __init__(self, engine: Engine, image: str, environ: dict[str, str]) -> None:
        self.engine, self.image, self.name = engine, image, f"consumer-{uuid.uuid4().hex[:8]}"
        self.port = free_port()
        self.environ = {**environ, "VPCFLOW_METRICS__LISTEN": f"127.0.0.1:{self.port}"}

    def options(self) -> list[str]:
        given = [f"--env={name}={value}" for name, value in self.environ.items()]
        return ["--network=host", "--memory=768m", f"--volume={LAPTOP}:/laptop.py:ro", *LOCKED, *given]

    def once(self, *command: str, check: bool = True) -> str:
        """Run another command of the image to its end."""
        return self.engine.docker("run", "--rm", *self.options(), self.image, *command, check=check)

    def start(self) -> None:
        self.engine.docker("run", "--detach", f"--name={self.name}", *self.options(), self.image)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.engine.docker("inspect", "--format={{json .State}}", self.name))
        return found

    def inside(self, *command: str, check: bool = True) -> str:
        return self.engine.docker("exec", self.name, *command, check=check)

    def log(self) -> str:
        return self.engine.docker("logs", "--tail=60", self.name)

    def remove(self) -> None:
        self.engine.docker("rm", "--force", self.name, check=False)


@pytest.fixture
def bare(container_engine: Engine, consumer_image: str) -> Iterator[Container]:
    """A container without a stream and without an engine to write to."""
    one = Container(container_engine, consumer_image, dict(CREDENTIALS))
    yield one
    one.remove()


@pytest.fixture
def container(bare: Container, stack_elasticsearch: Stack, stack_kinesis: Stack) -> Container:
    name = f"image-{uuid.uuid4().hex[:8]}"
    bare.environ |= {
        "VPCFLOW_KINESIS__STREAM": name,
        "VPCFLOW_KINESIS__KINESIS_ENDPOINT": stack_kinesis.kinesis_url,
        "VPCFLOW_KINESIS__DYNAMODB_ENDPOINT": stack_kinesis.dynamodb_url,
        "VPCFLOW_KINESIS__IDLE_MILLISECONDS": "250",
        "VPCFLOW_ELASTICSEARCH__HOSTS": stack_elasticsearch.engine_url,
        "VPCFLOW_INDEX__NAME": f"logs-aws.vpcflow-{name}",
        "VPCFLOW_DEADLETTERS__KIND": "index",
        "VPCFLOW_DEADLETTERS__INDEX": f"letters-{name}",
        "VPCFLOW_CONSUMER__WORKER_ID": "w0",
        "VPCFLOW_CONSUMER__FAILOVER_MILLISECONDS": "2000",
        "VPCFLOW_CONSUMER__LEASE_ASSIGNMENT_MILLISECONDS": "1000",
        "VPCFLOW_CONSUMER__SHARD_SYNC_MILLISECONDS": "1000",
        "VPCFLOW_CONSUMER__CHECKPOINT_SECONDS": "1",
    }
    return bare


@pytest.fixture
def sink(container: Container) -> Iterator[EngineSink]:
    given = {name: value for name, value in container.environ.items() if name.startswith("VPCFLOW_")}
    made = wiring.sink(load(None, given).settings)
    yield made
    made.close()


def counted(sink: EngineSink, index: str) -> int:
    if not sink.request("POST", f"/{index}/_refresh").ok:
        return 0  # nothing was written yet
    return sink.count(index)


def test_read_only_it_reads_a_stream_until_its_documents_are_found_and_stops_as_asked(
    container: Container, sink: EngineSink
) -> None:
    assert "created" in container.once("vpcflow", "setup", "--template")
    for _ in range(2):  # the second time all is there
        said = container.once("python", "/laptop.py", "prepare")
    assert said.count("unchanged") == 2
    container.start()
    rounds = container.once("python", "/laptop.py", "generate", "--rounds=2", "--events=600", "--every=1").splitlines()
    told = [json.loads(line) for line in rounds]
    assert len(told) == 2
    documents, broken = (sum(one[name] for one in told) for name in ("documents", "broken"))
    assert documents > 1100
    index, letters = (container.environ[f"VPCFLOW_{name}"] for name in ("INDEX__NAME", "DEADLETTERS__INDEX"))
    until(lambda: counted(sink, index) >= documents, 240, container.log)
    until(lambda: counted(sink, letters) >= broken, 30, container.log)
    assert (counted(sink, index), counted(sink, letters)) == (documents, broken)

    until(lambda: container.state()["Health"]["Status"] == "healthy", 60, lambda: str(container.state()["Health"]))
    processes = container.engine.docker("top", container.name, "-eo", "pid,uid,comm").splitlines()[1:]
    assert {line.split()[1] for line in processes} == {"10001"}
    assert {"tini", "vpcflow-consume", "java"} <= {line.split(maxsplit=2)[2] for line in processes}, processes
    assert "Read-only file system" in container.inside("touch", "/opt/vpcflow/new", check=False)
    capabilities = container.inside("grep", "CapEff", "/proc/1/status")
    assert int(capabilities.split()[-1], 16) == 0

    begun = time.monotonic()
    container.engine.docker("stop", "--time=60", container.name)
    took = time.monotonic() - begun
    state = container.state()
    assert (state["ExitCode"], state["OOMKilled"], state["Running"]) == (0, False, False), container.log()
    assert took < 50, f"{took:.0f} s: it was killed, not stopped"
    last = [json.loads(line) for line in container.log().splitlines()]
    assert "consumer stopped" in [line.get("msg") for line in last]


def test_a_mistake_is_one_line_and_its_exit_code(bare: Container) -> None:
    bare.start()
    until(lambda: not bare.state()["Running"], 60, bare.log)
    assert bare.state()["ExitCode"] == 78
    (line,) = bare.log().splitlines()
    assert "kinesis.stream: not set" in json.loads(line)["msg"]


def test_the_health_check_fails_where_nobody_answers(bare: Container) -> None:
    said = bare.once("python", "-I", "/opt/vpcflow/health.py", check=False)
    assert f"http://127.0.0.1:{bare.port}/healthz" in said
    assert "refused" in said
    assert bare.once("sh", "-c", "python -I /opt/vpcflow/health.py > /tmp/said; echo $?") == "1"


def test_nothing_that_builds_is_in_it(bare: Container) -> None:
    tools = ("gcc", "cc", "make", "javac", "git", "curl", "wget")
    code = f"import shutil, importlib.util as u; print([t for t in {tools} if shutil.which(t)],"
    code += " [m for m in ('pip', 'setuptools', 'wheel', 'hatchling', 'jgo', 'pytest') if u.find_spec(m)])"
    assert bare.once("python", "-c", code) == "[] []"


def test_what_the_image_says_of_itself(container_engine: Engine, consumer_image: str) -> None:
    (found,) = json.loads(container_engine.docker("image", "inspect", consumer_image))
    told = found["Config"]
    assert (told["User"], told["StopSignal"]) == ("10001:10001", "SIGTERM")
    assert (told["Entrypoint"], told["Cmd"]) == (["/usr/bin/tini", "--"], ["vpcflow-consumer"])
    assert told["Healthcheck"]["Test"][0] == "CMD"
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in told["Labels"].items()}
    assert labels["version"] == __version__
    assert labels["revision"] == "of-a-test"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["base.name"].startswith("stand-in/")
    assert not [value for value in told["Env"] if "SECRET" in value or "PASSWORD" in value]


def test_what_the_builder_trusts_is_not_in_it(bare: Container) -> None:
    said = bare.once("sh", "-c", "ls /run/secrets /etc/pip.conf 2>&1 | grep -c 'No such file'", check=False)
    assert said == "2"


def test_a_foreign_user_can_run_it(container_engine: Engine, consumer_image: str) -> None:
    said = container_engine.docker(
        "run", "--rm", "--network=none", "--user=65534:65534", *LOCKED, consumer_image, "vpcflow", "--version"
    )
    assert said == f"vpcflow {__version__}"


def test_what_it_runs_on_is_there(container_engine: Engine, consumer_image: str) -> None:
    code = "import sys, orjson, msgspec, elasticsearch, boto3, uvicorn, isal; print(*sys.version_info[:2])"
    said = container_engine.docker("run", "--rm", "--network=none", *LOCKED, consumer_image, "python", "-c", code)
    assert said == "3 13"
