"""Files from the Maven repository, by a lock: coordinates and SHA-256 of every one.

The lock is complete, so no POM is read: that makes it quick, and the same everywhere. `MAVEN_REPO_URL` names a mirror.
"""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from vpcflow.stack.errors import StackError

if TYPE_CHECKING:
    import requests

__all__ = ["Artifact", "download", "locked", "read_lock"]

_TRIES = 3
_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Artifact:
    """One line of the lock."""

    part: str
    group: str
    name: str
    version: str
    packaging: str
    sha256: str

    @property
    def file(self) -> str:
        """Return the file's name."""
        return f"{self.name}-{self.version}.{self.packaging}"

    @property
    def path(self) -> str:
        """Return where it is in a repository."""
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.file}"


def read_lock(text: str) -> list[Artifact]:
    """Parse a lock: `part  group:artifact:version:packaging  sha256` a line."""
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            part, coordinates, digest = line.split()
            group, name, version, packaging = coordinates.split(":")
            found.append(Artifact(part, group, name, version, packaging, digest))
    return found


def locked(part: str) -> list[Artifact]:
    """Return what the lock names for a part."""
    text = (resources.files("vpcflow.stack") / "data" / "maven.lock").read_text()
    return [each for each in read_lock(text) if each.part == part]


def download(artifacts: list[Artifact], folder: Path) -> list[Path]:
    """Fetch the artifacts into `folder` and check every one.

    Raises:
        StackError: one could not be had, or is not the file that the lock names.
    """
    try:
        import requests
        from jgo.maven import MavenContext
        from requests.adapters import HTTPAdapter
    except ImportError as error:
        raise StackError(
            "the embedded stack fetches Java files with jgo: pip install 'vpcflow-stream[stack]'"
        ) from error
    mirror = os.environ.get("MAVEN_REPO_URL")
    context = MavenContext(local_repos=[], remote_repos={"mirror": mirror.rstrip("/")} if mirror else None)
    (repository,) = context.remote_repos.values()
    with requests.Session() as session, ThreadPoolExecutor(_WORKERS) as pool:
        # jgo's own download opens two connections for each file; kept open, they take a fifth of the time.
        session.mount("https://", HTTPAdapter(pool_maxsize=_WORKERS))
        return list(pool.map(lambda each: _fetch(session, f"{repository}/{each.path}", each, folder), artifacts))


def _fetch(session: requests.Session, url: str, wanted: Artifact, folder: Path) -> Path:
    file = folder / wanted.file
    for left in reversed(range(_TRIES)):
        try:
            with session.get(url, stream=True, timeout=60) as answer, file.open("wb") as out:
                answer.raise_for_status()
                digest = hashlib.sha256()
                for chunk in answer.iter_content(1 << 16):
                    out.write(chunk)
                    digest.update(chunk)
            break
        except OSError as error:  # what requests raises is one, too
            if not left:
                raise StackError(f"{wanted.file}: cannot be fetched: {type(error).__name__}: {error}") from error
            time.sleep(1)
    if digest.hexdigest() != wanted.sha256:
        message = f"{wanted.file}: SHA-256 {digest.hexdigest()} is not that of maven.lock: not used"
        raise StackError(f"{message}; look at your mirror or proxy")
    return file
