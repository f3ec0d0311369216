"""Dead letters in a folder: JSON lines, on disk before anything is settled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vpcflow.clock import Clock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import DataError, DeadLetterError

__all__ = ["FileDeadLetters", "read_entries"]

_SUFFIX = ".jsonl"


class FileDeadLetters:
    """Dead letters in a folder, files of its own for each process: `<start>-<pid>-<number>.jsonl`.

    Nobody else writes to them, so a line that a crash cut off can only be the last of a file that is never continued.
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
        if self._descriptor is not None and self._size and self._size + more > self._max_file_bytes:
            self.close()
        if self._descriptor is None:
            self._descriptor = self._begin()
            self._size = 0
        return self._descriptor

    def _begin(self) -> int:
        while True:
            self._number += 1
            path = self._folder / f"{self._stem}-{self._number:04}{_SUFFIX}"
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:  # a container's pid 1, started twice in a millisecond
                continue
            _sync_folder(self._folder)
            return descriptor

    def _error(self, error: OSError) -> DeadLetterError:
        reason = error.strerror or str(error)
        return DeadLetterError(
            f"dead letters: cannot write to {self._folder}: {reason}; free or grant the space, or set deadletters.path"
        )


def read_entries(folder: Path) -> Iterator[DeadLetter]:
    """Yield what is in a folder, file by file in the order they were begun; a cut-off last line is left out.

    Raises:
        DataError: no such folder, or a line that is no dead letter; it says which.
    """
    if not folder.is_dir():
        raise DataError(f"dead letters: {folder} is no folder; give the one of deadletters.path")
    for path in sorted(folder.glob(f"*{_SUFFIX}"), key=_order):
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    yield DeadLetter.from_json(line)
                except ValueError as error:
                    raise DataError(f"{path}:{number}: {error}; remove or mend the line") from error


def _order(path: Path) -> tuple[int, str]:
    start = path.name.partition("-")[0]
    return (int(start) if start.isdecimal() else 0, path.name)


def _sync_folder(folder: Path) -> None:
    """Make the new file's name as durable as its contents."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
