"""Parts of a record: some of its lines as a record of their own, with a mark, and with the ids that they have in the whole.

For transports that take back what had no room. A part of a CloudWatch Logs payload is such a payload, gzipped without
compression; a part of a text is `{"message": "<lines>"}`. Both have one more key, `vpcflow`, which says how often these lines
went round already, and what else their ids depend on: `Decoder` heeds it. Whoever does not know the key reads an ordinary
record.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import orjson

from vpcflow.codec.framing import GZIP_MAGIC, FramingError, members
from vpcflow.types import Decoded

__all__ = ["Mark", "looks_marked", "opened", "part", "read_mark"]

_KEY = "vpcflow"
_WORD = _KEY.encode()
# Also as it stands in a JSON text inside of a JSON text.
_TRACE = re.compile(rb'vpcflow\\*"\s*:\s*\\*\{')
_HEAD = 64  # our mark stands first, and without compression the bytes of a part are its text
_NESTED = 3
_GZIP_WINDOW = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a part says about itself.

    hops: how often these lines were put into the stream once more; 1 or more.
    arrival_ms: of the record that they came in first.
    occurrences: of lines of text, how often the same text stood before this part.
    """

    hops: int
    arrival_ms: int | None = None
    occurrences: Mapping[str, int] = field(default_factory=dict)

    def value(self) -> dict[str, object]:
        """Return the value of the key."""
        known: dict[str, object] = {"hops": self.hops}
        if self.arrival_ms is not None:
            known["arrival_ms"] = self.arrival_ms
        if self.occurrences:
            known["occurrences"] = dict(self.occurrences)
        return known


def opened(data: bytes, limit: int) -> bytes:
    """Return what a record of one gzip member holds; any other, a damaged or too large one among them, as it is."""
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        first = list(islice(members(data, limit), 2))
    except FramingError:
        return data
    return first[0] if len(first) == 1 else data


def looks_marked(head: bytes) -> bool:
    """Return whether a record that begins like this (at least 64 bytes, if there are so many) is probably a part."""
    return _TRACE.search(head[:_HEAD]) is not None


def read_mark(content: bytes) -> Mark | None:
    """Return the mark of an `opened` part; None where there is none, or one that is damaged: then it is no part."""
    if _WORD not in content or _TRACE.search(content) is None:
        return None
    text: bytes | str = content
    for _ in range(_NESTED):
        value = _json(text)
        if not isinstance(value, Mapping):
            return None
        if _KEY in value:
            return _mark(value[_KEY])
        message = value.get("message")
        if not isinstance(message, str):
            return None
        text = message
    return None


def _json(text: bytes | str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text)  # half a surrogate pair can be said in JSON, too
    except (ValueError, RecursionError):
        return None


def _mark(value: object) -> Mark | None:
    if not isinstance(value, Mapping) or not _is_number(value.get("hops"), least=1):
        return None
    arrival, occurrences = value.get("arrival_ms"), value.get("occurrences", {})
    if arrival is not None and not _is_number(arrival, least=0):
        return None
    if not isinstance(occurrences, Mapping) or not all(_is_number(one, least=1) for one in occurrences.values()):
        return None
    return Mark(hops=value["hops"], arrival_ms=arrival, occurrences=occurrences)


def _is_number(value: object, *, least: int) -> bool:
    return type(value) is int and value >= least


def part(decoded: Decoded, places: Sequence[int], *, hops: int, arrival_ms: int | None, weight: int) -> bytes:
    """Return the lines at these places of a chunk as a record.

    Args:
        decoded: of a record whose origin has no identity of its own.
        places: of documents in it, rising.
        hops: of the mark.
        arrival_ms: of the record that they came in first.
        weight: bytes; a shorter part is filled up with spaces.
    """
    if "log_group" in decoded.shared:
        mark = Mark(hops=hops, arrival_ms=arrival_ms)
        text = json.dumps({_KEY: mark.value(), **_payload(decoded, places)}, separators=(",", ":"))
        packer = zlib.compressobj(0, wbits=_GZIP_WINDOW)
        return packer.compress(text.ljust(weight).encode()) + packer.flush()
    mark = Mark(hops=hops, arrival_ms=arrival_ms, occurrences=_occurrences(decoded, places))
    header = decoded.shared.get("header")
    lines = [str(header)] if header is not None else []
    lines += [decoded.messages[place] for place in places]
    return json.dumps({_KEY: mark.value(), "message": "\n".join(lines)}, separators=(",", ":")).ljust(weight).encode()


def _payload(decoded: Decoded, places: Sequence[int]) -> dict[str, object]:
    shared = decoded.shared
    events = []
    for place in places:
        event: dict[str, object] = {"id": decoded.identities[place].decode("utf-8", "surrogatepass")}
        if decoded.times[place] is not None:
            event["timestamp"] = decoded.times[place]
        events.append({**event, "message": decoded.messages[place]})
    return {
        "messageType": "DATA_MESSAGE",
        "owner": shared["owner"],
        "logGroup": shared["log_group"],
        "logStream": shared["log_stream"],
        "logEvents": events,
    }


def _occurrences(decoded: Decoded, places: Sequence[int]) -> dict[str, int]:
    known: dict[str, int] = {}
    for place in places:
        text, number = decoded.messages[place], decoded.context(place).get("occurrence", 0)
        if text not in known and isinstance(number, int):
            known[text] = number
    return {text: number for text, number in known.items() if number}
