"""JSON around flow-log lines: CloudWatch Logs subscription payloads, and `{"message": "<line>"}` of direct delivery.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html. Strict about what we need, tolerant of
what AWS adds: unknown keys are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Control", "EnvelopeError", "Lines", "Payload", "envelopes"]


class EnvelopeError(ValueError):
    """JSON that is neither of the two kinds; `str()` says why."""


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
        raise EnvelopeError(f"JSON with messageType {kind!r} and no message: no CloudWatch Logs payload, no wrapper")
    texts = [value.get(name, "") for name in ("owner", "logGroup", "logStream")]
    events = value.get("logEvents")
    if not isinstance(events, list):
        raise EnvelopeError("DATA_MESSAGE without a list of logEvents")
    if not all(isinstance(text, str) for text in texts):
        raise EnvelopeError("DATA_MESSAGE whose owner, logGroup or logStream is no text")
    return Payload(owner=texts[0], log_group=texts[1], log_stream=texts[2], events=events)


def _values(text: str) -> list[object] | None:
    """Return all JSON values of a text that is nothing but JSON values, or None."""
    decoder, at = json.JSONDecoder(), 0
    values: list[object] = []
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return values
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        values.append(value)


def envelopes(data: bytes, text: str | None) -> Iterator[Payload | Control | Lines | EnvelopeError]:
    """Yield what a record that starts with `{` holds: one value, several with or without a space between, or lines.

    `text` is `data` decoded, None where that is no UTF-8.
    """
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    else:
        yield _guarded(whole)
        return
    if text is None:
        yield EnvelopeError("neither JSON nor text in UTF-8")
        return
    values = _values(text)
    if values is not None:
        yield from map(_guarded, values)
        return
    if "\n" not in text.strip():
        yield EnvelopeError("damaged JSON")
        return
    for line in text.split("\n"):
        if not line.strip():
            continue
        if not line.startswith("{"):
            yield Lines(line)
            continue
        inner = _values(line)
        yield from map(_guarded, inner) if inner is not None else [EnvelopeError("damaged JSON")]


def _guarded(value: object) -> Payload | Control | Lines | EnvelopeError:
    try:
        return _envelope(value)
    except EnvelopeError as error:
        return error
