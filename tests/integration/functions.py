"""The zips of our Lambdas, as `make lambda` packs them: once in a session."""

from __future__ import annotations

import platform
from pathlib import Path

from tests.deploy.forwarder.packing import packer
from vpcflow.stack.cache import Cache

__all__ = ["ARCHITECTURE", "HANDLERS", "Zips"]

ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
HANDLERS = {"forwarder": "forwarder.handler.handler", "transform": "firehose_transform.handler.handler"}


class Zips:
    """python: what functions run on, `3.13`; wheels are chosen by it."""

    def __init__(self, folder: Path, python: str) -> None:
        self._folder, self.python = folder, python
        self._packed: dict[str, bytes] = {}

    def __getitem__(self, program: str) -> bytes:
        """Return the zip of a program for this machine. Raises StackError where its wheels cannot be had."""
        if program not in self._packed:
            path = packer().pack(program, ARCHITECTURE, self._folder, Cache(), python=self.python)
            self._packed[program] = path.read_bytes()
        return self._packed[program]
