"""Request in, response out: one answer for each record, in the order they came. No I/O, no clock."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firehose_transform.events import Record, Request, Result
from vpcflow.codec import Decoder
from vpcflow.codec.origins import firehose_origin
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.types import Decoded

__all__ = ["MAX_REPLY_BYTES", "Complaint", "transform"]

# Lambda's reply may be 6 MB (6,291,456 bytes); the rest is room for what the runtime adds.
MAX_REPLY_BYTES = 5_000_000
_ENVELOPE_BYTES = 96  # `{"recordId":"…","result":"ProcessingFailed","data":""},` without the id and the data


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Why a record could not be transformed, for the log. reasons: how many lines by reason."""

    record_id: str | None
    message: str
    reasons: dict[str, int] = field(default_factory=dict)


def transform(
    request: Request, decoder: Decoder, complain: Callable[[Complaint], None], meters: Meters = UNMETERED
) -> dict[str, Any]:
    """Return Firehose's response.

    Ok: the record's documents as JSON lines, each ending in a newline. Dropped: nothing but control messages or skipped log
    groups. ProcessingFailed, with the data as it came: some line could not be decoded (Firehose keeps the record in its error
    prefix, whole), or the reply would grow over its limit.
    """
    answers: list[dict[str, Any]] = []
    # What each record costs if it is returned as it came: what is left over is room for documents.
    room = MAX_REPLY_BYTES - sum(_cost(record, record.data) for record in request.records)
    for record in request.records:
        result, data = _answer(record, request, decoder, complain, meters)
        extra = len(data) - len(record.data)
        if extra > room:
            message = "the reply would be over Lambda's limit: lower the buffer size of the transformation"
            complain(Complaint(record_id=record.record_id, message=message))
            result, data, extra = "ProcessingFailed", record.data, 0
        room -= extra
        meters.count(catalog.ANSWERS, result=result)
        answers.append({"recordId": record.record_id, "result": result, "data": data})
    meters.count(catalog.RECORDS, len(answers))
    return {"records": answers}


def _cost(record: Record, data: str) -> int:
    return _ENVELOPE_BYTES + len(record.record_id or "") + len(data)


def _answer(
    record: Record, request: Request, decoder: Decoder, complain: Callable[[Complaint], None], meters: Meters
) -> tuple[Result, str]:
    try:
        raw = base64.b64decode(record.data, validate=True)
    except binascii.Error as error:
        complain(Complaint(record_id=record.record_id, message=f"data is no base64: {error}"))
        return "ProcessingFailed", record.data
    origin = firehose_origin(arn=request.source_arn, arrival_ms=record.arrival_ms)
    documents: list[bytes] = []
    reasons: dict[str, int] = {}
    first = ""
    for chunk in decoder.decode(raw, origin):
        _count(chunk, meters)
        for bad in chunk.undecodable:
            first = first or f"{bad.position}: {bad.reason}: {bad.message}"
            reasons[bad.reason] = reasons.get(bad.reason, 0) + 1
        documents += chunk.body.split(b"\n")[1::2]
    for reason, count in reasons.items():
        meters.count(catalog.UNDECODABLE, count, reason=reason)
    if reasons:
        complain(Complaint(record_id=record.record_id, message=first, reasons=reasons))
        return "ProcessingFailed", record.data
    if not documents:
        return "Dropped", ""
    return "Ok", base64.b64encode(b"\n".join(documents) + b"\n").decode("ascii")


def _count(chunk: Decoded, meters: Meters) -> None:
    """Count what there was: in CloudWatch each name costs, also one that is always 0."""
    kinds = {
        "document": chunk.count,
        "undecodable": len(chunk.undecodable),
        "control": chunk.control,
        "header": chunk.headers,
        "skipped": chunk.skipped,
    }
    for kind, count in kinds.items():
        if count:
            meters.count(catalog.LINES, count, kind=kind)
