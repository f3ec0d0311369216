"""One line once more, apart from its record: with the `_id` and the document that it has in its record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from vpcflow.codec.decoder import Decoder
from vpcflow.types import Decoded, LinesAt, Origin

__all__ = ["decode_again"]


def decode_again(
    decoder: Decoder, raw: bytes, origin: Origin, *, position: int, context: Mapping[str, str | int]
) -> Iterator[Decoded]:
    """Yield what `raw` gives today. Never raises for bad data.

    Args:
        decoder: with today's options.
        raw: a line, or a record as a whole.
        origin: of its record.
        position: of the line or event in its record; negative: a record as a whole.
        context: `vpcflow.types.line_context` of the line. An event that has no `event_id` was no event: `raw` is its JSON.
    """
    if position >= 0 and ("offset" in context or "part" in context):
        return decoder.decode(_in_line(raw, context), origin, at=_place(position, context))
    if "log_group" in context:
        return decoder.decode(_payload(raw, context), origin, position=max(position, 0))
    arrival_ms = context.get("arrival_ms")
    if isinstance(arrival_ms, int):
        origin = replace(origin, arrival_ms=arrival_ms)
    header = context.get("header")
    occurrence = context.get("occurrence")
    before = {raw.decode("utf-8", "surrogatepass"): int(occurrence)} if occurrence else None
    if isinstance(header, str):  # it stands one place before the line, wherever it stood then: it gives no document
        data = header.encode("utf-8", "surrogatepass") + b"\n" + raw
        return decoder.decode(data, origin, position=position - 1, occurrences=before)
    return decoder.decode(raw, origin, position=max(position, 0), occurrences=before)


def _place(position: int, context: Mapping[str, str | int]) -> LinesAt:
    offset = context.get("offset")
    return LinesAt(
        position=position, header=str(context.get("header", "")), offset=None if offset is None else int(offset)
    )


def _in_line(raw: bytes, context: Mapping[str, str | int]) -> bytes:
    """Return the line of a run that this stood in, as far as its place in it counts."""
    if "log_group" in context:
        return _payload(raw, context)
    part = int(context.get("part", 0))
    if part == 0:
        return raw
    return json.dumps({"message": "\n" * part + raw.decode("utf-8", "surrogatepass")}).encode()


def _payload(raw: bytes, context: Mapping[str, str | int]) -> bytes:
    """Return a CloudWatch Logs payload of this one event. ASCII JSON can say what UTF-8 cannot: half a surrogate pair."""
    event: object
    if "event_id" in context:
        event = {"id": context["event_id"], "message": raw.decode("utf-8", "surrogatepass")}
        if "event_timestamp" in context:
            event = {**event, "timestamp": context["event_timestamp"]}
    else:
        event = json.loads(raw)
    payload = {
        "messageType": "DATA_MESSAGE",
        "owner": context["owner"],
        "logGroup": context["log_group"],
        "logStream": context["log_stream"],
        "logEvents": [event],
    }
    return json.dumps(payload).encode()
