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
from vpcflow.stack.server import Watch, end_group

__all__ = ["ConsumerProcess", "settings_text"]

_STOP_SECONDS = 30.0
_BAD = ("warning", "error", "critical")


def settings_text(tables: Mapping[str, Mapping[str, object]]) -> str:
    """Return TOML. Values are texts, numbers, booleans and lists of texts, which TOML writes as JSON does."""
    lines: list[str] = []
    for section, table in tables.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)


class ConsumerProcess:
    """Runs the consumer; ends it on the way out, as an operator would, with SIGTERM.

    Should the demo itself be killed, a watch ends the consumer and removes `work`.
    """

    def __init__(self, settings: Path, log: Path, environ: Mapping[str, str], *, work: Path | None = None) -> None:
        """Start nothing yet. log: the consumer's JSON lines."""
        self._settings = settings
        self._log = log
        self._environ = environ
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None

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
        self._watch = Watch([self._process.pid], self._work)
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
        if self._process is not None and (code := self._process.poll()) is not None:
            raise VpcFlowError(f"the consumer ended by itself, exit code {code}{self.last_words()}; see {self._log}")

    def last_words(self) -> str:
        """Return what it complained of last, ready to be put behind a sentence; "" if it did not complain."""
        for text in reversed(self._log.read_text(encoding="utf-8", errors="replace").splitlines()):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and line.get("level") in _BAD:
                reason = line.get("reason") or line.get("first") or ""
                return f": {line.get('msg', '')}{': ' if reason else ''}{reason}"
        return ""

    def detach(self) -> None:
        """Leave it running."""
        if self._process is not None:
            self._process.returncode = 0  # so that nothing complains of a child not waited for
            self._process = None
        self._dismiss()

    def stop(self) -> None:
        """Ask it to stop; insist if it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            end_group(process.pid)
            process.wait()
        finally:
            self._dismiss()

    def _dismiss(self) -> None:
        if self._watch is not None:
            self._watch.dismiss()
            self._watch = None
