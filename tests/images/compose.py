"""Docker Compose 2 out of a package of Debian: it checks a file without an engine. The machine's own is not asked."""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.images.debian import unpacked
from tests.required import skip_or_fail
from vpcflow.stack.cache import Cache
from vpcflow.stack.errors import StackError

__all__ = ["checked", "needed"]

_SUITE = "trixie"  # the first one with Compose 2
_PROGRAM = Path("usr/libexec/docker/cli-plugins/docker-compose")


@cache
def _program() -> Path:
    path = unpacked("compose", _SUITE, ("docker-compose",), Cache()) / _PROGRAM
    if not path.exists():
        raise StackError(f"the package has no {_PROGRAM}")
    return path


def needed() -> Path:
    """Return the program; where it cannot be had, skip the test, or fail if `tools` must not be skipped."""
    try:
        return _program()
    except StackError as error:
        skip_or_fail("tools", f"docker compose is not to be had: {error}")


def checked(program: Path, file: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Check a file as `docker compose config` does; stdout is what it means, as JSON."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            [program, "--file", file, "config", "--format=json"],
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": home, **variables},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
