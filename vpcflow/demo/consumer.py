"""The real consumer, as a process of its own: `python -m consumer`, exactly as in production, with short KCL timings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from vpcflow.errors import VpcFlowError

__all__ = ["ConsumerProcess", "settings_text"]

_STOP_SECONDS = 30.0


def settings_text(tables: Mapping[str, Mapping[str, object]]) -> str:
    """Return TOML. Values are texts, numbers, booleans and lists of texts, which TOML writes as JSON does."""
    lines: list[str] = []
    for section, table in tables.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)


class ConsumerProcess:
    """Runs the consumer; ends it on the way out, as an operator would, with SIGTERM."""

    def __init__(self, settings: Path, log: Path, environ: Mapping[str, str]) -> None:
        """Start nothing yet. log: the consumer's JSON lines."""
        self._settings = settings
        self._log = log
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        root = str(Path(__file__).resolve().parents[2])
        search = os.pathsep.join(filter(None, (root, self._environ.get("PYTHONPATH"))))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "consumer", "--settings", str(self._settings)],
                env={**self._environ, "PYTHONPATH": search},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the demo is not for it: it is asked to stop in its turn
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def pid(self) -> int:
        """Return the process number, 0 when it does not run."""
        return self._process.pid if self._process else 0

    def check(self) -> None:
        """Raise VpcFlowError if it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            last = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
            raise VpcFlowError(f"the consumer ended with {self._process.returncode}: {' '.join(last)[:300]}")

    def detach(self) -> None:
        """Leave it running."""
        self._process = None

    def stop(self) -> None:
        """Ask it to stop; insist if it does not."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
