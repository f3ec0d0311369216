"""Dead letters in a folder: JSON lines, on disk before anything is settled."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vpcflow.clock import Clock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import DeadLetterError

__all__ = ["SUFFIX", "FileDeadLetters", "lock_file", "sync_folder"]

SUFFIX = ".jsonl"


class FileDeadLetters:
    """Dead letters in a folder, files of its own for each process: `<start>-<pid>-<number>.jsonl`.

    No other process appends to them, so a line that a crash cut off can only be the last of a file that is never continued.
    A replay may take a file away: each `put` locks the file, and begins another if the one it has is no longer there.
    """

    def __init__(self, folder: Path, *, clock: Clock, max_file_bytes: int = 64_000_000) -> None:
        """Make the folder, for our eyes only; a file is begun with the first entry.

        Raises:
            DeadLetterError: there can be no such folder, or it is not writable.
        """
        self._folder = folder
        self._max_file_bytes = max_file_bytes
        self._stem = f"{clock.wall_ms()}-{os.getpid()}"
        self._number = 0
        self._path = folder
        self._descriptor: int | None = None
        self._size = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._error(error) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise DeadLetterError(
                f"dead letters: {folder} is not writable; give it to this user, or set deadletters.path"
            )

    def put(self, *entries: DeadLetter) -> None:
        """Append and sync, see `DeadLetters.put`. After a failure the file is left as it is and another one begun."""
        lines = b"".join(entry.to_json() for entry in entries)
        if not lines:
            return
        try:
            descriptor = self._file(len(lines))
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError as error:
            self.close()
            raise self._error(error) from error
        self._size += len(lines)

    def close(self) -> None:
        """Close the file; the next entry begins another."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _file(self, more: int) -> int:
        """Return the file to append to, locked."""
        if self._descriptor is not None and self._size and self._size + more > self._max_file_bytes:
            self.close()
        if self._descriptor is not None and not lock_file(self._descriptor, self._path):
            self.close()
        if self._descriptor is None:
            self._descriptor = self._begin()
            self._size = 0
            lock_file(self._descriptor, self._path)  # empty: a replay has no reason to take it away
        return self._descriptor

    def _begin(self) -> int:
        while True:
            self._number += 1
            self._path = self._folder / f"{self._stem}-{self._number:04}{SUFFIX}"
            try:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:  # a container's pid 1, started twice in a millisecond
                continue
            sync_folder(self._folder)
            return descriptor

    def _error(self, error: OSError) -> DeadLetterError:
        reason = error.strerror or str(error)
        return DeadLetterError(
            f"dead letters: cannot write to {self._folder}: {reason}; free or grant the space, or set deadletters.path"
        )


def lock_file(descriptor: int, path: Path) -> bool:
    """Wait until nobody else writes to an open file; return whether it is still the one at `path`."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files' contents."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
