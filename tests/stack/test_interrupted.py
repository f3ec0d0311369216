"""Ctrl-C in the middle of the tests leaves no server and no folder behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.stack.conftest import Processes

ROOT = Path(__file__).resolve().parents[2]
WAITS = """
import time
from pathlib import Path

def test_waits(stack_kinesis, stack_elasticsearch):
    Path({ready!r}).touch()
    time.sleep(600)
"""


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.usefixtures("stack_kinesis", "stack_elasticsearch")
@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "with workers"])
def test_ctrl_c_leaves_nothing(workers: list[str], processes: Processes, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    left = set(Path("/tmp").glob("final-flags*"))  # noqa: S108 - Java knows no TMPDIR
    (tmp_path / "test_waits.py").write_text(WAITS.format(ready=str(ready)))
    options = ["-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), *workers]
    with tempfile.TemporaryDirectory(prefix="interrupted-") as folder:
        Path(folder).chmod(0o755)  # the engine, another user, has its own folder in it
        child = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, f"--basetemp={tmp_path / 'base'}", str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert processes.until(lambda: ready.exists() or child.poll() is not None, seconds=300)
        assert child.poll() is None, "it waits"
        assert processes.mentioning(folder), "the servers run"
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does
        assert child.wait(timeout=120) == pytest.ExitCode.INTERRUPTED
        assert processes.until(lambda: processes.mentioning(folder) == [])
        assert list(Path(folder).iterdir()) == []
        assert set(Path("/tmp").glob("final-flags*")) <= left  # noqa: S108
