"""Packages of Debian, by the machine's own apt sources: downloaded and unpacked, never installed.

apt gets a state folder of its own, so that nothing of the machine's is touched, and another suite than the machine's can be
asked for. What comes is checked by apt against the archive's signatures.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vpcflow.stack.cache import Cache, Progress, fingerprint, quiet
from vpcflow.stack.errors import StackError

__all__ = ["Mirror", "architecture", "mirror", "unpacked"]

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_CONFIGURATION = """\
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Sandbox::User "root";
"""


@dataclass(frozen=True)
class Mirror:
    """Where the machine has its packages from, and what they are signed with."""

    uri: str
    keyring: Path = _KEYRING

    def source(self, suite: str) -> str:
        """Return a line for sources.list."""
        return f"deb [signed-by={self.keyring}] {self.uri} {suite} main"


def run(command: list[str], what: str, **options: object) -> str:
    """Run a command and return what it says. Raises StackError with its last words."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    except FileNotFoundError as error:
        raise StackError(f"{what}: this machine has no {command[0]}") from error
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no message"]
        told = next((line for line in lines if line.startswith(("E:", "error"))), lines[-1])
        raise StackError(f"{what}: {command[0]} failed with exit code {done.returncode}: {told.strip()}")
    return str(done.stdout)


def architecture() -> str:
    """Return Debian's word for this machine. Raises StackError."""
    return run(["dpkg", "--print-architecture"], "Debian packages").strip()


def mirror() -> Mirror:
    """Return the first archive of Debian's own that the machine's apt sources name. Raises StackError."""
    form = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)"
    for line in run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], "apt sources").splitlines():
        origin, name, uri = line.split("|")
        if origin == "Debian" and not name.endswith(("-security", "-updates", "-backports")):
            if not _KEYRING.exists():
                raise StackError(f"apt sources: no {_KEYRING}; install debian-archive-keyring")
            return Mirror(uri)
    raise StackError("apt sources: none of this machine's is Debian's archive (or `apt-get update` was never run)")


def unpacked(
    part: str,
    suite: str,
    packages: tuple[str, ...],
    cache: Cache,
    progress: Progress = quiet,
    *,
    finish: Callable[[Path], None] | None = None,
) -> Path:
    """Return a folder with the content of packages, without what they depend on. Raises StackError.

    finish: done once to what was unpacked.
    """

    def build(stage: Path) -> None:
        source = mirror().source(suite)
        with tempfile.TemporaryDirectory(prefix="vpcflow-apt-") as name:
            folder = Path(name)
            for each in ("lists/partial", "archives/partial"):
                (folder / each).mkdir(parents=True)
            (folder / "status").touch()
            (folder / "sources.list").write_text(source + "\n")
            (folder / "apt.conf").write_text(_CONFIGURATION.format(folder=folder))
            apt = ["env", f"APT_CONFIG={folder / 'apt.conf'}", "apt-get", "-qq"]
            run([*apt, "update"], f"packages of Debian {suite}")
            run([*apt, "download", *packages], f"packages of Debian {suite}", cwd=folder)
            for package in sorted(folder.glob("*.deb")):
                run(["dpkg", "-x", str(package), str(stage)], package.name)
        if finish is not None:
            finish(stage)

    return cache.part(part, fingerprint(suite, architecture(), *packages), build, progress)
