"""What /proc tells of processes: who came of whom, and where they listen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

_LISTENS = "0A"
_LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def descendants(pid: int) -> dict[int, str]:
    """Return process ids and what they run, the given one among them."""
    children: dict[int, list[int]] = {}
    commands: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
                commands[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return {each: commands[each] for each in found if each in commands}


def alive(pids: Iterable[int]) -> set[int]:
    """Return those that still run."""
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


def listening(pids: Iterable[int]) -> dict[str, bool]:
    """Return the addresses where processes listen, as the kernel writes them, and whether each is of loopback."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for each in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(str(each.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and fields[9] in inodes:
                found[fields[1]] = fields[1].partition(":")[0] in _LOOPBACK
    return found
