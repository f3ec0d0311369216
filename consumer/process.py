"""Processes of others, told apart from later ones that got the same number. Linux only: it reads /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

__all__ = ["Process", "start_of"]

_STATE = 0  # counted from behind the command, which may hold spaces and parentheses
_START = 19


def start_of(pid: int) -> int | None:
    """Return when the process was started, in clock ticks since boot; None where it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[_STATE] in (b"Z", b"X") else int(fields[_START])


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its number and its start time. The number alone may belong to another one by now."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the live process with this number, or None."""
        start = start_of(pid)
        return None if start is None else cls(pid, start)

    @classmethod
    def parse(cls, text: str) -> Process:
        """Read what `str()` wrote."""
        pid, start = text.split(":")
        return cls(int(pid), int(start))

    def __str__(self) -> str:
        """Return `PID:START`."""
        return f"{self.pid}:{self.start}"

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return start_of(self.pid) == self.start

    def signal(self, number: Signals) -> None:
        """Send a signal, to this very process or to nobody."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def signal_group(self, number: Signals) -> None:
        """Send a signal to the process group that this process leads, if it still runs."""
        if self.alive():
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return

    def reap(self) -> None:
        """Take a dead orphan's exit status where this program is process 1 of a container: nobody else would."""
        if os.getpid() == 1:
            try:
                os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                return
