"""Lines that hold documents already: bulk lines of our own transformation Lambda, or documents as JSON lines.

An action must be `create` with one of our ids, so that a second delivery is a duplicate. JSON lines of documents carry such an
id as `event.id`, or cannot be taken: without an id, each retry would double them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from vpcflow.codec.identity import ALPHABET
from vpcflow.codec.stamps import LATEST_MS, Stamp, StampCache

__all__ = ["NotReadyError", "ReadyItem", "checked", "is_ready", "ready_items"]

_OPERATIONS = {"create", "index", "update", "delete"}
_ACTIONS = tuple(b'{"%b":' % operation.encode() for operation in sorted(_OPERATIONS))  # how our own lines begin
_ID = re.compile(f"[{re.escape(ALPHABET)}]{{32}}")
_TIME_CHARACTERS = 8
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


class NotReadyError(ValueError):
    """Why a document cannot be passed on."""


@dataclass(frozen=True, slots=True)
class ReadyItem:
    """raw: its lines. action: the operation with its metadata; None: a line without an action, a document."""

    position: int
    raw: bytes
    action: tuple[str, object] | None
    document: bytes


def is_ready(line: bytes) -> bool:
    """Return whether the first line of some data is an action, or a document."""
    if not line.startswith(b"{"):
        return False
    first = _object(line)
    if first is None:
        return False
    if "@timestamp" not in first:
        return _operation(first) is not None
    # With a message and without an id it is a line in a wrapper, as others deliver it.
    return _event_id(first) is not None or not isinstance(first.get("message"), str)


def ready_items(lines: Iterable[tuple[int, bytes]]) -> Iterator[ReadyItem]:
    """Yield actions with their documents, and lines that have none.

    Args:
        lines: each with its number, which becomes the item's position.
    """
    waiting: ReadyItem | None = None  # an action; its document is the next line
    for number, whole in lines:
        line = whole.rstrip(b"\r\n")
        if waiting is not None:
            action, waiting = waiting, None
            if not line.startswith(_ACTIONS):
                yield ReadyItem(action.position, action.raw + b"\n" + line, action.action, line)
                continue
            yield action
        value = _object(line) if line else None
        operation = _operation(value) if value is not None else None
        if operation is None:
            if line:
                yield ReadyItem(number, line, None, line)
        elif operation[0] == "delete":
            yield ReadyItem(number, line, operation, b"")
        else:
            waiting = ReadyItem(number, line, operation, b"")
    if waiting is not None:
        yield waiting


def checked(item: ReadyItem, stamps: StampCache) -> tuple[str, Stamp]:
    """Return the id, which is one of ours and begins with the document's own time, and the stamp of that time.

    Raises:
        NotReadyError: the item cannot be passed on.
    """
    document = _object(item.document)
    if item.action is not None and item.action[0] != "create":
        raise NotReadyError(f"bulk operation {item.action[0]!r}: only create is passed on")
    if document is None:
        raise NotReadyError("no JSON object where a document should be")
    if item.action is None:
        name = _event_id(document)
        hint = (
            "a document without an id of vpcflow in event.id; let the transformation send bulk lines, or none transform"
        )
    else:
        name = item.action[1].get("_id") if isinstance(item.action[1], dict) else None
        hint = "a create action without an id of vpcflow"
    if not isinstance(name, str) or not _ID.fullmatch(name) or _milliseconds(name) > LATEST_MS:
        raise NotReadyError(hint)
    stamp = stamps.of_ms(_milliseconds(name))
    if document.get("@timestamp") != stamp.iso:
        raise NotReadyError("the id and the @timestamp of the document do not belong together")
    return name, stamp


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
