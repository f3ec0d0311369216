"""`vpcflow serve firehose` in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
KEY = "a key of the delivery stream"
_PATIENCE_SECONDS = 60.0


class Receiver:
    """A running receiver; use it as a context. It ends by SIGTERM, and with 0."""

    def __init__(self, environ: Mapping[str, str], folder: Path, *, listen: str = "127.0.0.1:0") -> None:
        self._log = folder / f"receiver-{time.monotonic_ns()}.log"
        environ = {
            "PATH": os.environ["PATH"],
            **environ,
            "VPCFLOW_LOGS__LEVEL": "info",
            "VPCFLOW_RECEIVER__LISTEN": listen,
            "VPCFLOW_RECEIVER__ADMIN_LISTEN": "",
            "VPCFLOW_RECEIVER__ACCESS_KEY": KEY,
            "VPCFLOW_RECEIVER__CHECK_SECONDS": "0.1",
            "VPCFLOW_DEADLETTERS__PATH": str(folder / "letters"),
            "VPCFLOW_DEADLETTERS__ACCEPT_LOSS": "true",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vpcflow", "serve", "firehose"], stderr=log, cwd=ROOT, env=environ
            )

    def __enter__(self) -> Self:
        end = time.monotonic() + _PATIENCE_SECONDS
        while (line := self._said("receiver listens")) is None:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, "the receiver does not listen"
            time.sleep(0.05)
        self.address = f"127.0.0.1:{line['port']}"
        self.url = f"http://{self.address}/"
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        assert self._process.wait(_PATIENCE_SECONDS) == 0, self._log.read_text()

    def _said(self, message: str) -> dict[str, Any] | None:
        for line in self._log.read_text().splitlines(keepends=True):
            if line.endswith("\n") and (told := json.loads(line))["msg"] == message:
                return dict(told)
        return None
