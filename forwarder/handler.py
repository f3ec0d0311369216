"""The Lambda's entry point, `forwarder.handler.handler`: the only place here that reads the environment.

Settings: the environment (`VPCFLOW_ELASTICSEARCH__HOSTS`, …) over the TOML file that `VPCFLOW_SETTINGS` names.
"""

from __future__ import annotations

import os
from typing import Any

from forwarder.process import Process
from vpcflow.clock import SystemClock
from vpcflow.metrics import emf
from vpcflow.metrics.meters import Tally

__all__ = ["handler"]

_process = Process(os.environ, SystemClock())


def handler(event: object, context: object) -> dict[str, Any]:
    """Answer one event of SQS, S3, CloudWatch Logs or Kinesis; what is not settled is named, or raised.

    Raises: ConfigError for wrong settings, EventError for an event of another kind, and any other VpcFlowError when nothing of
    a batch was settled, or not all of an event that has no partial answer. AWS gives the event once more then.

    Metrics of the invocation are one line on stdout, see `vpcflow.metrics.emf`.
    """
    program, namespace = _process.program(context)
    tally = Tally(keep=emf.KEPT)
    try:
        return program.answer(event, context, tally)
    finally:
        now = SystemClock().wall_ms()
        emf.write(tally.snapshot(), namespace=namespace, environ=os.environ, timestamp_ms=now)
