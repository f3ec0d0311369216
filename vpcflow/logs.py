"""Logs as JSON lines: constant messages with fields, on stderr (stdout may be a protocol).

    log = get_logger(__name__)
    log.info("shard begun", extra={"fields": {"shard": shard}})

WARNING: unexpected, but nothing is lost. ERROR: data is lost, or a person is needed. Never a line per record.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Mapping
from typing import TextIO

import orjson

__all__ = ["JsonFormatter", "configure", "get_logger"]

# Clients that log each request, or each failed one, in their own words: their callers say it in ours.
_TALKATIVE = ("elastic_transport", "elasticsearch", "urllib3", "botocore", "boto3", "s3transfer", "uvicorn")


class JsonFormatter(logging.Formatter):
    """One JSON object per record: `ts`, `level`, `logger`, `msg`, then the fields; an exception is one field."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, object] = {
            "ts": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            line.update({key: value for key, value in fields.items() if key not in line})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _dumps(line)


def _dumps(line: dict[str, object]) -> str:
    options = orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(line, default=str, option=options).decode()
    except (
        orjson.JSONEncodeError
    ):  # a lone surrogate, an integer beyond 64 bits: a log line must not be the reason to die
        return orjson.dumps({key: ascii(value) for key, value in line.items()}, option=options).decode()


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logs to `stream` (default: stderr) as JSON lines; may be called again.

    Args:
        level: debug, info, warning or error.
        stream: where the lines go.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module."""
    return logging.getLogger(name)
