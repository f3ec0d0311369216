"""JSON around flow-log lines: CloudWatch Logs subscription payloads, and `{"message": "<line>"}` of direct delivery.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html. Strict about what we need, tolerant of
what AWS adds: unknown keys are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any

import orjson

from vpcflow.types import Reason

__all__ = ["Control", "EnvelopeError", "Lines", "Payload", "envelopes", "text_or_error"]


class EnvelopeError(ValueError):
    """JSON that is neither of the two kinds, or no text at all; `str()` says why."""

    def __init__(self, message: str, raw: bytes = b"", reason: Reason = Reason.ENVELOPE) -> None:
        """Keep the bytes that are meant beside the words."""
        super().__init__(message)
        self.raw = raw
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A DATA_MESSAGE. events: as they came, not yet looked at."""

    owner: str
    log_group: str
    log_stream: str
    events: list[Any]


@dataclass(frozen=True, slots=True)
class Control:
    """A CONTROL_MESSAGE: CloudWatch Logs asks whether we are there."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Text that is no JSON, or the message of a wrapper."""

    text: str


def _envelope(value: object) -> Payload | Control | Lines:
    if not isinstance(value, Mapping):
        raise EnvelopeError("JSON that is no object")
    kind = value.get("messageType")
    if kind is None and isinstance(value.get("message"), str):
        return Lines(value["message"])
    if kind == "CONTROL_MESSAGE":
        return Control()
    if kind != "DATA_MESSAGE":
        raise EnvelopeError(
            f"JSON with messageType {shortened(kind)} and no message: no CloudWatch Logs payload, no wrapper"
        )
    texts = [value.get(name, "") for name in ("owner", "logGroup", "logStream")]
    events = value.get("logEvents")
    if not isinstance(events, list):
        raise EnvelopeError("DATA_MESSAGE without a list of logEvents")
    if not all(isinstance(text, str) for text in texts):
        raise EnvelopeError("DATA_MESSAGE whose owner, logGroup or logStream is no text")
    return Payload(owner=texts[0], log_group=texts[1], log_stream=texts[2], events=events)


def _values(text: str) -> list[tuple[object, int, int]] | None:
    """Return all JSON values of a text that is nothing but JSON values, each with its place, or None."""
    decoder, at = json.JSONDecoder(), 0
    values: list[tuple[object, int, int]] = []
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return values
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        values.append((value, at, end))
        at = end


def envelopes(data: bytes, text: str | None = None) -> Iterator[Payload | Control | Lines | EnvelopeError]:
    """Yield what a record that starts with `{` holds: one value, several with or without a space between, or lines.

    `text` is `data` decoded; only needed where `data` cannot be.
    """
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    else:
        yield _guarded(whole, data)
        return
    if text is None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            yield from _byte_lines(data)
            return
    values = _values(text)
    if values is not None:
        for value, start, end in values:
            yield _guarded(value, text, start, end)
    elif "\n" not in text.strip():
        yield EnvelopeError("damaged JSON", data.strip())
    else:
        for line in text.rstrip("\r\n").split("\n"):
            yield from _line(line)


def _line(line: str) -> Iterator[Payload | Control | Lines | EnvelopeError]:
    if not line.startswith("{"):
        yield Lines(line)
        return
    values = _values(line)
    if values is None:
        yield EnvelopeError("damaged JSON", line.encode("utf-8", "surrogatepass"))
        return
    for value, start, end in values:
        yield _guarded(value, line, start, end)


def text_or_error(raw: bytes) -> str | EnvelopeError:
    """Return one line's text, or why it has none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return EnvelopeError("no UTF-8", raw, Reason.ENCODING)


def _byte_lines(data: bytes) -> Iterator[Payload | Control | Lines | EnvelopeError]:
    """Yield a record some of whose bytes are no UTF-8, line by line, so that only those lines are lost."""
    for raw in data.rstrip(b"\r\n").split(b"\n"):
        line = text_or_error(raw)
        if isinstance(line, EnvelopeError):
            yield line
        else:
            yield from _line(line)


def _guarded(
    value: object, source: str | bytes, start: int = 0, end: int | None = None
) -> Payload | Control | Lines | EnvelopeError:
    try:
        return _envelope(value)
    except EnvelopeError as error:
        raw = source[start:end].strip()
        return EnvelopeError(str(error), raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass"))
