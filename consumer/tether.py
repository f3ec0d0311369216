"""Runs a command that the kernel kills when its supervisor ends.

    python tether.py SUPERVISOR COMMAND …

A program of its own, run by its path: the supervisor has threads (its HTTP endpoint), and a forked child of such a process
may do next to nothing before it becomes another program. The process number stays: the command takes this process over.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_GONE = 75
_NOT_FOUND = 127  # as a shell says it


def main(arguments: list[str]) -> int:
    """Become the command."""
    supervisor, *command = arguments
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(supervisor):  # it ended before the kernel was told
        return _GONE
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # this interpreter ignores them, which would be inherited
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - that is what this program is for
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return _NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
