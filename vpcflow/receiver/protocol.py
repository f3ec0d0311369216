"""The contract of Firehose's HTTP endpoint destination: what comes, and what it wants back. No I/O.

https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html. Only 200 is a success; anything else is tried
again, and at last kept in the S3 backup. 413 is the exception: final, and kept nowhere. It is never given here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import orjson

from vpcflow.codec.stamps import LATEST_MS

__all__ = ["Head", "Refusal", "Reply", "Request", "read_attributes", "read_body", "read_head", "reply"]

_LONGEST_ID = 256
_LONGEST_MESSAGE = 1_000  # characters; a reply may have 1 MiB
_HEADER = "x-amz-firehose-"

OK, BAD_REQUEST, FAILED, AWAY = 200, 400, 500, 503


class Refusal(Exception):
    """Why a request is not settled. `str()` is one line for the sender's log; it holds no key and no record.

    result: the word that counts it, see `vpcflow.metrics.catalog.FIREHOSE_REQUESTS`.
    """

    def __init__(self, status: int, result: str, message: str) -> None:
        """Keep them. Raises ValueError for 413, which would lose the records."""
        if status in (OK, 413):
            raise ValueError(status)
        super().__init__(" ".join(message.split()))
        self.status = status
        self.result = result


def _invalid(message: str) -> Refusal:
    return Refusal(BAD_REQUEST, "invalid", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the headers say. source: the delivery stream's ARN, or ''. attributes: the header as it came, or ''."""

    request_id: str = ""
    access_key: str = field(default="", repr=False)
    source: str = ""
    attributes: str = ""
    gzip: bool = False


class _Record(msgspec.Struct, frozen=True, gc=False):
    data: bytes  # base64 in JSON


class _Body(msgspec.Struct, frozen=True):
    request_id: str = msgspec.field(name="requestId")
    timestamp: int
    records: list[_Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. timestamp_ms: when Firehose made it, milliseconds since 1970. records: their bytes, in order."""

    request_id: str
    timestamp_ms: int
    records: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a JSON body."""

    status: int
    body: bytes


_DECODER = msgspec.json.Decoder(_Body)


def read_head(headers: Mapping[str, str]) -> tuple[Head, Refusal | None]:
    """Return what the headers say, and why such a request cannot be taken, if so.

    Args:
        headers: by lower-case name.
    """
    request_id = headers.get(f"{_HEADER}request-id", "")
    encoding = headers.get("content-encoding", "").strip().lower()
    head = Head(
        request_id=request_id[:_LONGEST_ID],
        access_key=headers.get(f"{_HEADER}access-key", ""),
        source=headers.get(f"{_HEADER}source-arn", ""),
        attributes=headers.get(f"{_HEADER}common-attributes", ""),
        gzip=encoding == "gzip",
    )
    version = headers.get(f"{_HEADER}protocol-version", "1.0")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    problem = ""
    if version != "1.0":
        problem = f"protocol version {version[:20]!r}; this receiver speaks 1.0"
    elif not request_id or len(request_id) > _LONGEST_ID:
        problem = "no X-Amz-Firehose-Request-Id, or one that is too long; is this Firehose?"
    elif kind != "application/json":
        problem = f"Content-Type {kind[:60]!r}; Firehose sends application/json"
    elif encoding not in ("", "identity", "gzip"):
        problem = f"Content-Encoding {encoding[:20]!r}; Firehose sends gzip or none"
    return head, _invalid(problem) if problem else None


def read_attributes(text: str) -> Mapping[str, str]:
    """Return the common attributes of a header.

    Raises:
        Refusal: not what Firehose sends.
    """
    if not text:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    found = value.get("commonAttributes") if isinstance(value, dict) else None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise _invalid('X-Amz-Firehose-Common-Attributes is not {"commonAttributes": {"name": "text"}}')
    return found


def read_body(data: bytes, request_id: str, *, max_records: int) -> Request:
    """Return the request that a body (not compressed) holds.

    Args:
        data: JSON.
        request_id: of the header; the body must say the same.
        max_records: more are refused before they are taken apart.

    Raises:
        Refusal: none of Firehose's, or too many records.
    """
    count = data.count(b'"data"')
    _check_count(count, max_records)
    try:
        body = _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # its words name places, never values
        said = error if isinstance(error, msgspec.DecodeError) else "cannot be read as JSON"
        raise _invalid(f"the body is none of Firehose's: {said}") from None
    _check_count(len(body.records), max_records)  # "d\u0061ta" is the same name
    if body.request_id != request_id:
        raise _invalid("the request ids of header and body differ")
    if not 0 <= body.timestamp <= LATEST_MS:
        raise _invalid("the body's timestamp is not in milliseconds since 1970")
    return Request(request_id=request_id, timestamp_ms=body.timestamp, records=[one.data for one in body.records])


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise Refusal(AWAY, "too_large", f"{count} records, over receiver.max_records ({most})")


def reply(request_id: str, timestamp_ms: int, refusal: Refusal | None) -> Reply:
    """Return what Firehose gets: its own id again, our time, and why where it is no success."""
    said: dict[str, object] = {"requestId": request_id, "timestamp": timestamp_ms}
    if refusal is not None:
        said["errorMessage"] = str(refusal)[:_LONGEST_MESSAGE]
    try:
        body = orjson.dumps(said)
    except orjson.JSONEncodeError:  # half a surrogate pair in the words of others
        body = orjson.dumps({name: ascii(value) if isinstance(value, str) else value for name, value in said.items()})
    return Reply(OK if refusal is None else refusal.status, body)
