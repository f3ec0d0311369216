"""Which objects a message speaks of: S3's own notifications, bare, through SNS or EventBridge, and our continuations.

Told apart by structure. S3 writes keys URL-encoded, `+` for a space:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html; EventBridge has them as they are:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote_plus

import orjson

from vpcflow.errors import DataError
from vpcflow.objects.continuation import CONTINUATION, continuation_body, continued
from vpcflow.objects.reference import ObjectRef
from vpcflow.objects.shape import shape, shown

__all__ = ["Notification", "NotificationError", "continuation_body", "notification", "references"]

_MOST_CHARACTERS = 1_100_000  # SQS takes 1 MiB
_MOST_KEY_BYTES = 1024
_ENVELOPES = 3  # EventBridge in SNS, and one more
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_CREATED = "ObjectCreated:"
_OTHER = (  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
    "ObjectRemoved:",
    "ObjectRestore:",
    "ObjectTagging:",
    "ObjectAcl:",
    "Replication:",
    "LifecycleExpiration:",
    "LifecycleTransition",
    "IntelligentTiering",
    "ReducedRedundancyLostObject",
)


class NotificationError(DataError):
    """A message that speaks of no object in a way we know; names what it looks like, never its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What a message says.

    references: the objects that came, in the message's order.
    ignored: how many events it tells of something else: deletions, restores, …
    is_test: S3 tries the queue: nothing happened.
    """

    references: Sequence[ObjectRef] = ()
    ignored: int = 0
    is_test: bool = False


def references(body: object) -> list[ObjectRef]:
    """Return the objects that a message speaks of; see `notification`."""
    return list(notification(body).references)


def notification(body: object) -> Notification:
    """Read a message.

    Args:
        body: of an SQS message as text, or a parsed event.

    Raises:
        NotificationError: it is none of the known ones, in one line that names its shape.
    """
    return _read(body, _ENVELOPES)


def _read(body: object, depth: int) -> Notification:
    event = _parsed(body)
    if CONTINUATION in event:
        try:
            return Notification(references=(continued(event[CONTINUATION]),))
        except ValueError as error:
            raise NotificationError(f"a continuation that cannot be read: {error}") from error
    if event.get("Event") == "s3:TestEvent":
        return Notification(is_test=True)
    if "Records" in event:
        return _records(event["Records"])
    if "detail-type" in event:
        return _event_bridge(event)
    if "Type" in event and ("Message" in event or "TopicArn" in event):
        if event["Type"] != "Notification":
            kind = shown(event["Type"])
            raise NotificationError(f"a message of SNS of the type {kind}, no notification: confirm the subscription")
        if depth == 0:
            raise NotificationError("a notification in more than three envelopes")
        return _read(event.get("Message"), depth - 1)
    raise NotificationError(f"no notification of S3, SNS or EventBridge: {shape(event)}")


def _parsed(body: object) -> Mapping[str, object]:
    if isinstance(body, str | bytes):
        if len(body) > _MOST_CHARACTERS:
            raise NotificationError(f"a message of {len(body)} characters: no notification is larger than 1 MiB")
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise NotificationError(f"no notification: not JSON ({' '.join(str(error).split())})") from error
    if not isinstance(body, Mapping):
        raise NotificationError(f"no notification: {shape(body)}")
    return body


def _records(records: object) -> Notification:
    if not isinstance(records, list) or not records:
        raise NotificationError(f"a notification whose Records are {shape(records)}")
    found, ignored = [], 0
    for record in records:
        s3 = _of(record, "s3", "a record")
        name = record.get("eventName") if isinstance(record, Mapping) else None
        if not isinstance(name, str):
            raise NotificationError(f"a record of S3 without an eventName: {shape(record)}")
        name = name.removeprefix("s3:")
        if name.startswith(_CREATED):
            found.append(_reference(record, s3))
        elif name.startswith(_OTHER):
            ignored += 1
        else:
            raise NotificationError(f"a record of S3 with an eventName that S3 does not have: {shown(name)}")
    return Notification(references=found, ignored=ignored)


def _reference(record: Mapping[str, object], s3: Mapping[str, object]) -> ObjectRef:
    thing = _of(s3, "object", "a record of S3")
    try:
        key = unquote_plus(_text(thing, "key", "an object"), errors="strict")
    except UnicodeDecodeError as error:
        raise NotificationError("a record of S3 whose key, decoded, is not UTF-8") from error
    return _made(
        bucket=_text(_of(s3, "bucket", "a record of S3"), "name", "a bucket"),
        key=key,
        thing=thing,
        etag="eTag",
        version="versionId",
        region=record.get("awsRegion"),
        time=record.get("eventTime"),
    )


def _event_bridge(event: Mapping[str, object]) -> Notification:
    if event.get("source") != "aws.s3":
        raise NotificationError(f"an event of EventBridge from {shown(event.get('source'))}, not from aws.s3")
    kind = event["detail-type"]
    if kind != "Object Created":
        if isinstance(kind, str) and kind.startswith("Object "):
            return Notification(ignored=1)
        raise NotificationError(f"an event of EventBridge of the type {shown(kind)}, not Object Created")
    detail = _of(event, "detail", "an event of EventBridge")
    thing = _of(detail, "object", "a detail of EventBridge")
    reference = _made(
        bucket=_text(_of(detail, "bucket", "a detail of EventBridge"), "name", "a bucket"),
        key=_text(thing, "key", "an object"),
        thing=thing,
        etag="etag",
        version="version-id",
        region=event.get("region"),
        time=event.get("time"),
    )
    return Notification(references=(reference,))


def _made(
    *, bucket: str, key: str, thing: Mapping[str, object], etag: str, version: str, region: object, time: object
) -> ObjectRef:
    if not _BUCKET.fullmatch(bucket):
        raise NotificationError(f"a bucket's name that S3 does not allow: {shown(bucket)}")
    if not key or len(key.encode("utf-8", "surrogatepass")) > _MOST_KEY_BYTES:
        raise NotificationError(f"a key of {len(key)} characters: S3 has keys of 1 to {_MOST_KEY_BYTES} bytes")
    size = thing.get("size")
    return ObjectRef(
        bucket=bucket,
        key=key,
        etag=_optional(thing, etag).strip('"'),
        size=size if type(size) is int and size >= 0 else None,
        version_id="" if _optional(thing, version) == "null" else _optional(thing, version),
        region=region if isinstance(region, str) else "",
        event_time_ms=_milliseconds(time),
    )


def _of(holder: object, name: str, what: str) -> Mapping[str, object]:
    found = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(found, Mapping):
        raise NotificationError(f"{what} without {name!r}: {shape(holder)}")
    return found


def _text(holder: Mapping[str, object], name: str, what: str) -> str:
    found = holder.get(name)
    if not isinstance(found, str) or not found:
        raise NotificationError(f"{what} without {name!r}: {shape(holder)}")
    return found


def _optional(holder: Mapping[str, object], name: str) -> str:
    found = holder.get(name)
    if found is not None and not isinstance(found, str):
        raise NotificationError(f"an object whose {name!r} is {shape(found)}")
    return found or ""


def _milliseconds(time: object) -> int | None:
    if not isinstance(time, str):
        return None
    try:
        when = datetime.fromisoformat(time)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return round(when.timestamp() * 1000)
