"""Lines on their way to be rendered, and the log events of CloudWatch among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vpcflow.types import Reason, Undecodable, line_context

__all__ = ["Events", "log_events", "without_long"]

_UTF8_BYTES = 4  # a character takes at most


@dataclass(slots=True)
class Events:
    """Lines on their way, as parallel lists: text, place in the record, identity, time (ms) if the transport has one.

    offsets: of lines whose place in their object is known; else empty.
    blank: how many more there were without any text: nothing can be made of them, and nothing is lost with them.
    """

    texts: list[str] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    identities: list[bytes] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    blank: int = 0

    def add(self, text: str, position: int, identity: bytes, ms: int | None, offset: int | None = None) -> None:
        """Add one line."""
        self.texts.append(text)
        self.positions.append(position)
        self.identities.append(identity)
        self.times.append(ms)
        if offset is not None:
            self.offsets.append(offset)

    def undecodable(self, place: int, reason: Reason, message: str, shared: Mapping[str, str | int]) -> Undecodable:
        """Return the line at this place as one that gives no document; `shared` as in `Decoded`."""
        return Undecodable(
            reason=reason,
            message=message,
            position=self.positions[place],
            raw=self.texts[place].encode("utf-8", "surrogatepass"),
            context=line_context(
                shared, self.identities[place], self.times[place], self.offsets[place] if self.offsets else None
            ),
        )

    def only(self, places: list[int]) -> Events:
        """Return the lines at these places."""
        return Events(
            [self.texts[place] for place in places],
            [self.positions[place] for place in places],
            [self.identities[place] for place in places],
            [self.times[place] for place in places],
            [self.offsets[place] for place in places] if self.offsets else [],
        )


def log_events(raw_events: list[Any], first: int, fallback_ms: int | None) -> tuple[Events, list[Undecodable]]:
    """Return CloudWatch log events. `id` is text, but emulators send numbers; without a time `fallback_ms` counts."""
    try:
        texts = [raw["message"] for raw in raw_events]
        names = [raw["id"] for raw in raw_events]
        times = [raw["timestamp"] for raw in raw_events]
    except (KeyError, TypeError, IndexError):
        texts, names, times = [], [], []
    regular = set(map(type, texts)) == {str} and set(map(type, names)) == {str} and set(map(type, times)) == {int}
    if regular and all(names) and all(map(str.strip, texts)):
        identities = [name.encode("utf-8", "surrogatepass") for name in names]
        return Events(texts, list(range(first, first + len(texts))), identities, times), []
    events, bad = Events(), []
    for position, raw in enumerate(raw_events, start=first):
        message, name = (raw.get("message"), raw.get("id")) if isinstance(raw, dict) else (None, None)
        if isinstance(message, str) and not message.strip():
            events.blank += 1
            continue
        # Events without an id of their own would all be one and the same document.
        if isinstance(message, str) and type(name) in (str, int) and name != "":
            ms = raw.get("timestamp")
            time = ms if type(ms) is int else fallback_ms
            events.add(message, position, str(name).encode("utf-8", "surrogatepass"), time)
            continue
        problem = "log event without id or message"
        bad.append(Undecodable(reason=Reason.ENVELOPE, message=problem, position=position, raw=_json(raw)))
    return events, bad


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        return b'"nested too deeply to be written"'


def without_long(events: Events, bad: list[Undecodable], longest: int, shared: Mapping[str, str | int]) -> Events:
    """Return the lines of at most `longest` bytes; the others go to `bad`, with what they share."""
    if not events.texts or max(map(len, events.texts)) * _UTF8_BYTES <= longest:
        return events
    kept = []
    for place, text in enumerate(events.texts):
        raw = text.encode("utf-8", "surrogatepass")
        if len(raw) <= longest:
            kept.append(place)
            continue
        message = f"{len(raw)} bytes, over limits.max_line_bytes ({longest})"
        bad.append(events.undecodable(place, Reason.LINE_TOO_LONG, message, shared))
    return events.only(kept)
