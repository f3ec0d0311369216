"""What Firehose wants back: one answer for each record, and all of them within Lambda's limit.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html,
https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-partitioning-keys.html
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from firehose_transform.events import Record

__all__ = ["Answer", "Complaint", "ReplyError", "Result", "failed", "response"]

Result = Literal["Ok", "Dropped", "ProcessingFailed"]
_FRAME_BYTES = len(json.dumps({"records": []}))
_COMMA_BYTES = len(", ")
_BASE64 = (string.ascii_letters + string.digits + "+/=").encode()


class ReplyError(RuntimeError):
    """The answers have no room in one reply; the invocation fails, and Firehose keeps the whole batch in its error prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Why a record could not be transformed, for the log. reasons: how many lines by reason."""

    record_id: str | None
    message: str
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One record's. data: base64, ASCII. keys: for dynamic partitioning."""

    record_id: str | None
    result: Result
    data: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)

    def value(self) -> dict[str, Any]:
        """Return it as Firehose wants it."""
        value: dict[str, Any] = {"recordId": self.record_id, "result": self.result, "data": self.data}
        if self.keys:
            value["metadata"] = {"partitionKeys": dict(self.keys)}
        return value

    @property
    def cost(self) -> int:
        """Return its bytes in the reply, the comma behind it among them."""
        return len(json.dumps({**self.value(), "data": ""})) + _json_bytes(self.data) + _COMMA_BYTES


def _json_bytes(text: str) -> int:
    """Return what a text takes between its quotes. Base64 is megabytes, and needs no escape."""
    if text.isascii() and not text.encode().translate(None, _BASE64):
        return len(text)
    return len(json.dumps(text)) - len('""')


def failed(record: Record) -> Answer:
    """Return the answer that makes Firehose keep a record, as it came, in its error prefix."""
    return Answer(record.record_id, "ProcessingFailed", record.data)


def response(answers: Sequence[Answer], limit: int) -> dict[str, Any]:
    """Return the whole reply, at most `limit` bytes as JSON.

    The runtime of Lambda writes JSON with spaces, and characters outside of ASCII not longer than `json.dumps` does.

    Raises:
        ReplyError: it would be longer.
    """
    size = _FRAME_BYTES + sum(answer.cost for answer in answers)
    if size > limit:
        raise ReplyError(
            f"the reply would have {size} bytes, over firehose.max_reply_bytes ({limit}); "
            "lower the buffer size of the transformation (BufferSizeInMBs)"
        )
    return {"records": [answer.value() for answer in answers]}
