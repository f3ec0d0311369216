"""The children's log lines, on their way to the supervisor's stderr.

The daemon writes whatever a child says on stderr twice, at ERROR and line by line. So children log into a FIFO in the run
folder instead, and the supervisor copies whole lines. What is written to a child's descriptor 2 by others (the interpreter's
last words, a library's print) still goes the daemon's way.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import select
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["LogReader", "log_stream"]

_CHUNK = 65_536


def log_stream(path: Path, fallback: int = 2) -> TextIO:
    """Return the child's end. Where nobody reads any more, lines go to the fallback."""
    raw = _LogWriter(path, fallback)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True)


class _LogWriter(io.BufferedIOBase):
    name = "logs"

    def __init__(self, path: Path, fallback: int) -> None:
        super().__init__()
        self._fallback = fallback
        try:
            self._fd: int | None = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.set_blocking(self._fd, True)
        except OSError:  # no supervisor: the watchdog says so soon
            self._fd = None

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        """Write all of it at once: the lock keeps lines apart that are longer than a pipe's atomic write."""
        line, fd = bytes(data), self._fd
        if fd is not None:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                try:
                    _write_all(fd, line)
                finally:
                    fcntl.flock(fd, fcntl.LOCK_UN)
            except OSError:
                self._fd = None
            else:
                return len(line)
        _write_all(self._fallback, line)
        return len(line)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


class LogReader:
    """The supervisor's end: copies whole lines, and is what its loop waits on."""

    def __init__(self, path: Path, target: BinaryIO) -> None:
        """Open both ends, so that the last child to leave does not end the FIFO."""
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._target = target
        self._rest = b""

    def copy(self, seconds: float) -> None:
        """Wait at most so long for lines, and copy what is there."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return
        try:
            data = self._rest + os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        lines, newline, self._rest = data.rpartition(b"\n")
        if newline:
            # A full disk, or nobody at the other end of stderr: lines are lost, records need not be.
            with contextlib.suppress(OSError):
                self._target.write(lines + newline)
                self._target.flush()

    def close(self) -> None:
        """Copy what is left, and close."""
        self.copy(0)
        os.close(self._fd)
