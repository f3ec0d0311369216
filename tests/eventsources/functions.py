"""Handlers that the runtime client loads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.eventsources.flows import MARGIN_SECONDS, our_handler
from vpcflow.clock import FakeClock
from vpcflow.pipeline.pipeline import Record

TIMEOUT_SECONDS = 60
_MADE: list[Any] = []


def by_body(event: dict[str, Any], _context: object) -> object:
    """Do what the body of the first message says; report those messages that say `fail`."""
    match event["Records"][0]["body"]:
        case "raise":
            raise RuntimeError("as told")
        case "exit":
            os._exit(1)
        case "nothing":
            return None
    failed = [row["messageId"] for row in event["Records"] if row["body"] == "fail"]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


def in_steps(event: dict[str, Any], context: object) -> object:
    """Forward, on a clock of its own; die where a file in the folder KILLS says so, once.

    `run-N`: after so many runs of lines; `answer`: when all is done and not said. STOP_AFTER: time is up after so many runs.
    """
    if not _MADE:
        _MADE.append(_Steps())
    return _MADE[0].answer(event, context)


class _Steps:
    def __init__(self) -> None:
        self._clock = FakeClock(wall_ms=int(os.environ["WALL_MS"]))
        environ = {name: value for name, value in os.environ.items() if name.startswith("VPCFLOW_")}
        self._handler = our_handler(self._clock, environ, block_bytes=8000, after_run=self._ran)
        self._runs, self._stop = 0, int(os.environ["STOP_AFTER"])

    def answer(self, event: dict[str, Any], context: object) -> object:
        self._runs = 0
        answer = self._handler(event, context)
        _die_at("answer")
        return answer

    def _ran(self, _record: Record) -> None:
        self._runs += 1
        _die_at(f"run-{self._runs}")
        if self._runs == self._stop:
            self._clock.advance(TIMEOUT_SECONDS - MARGIN_SECONDS)


def _die_at(step: str) -> None:
    path = Path(os.environ["KILLS"]) / step
    if path.exists():
        path.unlink()
        os._exit(1)
