"""What Amazon Data Firehose leaves in S3 when it gives up.

* `processing-failed/`: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
* `http-endpoint-failed/`, `AmazonOpenSearchService_failed/`, `elasticsearch-failed/`:
  https://docs.aws.amazon.com/firehose/latest/dev/retry.html
* `decompression-failed/`: https://docs.aws.amazon.com/firehose/latest/dev/writing-with-cloudwatch-logs-decompression.html

All but the last hold JSON objects, one a line, with `rawData` in base64: the record as it was given to what failed.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from vpcflow.codec.origins import firehose_origin
from vpcflow.codec.ready import NotReadyError, checked, is_ready, ready_items
from vpcflow.codec.stamps import StampCache
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.replay.trial import DOCUMENT
from vpcflow.types import Origin

__all__ = ["RAW_FOLDER", "delivery_origin", "firehose_letter", "firehose_letters", "is_firehose", "raw_letter"]

RAW_FOLDER = "decompression-failed"
_FOLDER = re.compile(
    r"(?:^|/)((?:processing|decompression|http-endpoint|elasticsearch|AmazonOpenSearch(?:Serverless)?Service)[-_]failed)/"
)
# <delivery stream>-<version>-YYYY-MM-dd-HH-MM-SS-<uuid>
_OBJECT = re.compile(r"([^/]+)-\d+-\d{4}(?:-\d\d){5}-[0-9a-fA-F-]{36}[^/]*$")


def is_firehose(value: Mapping[str, Any]) -> bool:
    """Return whether an object is one of Firehose's errors."""
    return isinstance(value.get("rawData"), str) and "arrivalTimestamp" in value


def firehose_letter(value: Mapping[str, Any], blob: str, *, arn: str) -> DeadLetter:
    """Return one of Firehose's errors as a dead letter.

    Args:
        value: the JSON object.
        blob: name of the object that it was in; its folder is the reason.
        arn: of the delivery stream; '' where nobody knows: then its name is taken from the object's.

    Raises:
        ValueError: `rawData` is no base64, `arrivalTimestamp` no number.
    """
    raw = b64decode(value["rawData"], validate=True)
    arrival_ms = int(value["arrivalTimestamp"])
    origin = delivery_origin(blob, arn, arrival_ms)
    is_document = _is_document(raw)
    name = value.get("esDocumentId")
    return DeadLetter(
        reason=_reason(blob),
        error_type=str(value.get("errorCode") or value.get("lastErrorCode") or ""),
        message=" ".join(str(value.get("errorMessage") or value.get("lastErrorMessage") or "").split()),
        raw=raw,
        source=origin.name,
        position=-1,
        first_seen_ms=arrival_ms,
        attempts=max(int(value.get("attemptsMade") or 1), 1),
        origin=origin,
        context={DOCUMENT: 1} if is_document else {},
        document_id=name if is_document and isinstance(name, str) else "",
    )


def firehose_letters(value: Mapping[str, Any], blob: str, *, arn: str) -> Iterator[DeadLetter | Unreadable]:
    """Yield one of Firehose's errors as dead letters: bulk lines of our transformation as the documents that they are.

    Arguments and errors are those of `firehose_letter`.
    """
    letter = firehose_letter(value, blob, arn=arn)
    lines = letter.raw.split(b"\n")
    items = [*ready_items(enumerate(lines, start=1))] if is_ready(lines[0]) else []
    if not items or any(item.action is None for item in items):
        yield letter
        return
    stamps = StampCache()
    for item in items:
        try:
            name, _ = checked(item, stamps)
        except NotReadyError as error:
            yield Unreadable(f"{blob}, line {item.position} of a record", str(error))
        else:
            yield replace(letter, raw=item.document, context={DOCUMENT: 1}, document_id=name)


def raw_letter(data: bytes, blob: str, *, arn: str) -> DeadLetter:
    """Return an object that is the records themselves, one after the other: those that Firehose could not unpack."""
    origin = delivery_origin(blob, arn, None)
    message = "delivered as it came"
    return DeadLetter(
        reason=_reason(blob), message=message, raw=data, source=origin.name, position=-1, first_seen_ms=0, origin=origin
    )


def delivery_origin(blob: str, arn: str, arrival_ms: int | None) -> Origin:
    """Return the origin of what a delivery stream left in an object. Without an ARN, the object's name names the stream."""
    origin = firehose_origin(arn=arn, arrival_ms=arrival_ms)
    named = _OBJECT.search(blob)
    return replace(origin, name=f"firehose:{named[1]}") if named and not arn else origin


def _reason(blob: str) -> str:
    folder = _FOLDER.search(blob)
    return folder[1] if folder else "firehose"


def _is_document(raw: bytes) -> bool:
    """Return whether the record was a document already: what our transformation makes, on its way to the engine."""
    if not raw.lstrip().startswith(b"{"):
        return False
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and isinstance(value.get("@timestamp"), str)
