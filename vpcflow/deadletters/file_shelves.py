"""The files of `vpcflow.deadletters.files`, read and rewritten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.files import SUFFIX, lock_file, sync_folder
from vpcflow.errors import DataError, DeadLetterError

__all__ = ["FileShelf", "FileShelves", "read_entries"]

_EX_NOINPUT = 66


class FileShelf:
    """One file. Bytes are read as they are needed; to settle, the file is written anew and takes the old one's name."""

    def __init__(self, path: Path) -> None:
        """Keep the path; nothing is opened."""
        self._path = path
        self._status: os.stat_result | None = None
        self.where = str(path)

    def letters(self) -> Iterator[tuple[int, DeadLetter | Unreadable]]:
        """Yield each whole line; its place is its number, from 1."""
        try:
            with self._path.open("rb") as file:
                self._status = os.fstat(file.fileno())
                for number, line in _whole_lines(file):
                    try:
                        yield number, DeadLetter.from_json(line)
                    except ValueError as error:
                        yield number, Unreadable(f"{self._path}:{number}", str(error))
        except OSError as error:
            raise self._error(error) from error

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Write the file anew, sync, rename; see `Shelf.settle`. What was appended since it was read is in it, too."""
        if not changes:
            return
        fresh = self._path.with_suffix(".new")
        try:
            with self._path.open("rb") as file:
                if not lock_file(file.fileno(), self._path) or not self._is_the_one(file):
                    raise DeadLetterError(
                        f"dead letters: {self._path} was changed by somebody else; run the replay again"
                    )
                if _rewrite(file, fresh, changes):
                    fresh.replace(self._path)
                else:
                    fresh.unlink()
                    self._path.unlink()
                sync_folder(self._path.parent)
        except OSError as error:
            raise self._error(error) from error

    def _is_the_one(self, file: BinaryIO) -> bool:
        return self._status is not None and os.path.samestat(self._status, os.fstat(file.fileno()))

    def _error(self, error: OSError) -> DeadLetterError:
        return DeadLetterError(
            f"dead letters: {self._path}: {error.strerror}; it stays as it was, see to it and run again"
        )


class FileShelves:
    """The files of a folder, in the order they were begun."""

    def __init__(self, folder: Path) -> None:
        """Keep the path."""
        self._folder = folder

    def shelves(self) -> Iterator[FileShelf]:
        """Yield them.

        Raises:
            DataError: no such folder (exit 66).
        """
        if not self._folder.is_dir():
            said = f"dead letters: {self._folder} is no folder; give the one of deadletters.path"
            raise DataError(said, exit_code=_EX_NOINPUT)
        for path in sorted(self._folder.glob(f"*{SUFFIX}"), key=_order):
            yield FileShelf(path)

    def close(self) -> None:
        """Do nothing: files are closed when they are read."""


def read_entries(folder: Path) -> Iterator[DeadLetter]:
    """Yield what is in a folder, file by file in the order they were begun; a cut-off last line is left out.

    Raises:
        DataError: no such folder, or a line that is no dead letter; it says which.
    """
    for shelf in FileShelves(folder).shelves():
        for _, letter in shelf.letters():
            if isinstance(letter, Unreadable):
                raise DataError(f"{letter.where}: {letter.message}; remove or mend the line")
            yield letter


def _whole_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        if not line.endswith(b"\n"):
            return
        yield number, line


def _rewrite(file: BinaryIO, fresh: Path, changes: Mapping[int, Sequence[DeadLetter]]) -> int:
    """Write `file` with its changes to `fresh` and sync it; return how many bytes that are."""
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        for number, line in _whole_lines(file):
            out.write(b"".join(one.to_json() for one in changes[number]) if number in changes else line)
        out.flush()
        os.fsync(out.fileno())
        return out.tell()


def _order(path: Path) -> tuple[int, str]:
    start = path.name.partition("-")[0]
    return (int(start) if start.isdecimal() else 0, path.name)
