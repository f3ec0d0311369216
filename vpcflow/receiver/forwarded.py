"""Records that hold documents already: bulk lines of our own transformation Lambda, passed on as they are.

An action must be `create` with one of our ids, so that a second delivery is a duplicate; the index is the target's, whatever
the action says. JSON lines of documents carry such an id as `event.id`, or cannot be taken: without an id, each retry would
double them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from vpcflow.codec import CodecOptions
from vpcflow.codec.identity import ALPHABET
from vpcflow.codec.stamps import LATEST_MS, StampCache
from vpcflow.types import Decoded, Reason, Undecodable

__all__ = ["Forwarding"]

_ROWS = 512
_OPERATIONS = {"create", "index", "update", "delete"}
_ACTIONS = tuple(b'{"%b":' % operation.encode() for operation in sorted(_OPERATIONS))  # how our own lines begin
_ID = re.compile(f"[{re.escape(ALPHABET)}]{{32}}")
_TIME_CHARACTERS = 8
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


class _Wrong(Exception):
    """Why a document cannot be passed on."""


@dataclass(frozen=True, slots=True)
class _Item:
    """raw: its lines. action: the operation with its metadata; None: a line without an action, a document."""

    position: int
    raw: bytes
    action: tuple[str, object] | None
    document: bytes


class Forwarding:
    """Recognises such records, and turns them into chunks. Called by one thread."""

    def __init__(self, options: CodecOptions) -> None:
        """`options`: of the target."""
        self._pattern = options.index_mode == "pattern"
        self._ids = options.ids
        self._stamps = StampCache(options.target if self._pattern else "")

    def recognise(self, data: bytes) -> bool:
        """Return whether the record begins with an action, or with a document."""
        if not data.startswith(b"{"):
            return False
        first = _object(data.partition(b"\n")[0])
        if first is None:
            return False
        if "@timestamp" not in first:
            return _operation(first) is not None
        # With a message and without an id it is a line in a wrapper, as others deliver it.
        return _event_id(first) is not None or not isinstance(first.get("message"), str)

    def decode(self, data: bytes) -> Iterator[Decoded]:
        """Yield the record in chunks, as `vpcflow.codec.Decoder.decode` does."""
        chunk: list[_Item] = []
        for item in _items(data):
            chunk.append(item)
            if len(chunk) >= _ROWS:
                yield self._chunk(chunk)
                chunk = []
        if chunk:
            yield self._chunk(chunk)

    def _chunk(self, items: list[_Item]) -> Decoded:
        bodies: list[bytes] = []
        good: list[_Item] = []
        bad: list[Undecodable] = []
        for item in items:
            try:
                bodies.append(self._pair(item))
                good.append(item)
            except _Wrong as error:
                entry = Undecodable(reason=Reason.ENVELOPE, message=str(error), position=item.position, raw=item.raw)
                bad.append(entry)
        return Decoded(
            body=b"".join(bodies),
            count=len(good),
            messages=[item.raw.decode("utf-8", "surrogateescape") for item in good],
            positions=[item.position for item in good],
            undecodable=bad,
            lines=len(items),
        )

    def _pair(self, item: _Item) -> bytes:
        """Return action and document for the bulk."""
        document = _object(item.document)
        if item.action is not None and item.action[0] != "create":
            raise _Wrong(f"bulk operation {item.action[0]!r}: only create is passed on")
        if document is None:
            raise _Wrong("no JSON object where a document should be")
        name = self._name(item.action, document)
        meta: dict[str, str] = {}
        if self._pattern:
            meta["_index"] = self._stamps.of_ms(_milliseconds(name)).index_name
        if self._ids:
            meta["_id"] = name
        return orjson.dumps({"create": meta}) + b"\n" + item.document + b"\n"

    def _name(self, action: tuple[str, object] | None, document: dict[str, object]) -> str:
        """Return the id, if it is one of ours: it begins with the document's own time."""
        if action is None:
            name = _event_id(document)
            hint = "a document without an id of vpcflow in event.id; let the transformation send bulk lines, or none transform"
        else:
            name = action[1].get("_id") if isinstance(action[1], dict) else None
            hint = "a create action without an id of vpcflow"
        if not isinstance(name, str) or not _ID.fullmatch(name) or _milliseconds(name) > LATEST_MS:
            raise _Wrong(hint)
        if document.get("@timestamp") != self._stamps.of_ms(_milliseconds(name)).iso:
            raise _Wrong("the id and the @timestamp of the document do not belong together")
        return name


def _milliseconds(name: str) -> int:
    number = 0
    for character in name[:_TIME_CHARACTERS]:
        number = number * len(ALPHABET) + _VALUES[character]
    return number


def _object(line: bytes) -> dict[str, object] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _event_id(document: dict[str, object]) -> object:
    event = document.get("event")
    return event.get("id") if isinstance(event, dict) else None


def _operation(value: dict[str, object]) -> tuple[str, object] | None:
    if len(value) != 1:
        return None
    ((name, meta),) = value.items()
    return (name, meta) if name in _OPERATIONS else None


def _items(data: bytes) -> Iterator[_Item]:
    """Yield actions with their documents, and lines that have none; positions are those of lines."""
    lines = [line.rstrip(b"\r") for line in data.split(b"\n")]
    at = 0
    while at < len(lines):
        line = lines[at]
        value = _object(line) if line else None
        action = _operation(value) if value is not None else None
        if action is None:
            if line:
                yield _Item(at, line, None, line)
            at += 1
        elif action[0] == "delete" or at + 1 == len(lines) or lines[at + 1].startswith(_ACTIONS):
            yield _Item(at, line, action, b"")
            at += 1
        else:
            yield _Item(at, line + b"\n" + lines[at + 1], action, lines[at + 1])
            at += 2
