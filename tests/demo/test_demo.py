"""The demo as a newcomer runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.stack


def started(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "vpcflow", "demo", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, start_new_session=True,
    )  # fmt: skip


def left_over(folder: Path) -> list[str]:
    """Return the processes that still name the folder on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in text and str(os.getpid()) != entry.parent.name:
            found.append(text)
    return found


@pytest.fixture
def folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix="vpcflow-test-demo-", dir="/tmp"))
    path.chmod(0o1777)
    return path


@pytest.mark.parametrize("engine", ["opensearch", pytest.param("elasticsearch", marks=pytest.mark.slow)])
def test_the_demo_proves_its_result(engine: str, folder: Path) -> None:
    process = started("--events", "2000", "--engine", engine, folder=folder)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert output.count("✓") == 5
    assert "✗" not in output
    assert "Nothing lost, nothing doubled" in output
    assert left_over(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(folder: Path) -> None:
    process = started("--events", "50000", folder=folder)
    assert process.stdout is not None
    for text in process.stdout:
        if re.search("The consumer reads", text):
            break
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=90)
    assert process.returncode == 130
    assert left_over(folder) == []
    assert list(folder.iterdir()) == []
