"""The demo as a newcomer runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
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
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="vpcflow-test-demo-", dir="/tmp"))
    path.chmod(0o1777)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("engine", ["opensearch", pytest.param("elasticsearch", marks=pytest.mark.slow)])
def test_the_demo_proves_its_result(engine: str, folder: Path) -> None:
    process = started("--events", "2000", "--engine", engine, folder=folder)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    assert output.count("✓") == 7
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
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)  # by somebody without patience: must not break the cleaning up
    process.communicate(timeout=240)
    assert process.returncode == 130
    assert left_over(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_demo_that_is_killed_leaves_nothing_behind(folder: Path) -> None:
    process = started("--events", "50000", folder=folder)
    assert process.stdout is not None
    for text in process.stdout:
        if re.search("The consumer reads", text):
            break
    time.sleep(5)
    process.kill()
    process.communicate(timeout=240)
    end = time.monotonic() + 120
    while (left_over(folder) or list(folder.iterdir())) and time.monotonic() < end:
        time.sleep(0.2)
    assert left_over(folder) == []
    assert list(folder.iterdir()) == []


def test_a_cluster_that_does_not_answer_is_told_at_once(folder: Path) -> None:
    process = started("--url", "http://127.0.0.1:9", folder=folder)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75, output
    assert "127.0.0.1:9" in output
    assert output.count("\n") == 1
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_what_is_kept_answers_and_one_command_ends_it(folder: Path) -> None:
    process = started("--events", "1000", "--keep", folder=folder)
    output, _ = process.communicate(timeout=900)
    try:
        assert process.returncode == 0, output
        curl = re.search(r"curl '(\S+/_count\?\S+)'", output)
        assert curl
        with urllib.request.urlopen(curl[1], timeout=60) as answer:
            assert json.load(answer)["count"] > 0
        assert left_over(folder) != []
    finally:
        stop = re.search(r"\S+/stop\.sh", output)
        assert stop, output
        subprocess.run([stop[0]], check=True, timeout=240)
    assert left_over(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_too_little_time_is_told_and_what_helps_to_find_out_why_is_kept(folder: Path) -> None:
    process = started("--events", "1000", "--time-limit", "5", folder=folder)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 75, output
    assert "0 of " in output
    assert "--time-limit gives it longer" in output
    [kept] = folder.iterdir()
    assert f"are kept in {kept}" in output
    assert (kept / "consumer.log").stat().st_size > 0
    assert left_over(folder) == []
