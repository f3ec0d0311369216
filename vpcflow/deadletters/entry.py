"""One dead letter, and how it is written down."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

__all__ = ["FORMAT_VERSION", "DeadLetter"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One line that could not be decoded, or one document that the engine rejected.

    reason: a `vpcflow.types.Reason`, or `rejected`.
    error_type: the engine's `error.type`; empty where the engine was not asked.
    message: why, in one line.
    raw: the flow-log line, or the record where it has no lines.
    source: `Origin.name`.
    identity: what finds the record again: sequence number, shard, …
    position: index of the line or event in its record; -1: the record as a whole.
    first_seen_ms: when it was read first, milliseconds since 1970.
    attempts: how often it was tried; a replay that fails counts one more.
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
    format_version: int = FORMAT_VERSION

    def to_json(self) -> bytes:
        """Return one line with its newline; `raw` as text, or as `raw_base64` where it is not UTF-8."""
        entry: dict[str, object] = {
            "format_version": self.format_version,
            "reason": self.reason,
            "error_type": self.error_type,
            "message": _text(self.message),
            "source": _text(self.source),
            "identity": dict(self.identity),
            "position": self.position,
            "first_seen_ms": self.first_seen_ms,
            "attempts": self.attempts,
        }
        try:
            entry["raw"] = self.raw.decode()
        except UnicodeDecodeError:
            entry["raw_base64"] = b64encode(self.raw).decode()
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_json(cls, line: bytes) -> DeadLetter:
        """Return what `to_json` wrote.

        Raises:
            ValueError: not one of ours, or of a later version.
        """
        entry = orjson.loads(line)
        if not isinstance(entry, dict) or entry.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"not a dead letter of format_version {FORMAT_VERSION}")
        try:
            raw = b64decode(entry.pop("raw_base64")) if "raw_base64" in entry else entry.pop("raw").encode()
            return cls(raw=raw, **entry)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a dead letter: {error}") from error


def _text(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
