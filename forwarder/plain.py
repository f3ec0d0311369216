"""What a message of a queue holds that names no S3 object: flow logs themselves, or nothing that can be used."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from vpcflow.objects.notification import NotificationError, notification

__all__ = ["Content", "content_of"]

_PACKED = "H4sI"  # gzip in base64; no line of a flow log begins so


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """data: for the codec. problem: why there is nothing for it."""

    data: bytes = b""
    problem: str = ""

    @property
    def is_empty(self) -> bool:
        """Return whether there was nothing in the message."""
        return not self.data and not self.problem


def content_of(body: str) -> Content | None:
    """Return what a message holds; None for one that names objects, says that nothing came, or tests the queue.

    Flow-log text, a payload of CloudWatch Logs or `{"message": "<line>"}` is for the codec; JSON that is neither is not.
    """
    text = body.strip()
    if not text:
        return Content()
    if text.startswith(_PACKED):
        return Content(data=_unpacked(text))
    if text[0] not in "{[":
        return Content(data=body.encode("utf-8", "surrogatepass"))
    try:
        notification(body)
    except NotificationError as error:
        return Content(data=body.encode()) if _is_wrapper(body) else Content(problem=str(error))
    return None


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode("utf-8", "surrogatepass")


def _is_wrapper(body: str) -> bool:
    """Return whether it is a payload of CloudWatch Logs, or wrapped lines; several of them, one a line, count too."""
    for line in (body, body.strip().partition("\n")[0]):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        return isinstance(value, Mapping) and ("logEvents" in value or isinstance(value.get("message"), str))
    return False
