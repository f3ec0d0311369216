"""Servers that outlive the command that started them: a file with their process ids, and the end of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vpcflow.stack.errors import StackError
from vpcflow.stack.server import end_group

__all__ = ["stop", "write"]


def _born(pid: int) -> str:
    """Return when a process started, as the kernel counts; "" where that cannot be told or there is no such one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return done.stdout.strip()


def write(file: Path, servers: Mapping[str, int], remove: list[Path]) -> None:
    """Note the servers by name and process id, and the folders that go with them."""
    noted = {name: {"pid": pid, "born": _born(pid)} for name, pid in servers.items()}
    file.write_text(json.dumps({"servers": noted, "remove": [str(path) for path in remove]}, indent=1) + "\n")


def stop(file: Path) -> list[str]:
    """End the servers that a file names and remove their folders; return the names of those that still ran.

    A process id that another process has by now is left alone.
    """
    try:
        noted: dict[str, Any] = json.loads(file.read_text())
        servers = {name: (int(each["pid"]), str(each["born"])) for name, each in noted["servers"].items()}
        remove = [Path(path) for path in noted["remove"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackError(
            f"{file} is not a file with our servers' process ids ({error}): nothing was stopped"
        ) from error
    ended = []
    for name, (pid, born) in servers.items():
        if _born(pid) == born != "":
            end_group(pid)
            ended.append(name)
    file.unlink()
    for path in remove:
        shutil.rmtree(path, ignore_errors=True)
    return ended
