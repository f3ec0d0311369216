"""One folder outside the clone that holds everything fetched, each part complete or absent.

    <cache>/parts/<name>-<key>  one part, unpacked; the key is a digest of what it is made of
    <cache>/stage, locks        half-made parts, and one lock file per part

Standard library only: it is used before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from vpcflow.stack.errors import StackError

__all__ = ["Cache", "Progress", "cache_folder", "fingerprint", "quiet"]

Progress = Callable[[str], None]


def quiet(_line: str) -> None:
    """Say nothing: the progress of those who do not want any."""


def cache_folder(environ: Mapping[str, str] | None = None, *, root: bool | None = None) -> Path:
    """Return the folder: VPCFLOW_CACHE, else one for the machine (as root), else one below the home folder.

    As root the engines run as another user, who cannot enter a home folder: hence the machine's own.
    """
    environ = os.environ if environ is None else environ
    if chosen := environ.get("VPCFLOW_CACHE"):
        return Path(chosen).expanduser().resolve()
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/cache/vpcflow-stream")
    return Path(environ.get("HOME") or Path.home()) / ".cache" / "vpcflow-stream"


def fingerprint(*inputs: str | bytes) -> str:
    """Return a short digest of what a part is made of, so that a new lock makes a new folder."""
    digest = hashlib.sha256()
    for each in inputs:
        digest.update(hashlib.sha256(each.encode() if isinstance(each, str) else each).digest())
    return digest.hexdigest()[:12]


class Cache:
    """Parts by name and key, each made once, under a lock, in a stage folder that is renamed when complete."""

    def __init__(self, root: Path | None = None) -> None:
        """Use `root`, else the folder of this machine or user."""
        self.root = root or cache_folder()

    def path(self, name: str, key: str) -> Path:
        """Return where a part is, or will be."""
        return self.root / "parts" / f"{name}-{key}"

    def part(self, name: str, key: str, build: Callable[[Path], None], progress: Progress = quiet) -> Path:
        """Return the folder of a part; `build(stage)` fills it if it is not there yet."""
        path = self.path(name, key)
        if path.is_dir():
            return path
        with self._locked(name, progress):
            if path.is_dir():  # somebody else made it while we waited
                return path
            progress(f"{name}: fetching")
            began = time.monotonic()
            with self._stage(name) as stage:
                build(stage)
                _open_to_all(stage)
                stage.rename(path)
            progress(f"{name}: ready after {time.monotonic() - began:.1f} s")
        return path

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[Path]:
        """Give an empty folder. We hold the part's lock, so what lies there already is of a process that died."""
        parent = self.root / "stage" / name
        shutil.rmtree(parent, ignore_errors=True)
        parent.mkdir(parents=True)
        try:
            yield Path(tempfile.mkdtemp(dir=parent))
        finally:
            shutil.rmtree(parent, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self, name: str, progress: Progress) -> Iterator[None]:
        folder = self.root / "locks"
        try:
            for each in (self.root, self.root / "parts", folder):
                each.mkdir(parents=True, exist_ok=True)
                _open_to_all(each, deep=False)
            lock = (folder / f"{name}.lock").open("w")
        except OSError as error:
            message = f"cannot write the cache {self.root} ({error.strerror}): set VPCFLOW_CACHE to a folder of yours"
            raise StackError(message) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(f"{name}: is being fetched already, waiting")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _open_to_all(path: Path, *, deep: bool = True) -> None:
    """As root, let everybody read: the engines run as another user, whatever the umask was."""
    if os.geteuid() != 0:
        return
    for each in (path, *(path.rglob("*") if deep else ())):
        if not each.is_symlink():
            mode = each.stat().st_mode
            each.chmod(mode | 0o444 | (0o111 if each.is_dir() or mode & 0o100 else 0))
