"""Looking at processes from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest


class Processes:
    """What runs on this machine, as the kernel tells it."""

    def alive(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    def mentioning(self, word: str) -> list[int]:
        """Return the processes whose command line holds the word."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                told = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if word in told and self.alive(int(entry.name)):
                found.append(int(entry.name))
        return found

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> bool:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


@pytest.fixture
def processes() -> Processes:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system tells nothing about processes in /proc")
    return Processes()
