"""A command on the tether: it is the same process, and it dies with the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from consumer import tether
from consumer.process import Process, start_of

TETHER = [sys.executable, "-I", "-S", tether.__file__]
PAUSE = "import os, signal; print(os.getpid(), flush=True); signal.pause()"


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_command_takes_the_process_over() -> None:
    with subprocess.Popen([*TETHER, str(os.getpid()), sys.executable, "-c", PAUSE], stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        before = Process.of(one.pid)
        assert int(one.stdout.readline()) == one.pid
        assert Process.of(one.pid) == before  # the note of the daemon holds
        one.kill()


def test_it_dies_with_the_one_that_started_it() -> None:
    code = (
        "import os, subprocess, sys\n"
        f"subprocess.run([*{TETHER!r}, str(os.getpid()), sys.executable, '-c', {PAUSE!r}], start_new_session=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert start_of(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: start_of(pid) is None)


def test_too_late_it_does_not_begin() -> None:
    done = subprocess.run([*TETHER, "1", sys.executable, "-c", "print('begun')"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (75, b"")


def test_a_command_that_is_not_there() -> None:
    done = subprocess.run([*TETHER, str(os.getpid()), "/nowhere/java"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (127, "/nowhere/java: No such file or directory\n")


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGXFSZ])
def test_signals_are_not_ignored(number: signal.Signals) -> None:
    done = subprocess.run([*TETHER, str(os.getpid()), "/bin/sh", "-c", f"kill -{int(number)} $$"], check=False)
    assert done.returncode == -number
