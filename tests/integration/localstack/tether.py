"""`python tether.py FOLDER COMMAND…`: runs a command until standard input ends, then ends all that came of it.

Whoever starts us holds the other end of standard input: when it closes that, or dies of whatever, the command gets SIGTERM and
`GRACE` seconds; then each of its descendants is killed, those in sessions of their own too, and the folder is removed. If the
command ends before, so do its descendants, and the folder stays.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 5.0
_LOOK = 0.2
_PR_SET_CHILD_SUBREAPER = 36


def _children() -> list[int]:
    """Return our descendants. Orphans among them are our own children: we adopt them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = [os.getpid()]
    for each in found:
        found += parents.get(each, [])
    return found[1:]


def _reap(command: int) -> bool:
    """Bury the dead; tell whether the command is among them."""
    ended = False
    with contextlib.suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            ended |= pid == command
    return ended


def _end_all() -> None:
    while left := _children():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        _reap(0)


def main(folder: Path, command: list[str]) -> None:
    """Run it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True).pid
    ended = let_go = False
    while not ended and not let_go:
        let_go = bool(select.select([sys.stdin], [], [], _LOOK)[0])
        ended = _reap(pid)
    if let_go and not ended:
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + GRACE
        while not _reap(pid) and time.monotonic() < end:
            time.sleep(0.02)
    _end_all()
    if let_go:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
