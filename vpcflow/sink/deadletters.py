"""What nobody will ever take, kept with its reason: JSON lines, on disk before anything is settled."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import orjson

from vpcflow.clock import Clock
from vpcflow.errors import DataError, DeadLetterError

__all__ = ["FORMAT_VERSION", "DeadLetter", "DeadLetters", "FileDeadLetters", "MemoryDeadLetters", "read_entries"]

FORMAT_VERSION = 1
_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One line that could not be decoded, or one document that the engine rejected.

    reason: a `vpcflow.types.Reason`, or `rejected`.
    error_type: the engine's `error.type`; empty where the engine was not asked.
    message: why, in one line.
    raw: the flow-log line, or the record where it has no lines.
    source: `Origin.name`.
    identity: what finds the record again: sequence number, shard, …
    position: index of the line or event in its record; -1: the record as a whole.
    first_seen_ms: when it was read first, milliseconds since 1970.
    attempts: how often it was tried; a replay that fails counts one more.
    """

    reason: str
    message: str
    raw: bytes
    source: str
    position: int
    first_seen_ms: int
    error_type: str = ""
    identity: Mapping[str, str | int] = field(default_factory=dict)
    attempts: int = 1
    format_version: int = FORMAT_VERSION

    def to_json(self) -> bytes:
        """Return one line with its newline; `raw` as text, or as `raw_base64` where it is not UTF-8."""
        entry: dict[str, object] = {
            "format_version": self.format_version,
            "reason": self.reason,
            "error_type": self.error_type,
            "message": _text(self.message),
            "source": _text(self.source),
            "identity": dict(self.identity),
            "position": self.position,
            "first_seen_ms": self.first_seen_ms,
            "attempts": self.attempts,
        }
        try:
            entry["raw"] = self.raw.decode()
        except UnicodeDecodeError:
            entry["raw_base64"] = b64encode(self.raw).decode()
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_json(cls, line: bytes) -> DeadLetter:
        """Return what `to_json` wrote.

        Raises:
            ValueError: not one of ours, or of a later version.
        """
        entry = orjson.loads(line)
        if not isinstance(entry, dict) or entry.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"not a dead letter of format_version {FORMAT_VERSION}")
        try:
            raw = b64decode(entry.pop("raw_base64")) if "raw_base64" in entry else entry.pop("raw").encode()
            return cls(raw=raw, **entry)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a dead letter: {error}") from error


class DeadLetters(Protocol):
    """Keeps dead letters. Called by one thread, before the record they belong to is settled."""

    def put(self, *entries: DeadLetter) -> None:
        """Keep all of them: durable when it returns. The same entry may come again after a restart.

        Raises:
            DeadLetterError: not kept, or not all; nothing may be settled.
        """
        ...

    def close(self) -> None:
        """Let go of files. May be called twice."""
        ...


class MemoryDeadLetters:
    """Dead letters in a list, `entries`; for tests and dry runs."""

    def __init__(self) -> None:
        """Start with none."""
        self.entries: list[DeadLetter] = []

    def put(self, *entries: DeadLetter) -> None:
        """Append."""
        self.entries.extend(entries)

    def close(self) -> None:
        """Do nothing."""


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


def _text(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _sync_folder(folder: Path) -> None:
    """Make the new file's name as durable as its contents."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
