"""The Lambda's entry point, `firehose_transform.handler.handler`: the only place here that reads the environment.

Settings: the environment (`VPCFLOW_DOCUMENT__SHAPE`, …) over the TOML file that `VPCFLOW_SETTINGS` names.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from firehose_transform.events import parse_request
from firehose_transform.transform import Complaint, transform
from vpcflow.codec import Decoder
from vpcflow.logs import configure, get_logger
from vpcflow.settings.decoding import codec_options
from vpcflow.settings.load import load

__all__ = ["handler"]

_log = get_logger("firehose_transform")


@cache
def _decoder() -> Decoder:
    path = os.environ.get("VPCFLOW_SETTINGS")
    settings = load(Path(path) if path else None, os.environ).settings
    configure(settings.logs.level)
    return Decoder(codec_options(settings))


def _complain(complaint: Complaint) -> None:
    fields = {"record_id": complaint.record_id, "problem": complaint.message, "reasons": complaint.reasons}
    _log.error("record not transformed", extra={"fields": fields})


def handler(event: object, _context: object) -> dict[str, Any]:
    """Answer one transformation event.

    Raises: ConfigError for wrong settings and EventError for an event of another kind; Firehose then tries the batch again
    and at last keeps it in its error prefix. No record is ever answered Ok or Dropped on the way.
    """
    return transform(parse_request(event), _decoder(), _complain)
