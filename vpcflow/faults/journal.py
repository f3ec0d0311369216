"""The injection log: one JSON line for each fault, on its way to the disk before or as soon as the fault has happened."""

from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path

from vpcflow.clock import Clock, SystemClock
from vpcflow.errors import ConfigError

__all__ = ["Journal"]


class Journal:
    """Lines in memory, and in a file where one is given. Used by many threads.

    A line: `time` (UTC), `number` of the line, `rule` (its name, or its place in the script), `action`, `request` (its number
    among all), `method`, `path`, and what was done.
    """

    def __init__(self, file: Path | None = None, *, clock: Clock | None = None) -> None:
        """Append to the file.

        Raises:
            ConfigError: it cannot be written.
        """
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._lines: list[str] = []
        try:
            self._file = file.open("ab", buffering=0) if file else None
        except OSError as error:
            raise ConfigError(
                f"injection log: cannot write to {file}: {error.strerror}; choose another --log"
            ) from None

    def write(self, **entry: object) -> None:
        """Append a line; it is with the operating system when this returns, so that a killed process leaves it."""
        moment = dt.datetime.fromtimestamp(self._clock.wall_ms() / 1000, dt.UTC)
        with self._lock:
            number = len(self._lines) + 1
            line = json.dumps({"time": moment.isoformat(timespec="milliseconds"), "number": number, **entry})
            self._lines.append(line)
            if self._file:
                self._file.write(line.encode() + b"\n")

    def lines(self, action: str = "") -> list[str]:
        """Return what was written so far, of one action only where it is named."""
        with self._lock:
            lines = list(self._lines)
        return [line for line in lines if not action or json.loads(line)["action"] == action]

    def close(self) -> None:
        """Close the file; what a request that is still under way writes goes to memory only. May be called twice."""
        with self._lock:
            file, self._file = self._file, None
        if file:
            file.close()
