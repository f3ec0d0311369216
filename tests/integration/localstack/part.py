"""What LocalStack in host mode is made of: a Python that it runs on, and an environment of its own in the cache.

Its 111 packages do not go together with ours. They lie in a virtual environment that is used as `bin/python -m …` only: what
else is in its `bin` names the folder that it was made in, before the cache gave it its place.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vpcflow.stack import maven
from vpcflow.stack.cache import Cache, Progress, fingerprint, quiet
from vpcflow.stack.errors import StackError

__all__ = ["LOCK", "Python", "agent", "environment", "find_python"]

LOCK = Path(__file__).resolve().parents[3] / "requirements" / "localstack.txt"
VERSION = (3, 13)
"""That LocalStack runs on, and our zip files are for: 3.12 has no `warnings.deprecated`, 3.14 is too new for its moto."""

_ASK = """
import ensurepip, json, sys, venv
json.dump([getattr(sys, "_base_executable", sys.executable), *sys.version_info[:3]], sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter."""

    command: str
    release: tuple[int, int, int]

    @property
    def version(self) -> str:
        """Return what Lambda and wheels call it: `3.13`."""
        return "{}.{}".format(*self.release)


def _candidates() -> Iterator[str]:
    name = "python{}.{}".format(*VERSION)
    yield from filter(None, map(shutil.which, (name, "python3")))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")  # its commands refuse what is not selected
    yield from map(str, sorted(pyenv.glob(f"versions/*/bin/{name}"), reverse=True))


def find_python() -> Python:
    """Return an interpreter that LocalStack runs on, each tried by running it.

    Raises:
        StackError: there is none.
    """
    if not sys.platform.startswith("linux"):
        raise StackError(
            f"LocalStack in host mode needs Linux, this is {sys.platform}: start one and set LOCALSTACK_HOST"
        )
    found: list[Python] = []
    for command in _candidates():
        try:
            done = subprocess.run([command, "-c", _ASK], capture_output=True, text=True, check=False, timeout=60)
            path, *release = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            continue
        found.append(Python(path, tuple(release)))
        if found[-1].release[:2] == VERSION:
            return found[-1]
    seen = ", ".join(sorted({each.version for each in found})) or "none"
    raise StackError(
        f"LocalStack needs Python 3.13 with venv, found {seen}: install one, or start a LocalStack"
        " and set LOCALSTACK_HOST"
    )


def environment(python: Python, cache: Cache, progress: Progress = quiet) -> Path:
    """Return the interpreter of the environment that holds LocalStack, made once."""
    lock = LOCK.read_text()

    def build(stage: Path) -> None:
        _run([python.command, "-m", "venv", stage])
        # Three packages come as sources, and what builds them must be there first: with hashes, pip fetches nothing beside.
        first = stage / "setuptools.txt"
        first.write_text("".join(re.findall(r"(?m)^setuptools==.*\n(?:\s.*\n)*", lock)))
        for each in (first, LOCK):
            options = ["--quiet", "--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
            _run([stage / "bin" / "python", "-m", "pip", "install", *options, "--no-build-isolation", "-r", each])

    pins = re.sub(r"(?m)^ *#.*\n", "", lock)  # who wants a package does not matter
    key = fingerprint(pins, python.command, str(python.release))
    return cache.part("localstack", key, build, progress) / "bin" / "python"


def agent(cache: Cache, progress: Progress = quiet) -> Path:
    """Return a Java agent that does nothing: LocalStack starts DynamoDB with one of its own, which we have no use for."""
    (wanted,) = maven.locked("localstack")

    def build(stage: Path) -> None:
        maven.download([wanted], stage)

    return cache.part("localstack-agent", fingerprint(wanted.sha256), build, progress) / wanted.file


def _run(command: list[str | Path]) -> None:
    kept = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        command, env={**kept, "PIP_ROOT_USER_ACTION": "ignore"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or ["no message"]
        told = next((line for line in lines if "error" in line.lower()), lines[-1])
        raise StackError(f"localstack: {command[2]} failed with exit code {done.returncode}: {told.strip()}")
