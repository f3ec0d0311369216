"""The Kinesis Client Library's jars: which ones, and whether they are what they should be.

The source distribution of amazon_kclpy downloads them while it is built, without a sum of any kind; the sums are ours.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from vpcflow.stack.errors import StackError

__all__ = ["check", "installed", "require", "sums"]


def sums() -> dict[str, str]:
    """Return the SHA-256 of every jar, by its file name."""
    text = (resources.files("vpcflow.stack") / "data" / "kcl-jars.sha256").read_text()
    return {name: digest for digest, name in (line.split() for line in text.splitlines() if line)}


def check(folder: Path) -> list[str]:
    """Return what is wrong with the jars in a folder, a line each; an empty list if nothing is."""
    expected, found = sums(), {path.name: path for path in sorted(folder.glob("*.jar"))}
    problems = [f"{name}: missing in {folder}" for name in expected if name not in found]
    for name, path in found.items():
        if name not in expected:
            problems.append(f"{name}: not one of amazon_kclpy's jars, in {folder}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != expected[name]:
            problems.append(f"{name}: not the file it should be (SHA-256 differs from kcl-jars.sha256), in {folder}")
    return problems


def installed() -> Path | None:
    """Return the jars' folder of the installed amazon_kclpy; None if it is not installed."""
    found = find_spec("amazon_kclpy")
    return Path(found.origin).parent / "jars" if found and found.origin else None


def require(folder: Path) -> None:
    """Raise StackError, with the first problem in its message, unless the jars are right."""
    if problems := check(folder):
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        raise StackError(f"{problems[0]}{more}; remove the package amazon_kclpy and set up again")
