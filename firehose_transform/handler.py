"""The Lambda's entry point, `firehose_transform.handler.handler`: the only place here that reads the environment.

Settings: the environment (`VPCFLOW_FIREHOSE__MODE`, …) over the TOML file that `VPCFLOW_SETTINGS` names.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from firehose_transform.program import Program
from vpcflow.clock import SystemClock
from vpcflow.logs import configure
from vpcflow.metrics import emf
from vpcflow.metrics.meters import Tally
from vpcflow.settings.load import load, say_unused

__all__ = ["handler"]


@cache
def _program() -> tuple[Program, str]:
    """Return the program and the namespace of metrics."""
    path = os.environ.get("VPCFLOW_SETTINGS")
    loaded = load(Path(path) if path else None, os.environ)
    settings = loaded.settings
    configure(settings.logs.level)
    say_unused(loaded)
    return Program(settings, os.environ, SystemClock()), settings.metrics.namespace


def handler(event: object, context: object) -> dict[str, Any]:
    """Answer one transformation event.

    Raises: ConfigError for wrong settings, EventError for an event of another kind, ReplyError for one that cannot be answered
    within the limit; in the mode `deliver` also SinkError, DataError and DeadLetterError when nothing, or nothing more, can be
    settled. Firehose then tries the batch again and at last keeps it in its error prefix. No record is ever answered Ok or
    Dropped on the way.

    Metrics of the invocation are one line on stdout, see `vpcflow.metrics.emf`.
    """
    program, namespace = _program()
    tally = Tally(keep=emf.KEPT)
    try:
        return program.answer(event, context, tally)
    finally:
        now = SystemClock().wall_ms()
        emf.write(tally.snapshot(), namespace=namespace, environ=os.environ, timestamp_ms=now)
