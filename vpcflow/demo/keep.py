"""What is left running with --keep, and the one command that ends it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

__all__ = ["write_stop"]

_STOP = """\
#!/bin/sh
# Ends what the demo left running: the consumer first, so that it can settle and checkpoint; then the servers.
if grep -qs consumer /proc/{pid}/cmdline; then
  kill {pid}
  while kill -0 {pid} 2>/dev/null; do sleep 0.2; done
fi
PYTHONPATH={root} {python} -m vpcflow.stack stop {pids}
rm -rf {work}
"""


def write_stop(work: Path, *, pid: int, pids: Path) -> Path:
    """Write the script that ends the consumer and the servers, and removes the folder that it is in."""
    path = work / "stop.sh"
    root = Path(__file__).resolve().parents[2]
    quoted = {
        name: shlex.quote(str(value))
        for name, value in {"root": root, "python": sys.executable, "pids": pids, "work": work}.items()
    }
    path.write_text(_STOP.format(pid=pid, **quoted), encoding="utf-8")
    path.chmod(0o700)
    return path
