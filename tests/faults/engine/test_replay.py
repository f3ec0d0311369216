"""Faults of a replay: the real program, `vpcflow deadletters replay`, and its exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.engine.matrix import alternating, matrix
from tests.faults.ledger import Ledger

if TYPE_CHECKING:
    from tests.faults.engine.scene import Scene

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[3]
REJECTED = """
[[rule]]
name = "four documents"
action = "item_errors"
items = [3, -2]
last = 2
status = 400
type = "mapper_parsing_exception"
"""


@dataclass(frozen=True)
class Case:
    """A rule for every bulk of the replay, its exit code, and what it says."""

    rule: str
    exit_code: int
    says: str


CASES = {
    "replay: 503": Case('action = "status"\ncode = 503', 75, "503"),
    "replay: 401": Case('action = "status"\ncode = 401', 77, "elasticsearch.api_key"),
    "replay: redirect": Case('action = "status"\ncode = 302', 78, "elasticsearch.hosts"),
    "replay: the answer is lost": Case('action = "reset_after"', 75, "Connection"),
}


def replay(scene: Scene, more: Mapping[str, object], *, direct: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vpcflow", "deadletters", "replay"],
        cwd=scene.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **scene.environ(more, direct=direct)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def set_aside(scene: Scene) -> None:
    """Deliver everything but four documents, which become dead letters."""
    scene.before(REJECTED)
    scene.run()
    assert scene.error is None
    assert len(scene.letters()) == 4
    assert scene.found().total() == scene.sent - 4


@alternating(CASES, {"replay: the answer is lost": "data_stream"})
def test_a_replay_that_fails_can_be_repeated(scene: Scene, ledger: Ledger, name: str) -> None:
    """Nothing is put away before the engine has it; what it had already is not made again."""
    case = CASES[name]
    set_aside(scene)
    scene.before(f"[[rule]]\n{case.rule}\npath = '/_bulk'\n")
    failed = replay(scene, {"retry__deadline_seconds": 1, "elasticsearch__rotation_seconds": 0})
    assert failed.returncode == case.exit_code, failed.stderr
    assert case.says in failed.stderr
    assert "Traceback" not in failed.stderr
    assert len(scene.letters()) == 4
    done = replay(scene, {}, direct=True)
    assert done.returncode == 0, done.stderr
    evidence = scene.evidence(case.rule.split('"')[1])
    promise = "ends, keeps its letters; the next one sends them: nothing lost, nothing twice"
    scene.record(ledger, name, "proxy", evidence, promise, exit_code=case.exit_code)


@matrix("opensearch-data_stream")
def test_rollover_between_delivery_and_replay(scene: Scene, ledger: Ledger) -> None:
    """A replay that was killed before it put its letters away is repeated after a rollover: it asks for ids first."""
    set_aside(scene)
    letters, copy = scene.folder / "dead letters", scene.folder / "copy"
    shutil.copytree(letters, copy)
    first = replay(scene, {}, direct=True)
    assert first.returncode == 0, first.stderr
    assert scene.letters() == []
    assert scene.found().total() == scene.sent
    if scene.mode == "data_stream":
        assert scene.ask("POST", f"/{scene.target}/_rollover")["rolled_over"] is True
    shutil.copytree(copy, letters, dirs_exist_ok=True)
    assert len(scene.letters()) == 4
    again = replay(scene, {}, direct=True)
    assert again.returncode == 0, again.stderr
    scene.record(
        ledger,
        "rollover between first delivery and replay",
        "engine",
        scene.evidence("item_errors"),
        "what is there already is not sent again: nothing twice",
        exit_code=again.returncode,
    )
