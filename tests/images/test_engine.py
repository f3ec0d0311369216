"""The engine leaves nothing behind: not when it is stopped, and not when the one who started it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.base import ROOT
from tests.images.engine import Engine

pytestmark = pytest.mark.images
_HOLD = """
import sys, time
from tests.images.engine import Engine
with Engine() as engine:
    engine.docker("run", "--detach", "--network=host", "probe", "/bin/true")
    print(engine.work, flush=True)
    time.sleep(600)
"""
# What an engine writes without being asked, wherever it is told to be.
_PLACES = (
    "/etc/docker",
    "/opt/containerd",
    "/run/docker",
    "/run/containerd",
    "/run/mount",
    "/var/lib/docker",
    "/var/lib/containerd",
)


def places() -> set[str]:
    return {place for place in _PLACES if Path(place).exists()}


def processes(work: str) -> list[str]:
    """Return the command lines that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if work in command:
            found.append(command)
    return found


def left(work: str, pid: int) -> list[str]:
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/vpcflow-images-{pid}")]
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if work in line]
    return [*processes(work), *groups, *mounts, *([work] if Path(work).exists() else [])]


def gone(condition: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left(container_engine: Engine, number: signal.Signals) -> None:
    before = places()
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert holder.stdout is not None
    with holder, holder.stdout as pipe:
        work = pipe.readline().strip()
        assert work, "it did not start"
        assert processes(work)
        assert places() == before
        os.kill(holder.pid, number)
        holder.wait(60)
    if number is signal.SIGKILL:  # the empty control groups of a killed one are swept by the next
        assert gone(lambda: processes(work) or Path(work).exists(), 30), left(work, holder.pid)
        with Engine():
            pass
    assert gone(lambda: left(work, holder.pid), 30), left(work, holder.pid)
    assert places() == before
    assert container_engine.docker("version"), "the other engine lives on"
