"""The Lambda's entry point, `firehose_transform.handler.handler`: the only place here that reads the environment.

Settings: the environment (`VPCFLOW_DOCUMENT__SHAPE`, …) over the TOML file that `VPCFLOW_SETTINGS` names.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from firehose_transform.events import parse_request
from firehose_transform.transform import Complaint, transform
from vpcflow.clock import SystemClock
from vpcflow.codec import Decoder
from vpcflow.logs import configure, get_logger
from vpcflow.metrics import emf
from vpcflow.metrics.meters import Tally
from vpcflow.settings.decoding import codec_options
from vpcflow.settings.load import load

__all__ = ["handler"]

_log = get_logger("firehose_transform")


@cache
def _parts() -> tuple[Decoder, str]:
    """Return the decoder and the namespace of metrics."""
    path = os.environ.get("VPCFLOW_SETTINGS")
    settings = load(Path(path) if path else None, os.environ).settings
    configure(settings.logs.level)
    return Decoder(codec_options(settings)), settings.metrics.namespace


def _complain(complaint: Complaint) -> None:
    fields = {"record_id": complaint.record_id, "problem": complaint.message, "reasons": complaint.reasons}
    _log.error("record not transformed", extra={"fields": fields})


def handler(event: object, _context: object) -> dict[str, Any]:
    """Answer one transformation event.

    Raises: ConfigError for wrong settings and EventError for an event of another kind; Firehose then tries the batch again
    and at last keeps it in its error prefix. No record is ever answered Ok or Dropped on the way.

    Metrics of the invocation are one line on stdout, see `vpcflow.metrics.emf`.
    """
    decoder, namespace = _parts()
    tally = Tally(keep=emf.KEPT)
    response = transform(parse_request(event), decoder, _complain, tally)
    if namespace:
        dimensions = {"function": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")}
        now = SystemClock().wall_ms()
        line = emf.line(tally.snapshot(), namespace=namespace, dimensions=dimensions, timestamp_ms=now)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return response
