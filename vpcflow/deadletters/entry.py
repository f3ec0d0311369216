"""One dead letter, and how it is written down."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from vpcflow.types import Origin

__all__ = ["FORMAT_VERSION", "DeadLetter"]

FORMAT_VERSION = 2
_READABLE = (1, 2)
_ID_BYTES = 16
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("reason", "message", "source", "error_type", "document_id"), str),
    **dict.fromkeys(("position", "first_seen_ms", "attempts"), int),
    **dict.fromkeys(("identity", "context", "origin"), dict),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One line that could not be decoded, or one document that the engine rejected.

    reason: a `vpcflow.types.Reason`, `rejected`, or `diverted`.
    error_type: the engine's `error.type`; empty where the engine was not asked.
    message: why, in one line.
    raw: the flow-log line, or the record where it has no lines.
    source: `Origin.name`.
    identity: what people find the record by: sequence number, stream, …
    position: index of the line or event in its record; -1: the record as a whole.
    first_seen_ms: when it was read first, milliseconds since 1970.
    attempts: how often it was tried; a replay that fails counts one more.
    origin: of the record, as the codec was told; None in letters of format 1.
    context: what its `_id` and document depend on beside that, see `vpcflow.types.line_context`.
    document_id: the `_id` of the document that was rejected.
    """

    reason: str
    message: str
    raw: bytes
    source: str
    position: int
    first_seen_ms: int
    error_type: str = ""
    identity: Mapping[str, str | int] = field(default_factory=dict)
    attempts: int = 1
    origin: Origin | None = None
    context: Mapping[str, str | int] = field(default_factory=dict)
    document_id: str = ""

    @property
    def format_version(self) -> int:
        """Return the version of the format that can say all of this."""
        return FORMAT_VERSION if self.origin else 1

    @property
    def id(self) -> str:
        """Return 32 hexadecimal characters: the same thing that failed has the same, whenever and however it failed."""
        known: list[object] = [self.source, dict(self.identity), self.position, dict(self.context)]
        if self.origin and not self.origin.identity:
            # All that tells it from the same text at the same place of another delivery.
            known.append(self.origin.arrival_ms)
        digest = blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=_ID_BYTES)
        digest.update(self.origin.identity if self.origin else b"")
        digest.update(self.raw)
        return digest.hexdigest()

    def to_json(self) -> bytes:
        """Return one line of ASCII with its newline; `raw` as text, or as `raw_base64` where it is not UTF-8."""
        entry: dict[str, Any] = {
            "format_version": self.format_version,
            "reason": self.reason,
            "error_type": self.error_type,
            "message": self.message,
            "source": self.source,
            "identity": dict(self.identity),
            "position": self.position,
            "first_seen_ms": self.first_seen_ms,
            "attempts": self.attempts,
        }
        if self.origin:
            entry["origin"] = {
                "identity_base64": b64encode(self.origin.identity).decode(),
                "arrival_ms": self.origin.arrival_ms,
                "fields": dict(self.origin.fields),
            }
            if self.origin.time_ms is not None:
                entry["origin"]["time_ms"] = self.origin.time_ms
            entry["context"] = dict(self.context)
            entry["document_id"] = self.document_id
        try:
            entry["raw"] = self.raw.decode()
        except UnicodeDecodeError:
            entry["raw_base64"] = b64encode(self.raw).decode()
        # ASCII can say half a surrogate pair, and what SQS does not take as it is.
        return json.dumps(entry, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> DeadLetter:
        """Return what `to_json` wrote, in this version or an earlier one.

        Raises:
            ValueError: not one of ours, or of a later version.
        """
        entry = json.loads(line)
        if not isinstance(entry, dict) or entry.pop("format_version", None) not in _READABLE:
            raise ValueError(f"not a dead letter of format_version {' or '.join(map(str, _READABLE))}")
        wrong = [name for name, kind in _KINDS.items() if name in entry and not isinstance(entry[name], kind)]
        if wrong:
            raise ValueError(f"not a dead letter: {', '.join(wrong)} of another type")
        try:
            raw = (
                b64decode(entry.pop("raw_base64"), validate=True)
                if "raw_base64" in entry
                else entry.pop("raw").encode()
            )
            origin = entry.pop("origin", None)
            if origin is not None:
                origin = Origin(
                    identity=b64decode(origin["identity_base64"], validate=True),
                    name=entry["source"],
                    arrival_ms=origin["arrival_ms"],
                    time_ms=origin.get("time_ms"),
                    fields=origin["fields"],
                )
            return cls(raw=raw, origin=origin, **entry)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a dead letter: {error}") from error
