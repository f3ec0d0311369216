"""What Lambda leaves when it gives up: the records of failed invocations.

* Asynchronous: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html, `requestPayload`
* Kinesis: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html, `KinesisBatchInfo`; in S3 the
  event is with it, as `payload`; in a queue there are only the sequence numbers, and the stream is read once more

Events of S3, SNS, EventBridge and SQS hold no flow logs: they name objects, and these are read once more.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from vpcflow.codec.aggregation import AggregationError, user_records
from vpcflow.codec.origins import kinesis_origin
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.objects.notification import NotificationError, references
from vpcflow.replay.named import object_letter
from vpcflow.types import Origin

__all__ = ["Rereads", "invocation_letters", "is_invocation"]


class Rereads(Protocol):
    """Reads a part of a shard once more: `vpcflow.replay.streams.reread`."""

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[tuple[str, bytes, int] | Unreadable]:
        """Yield sequence number, data and arrival (ms) of each record that a `KinesisBatchInfo` names."""
        ...


def is_invocation(value: Mapping[str, Any]) -> bool:
    """Return whether an object is the record of a failed invocation."""
    return isinstance(value.get("requestContext"), dict) and ("requestPayload" in value or "KinesisBatchInfo" in value)


def invocation_letters(value: Mapping[str, Any], where: str, reread: Rereads) -> Iterator[DeadLetter | Unreadable]:
    """Yield each record of a failed invocation as a dead letter.

    Raises:
        ValueError, KeyError, TypeError: the record is not what AWS says that it is.
    """
    facts = _facts(value)
    batch = value.get("KinesisBatchInfo")
    payload = value.get("payload") if batch else value.get("requestPayload")
    if isinstance(payload, str):
        payload = json.loads(payload)
    if isinstance(payload, dict) and "awslogs" in payload:
        function = str(value["requestContext"].get("functionArn", "")).rpartition(":function:")[2].partition(":")[0]
        origin = Origin(name=f"lambda:{function}")
        yield DeadLetter(
            raw=b64decode(payload["awslogs"]["data"], validate=True), source=origin.name, origin=origin, **facts
        )
    elif isinstance(payload, dict):
        yield from _event(payload, where, facts)
    elif batch:
        for found in reread(batch):
            if isinstance(found, Unreadable):
                yield Unreadable(f"{where}: {found.where}", found.message)
            else:
                sequence, data, arrival_ms = found
                place = (batch["streamArn"].rpartition("/")[2], batch["shardId"], sequence)
                yield from _kinesis_letters(place, data, arrival_ms, where, facts)
    else:
        yield Unreadable(where, "an invocation with neither `awslogs` nor `Records`: nothing that can be replayed")


def _event(event: Mapping[str, Any], where: str, facts: Mapping[str, Any]) -> Iterator[DeadLetter | Unreadable]:
    records = event.get("Records")
    if not isinstance(records, list):  # EventBridge, or a continuation of ours
        yield from _object_letters(event, where, facts)
        return
    for record in records:
        source = record.get("eventSource") or record.get("EventSource")
        if source == "aws:kinesis":
            yield from _event_record(record, where, facts)
        elif source == "aws:sqs":
            yield from _object_letters(record["body"], where, facts)
        elif source == "aws:sns":
            yield from _object_letters(record["Sns"]["Message"], where, facts)
        elif source == "aws:s3":
            yield from _object_letters({"Records": [record]}, where, facts)
        else:
            yield Unreadable(
                where, f"a record of {source}: give it to what reads {source}, it holds no flow logs itself"
            )


def _object_letters(body: object, where: str, facts: Mapping[str, Any]) -> Iterator[DeadLetter | Unreadable]:
    """Yield a letter for each object that a notification names."""
    try:
        named = references(body)
    except NotificationError as error:
        yield Unreadable(where, str(error))
        return
    for ref in named:
        yield object_letter(
            ref,
            reason=facts["reason"],
            message=facts["message"],
            first_seen_ms=facts["first_seen_ms"],
            attempts=facts["attempts"],
        )


def _event_record(record: Mapping[str, Any], where: str, facts: Mapping[str, Any]) -> Iterator[DeadLetter | Unreadable]:
    kinesis = record["kinesis"]
    shard = record["eventID"].partition(":")[0]
    place = (record["eventSourceARN"].rpartition("/")[2], shard, kinesis["sequenceNumber"])
    arrival_ms = round(float(kinesis["approximateArrivalTimestamp"]) * 1000)  # seconds here
    yield from _kinesis_letters(place, b64decode(kinesis["data"], validate=True), arrival_ms, where, facts)


def _kinesis_letters(
    place: tuple[str, str, str], data: bytes, arrival_ms: int, where: str, facts: Mapping[str, Any]
) -> Iterator[DeadLetter | Unreadable]:
    """Yield one for each user record: those of an aggregated record are unpacked, as the KCL does it."""
    stream, shard, sequence = place
    try:
        parts = user_records(data)
    except AggregationError as error:
        yield Unreadable(f"{where}: {sequence}", f"an aggregated record that is damaged: {error}")
        return
    for number, part in enumerate([data] if parts is None else parts):
        origin = kinesis_origin(
            stream=stream, shard=shard, sequence=sequence, subsequence=number, arrival_ms=arrival_ms
        )
        identity = {**origin.fields, "sequence": sequence, "subsequence": number}
        yield DeadLetter(raw=part, source=origin.name, origin=origin, identity=identity, **facts)


def _facts(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all letters of an invocation have in common."""
    context = value["requestContext"]
    response = value.get("responseContext") or {}
    payload = value.get("responsePayload")
    said = payload.get("errorMessage") if isinstance(payload, dict) else ""
    seen = datetime.fromisoformat(str(value.get("timestamp", "1970-01-01T00:00:00Z")))
    return {
        "reason": str(context.get("condition") or "invocation"),
        "error_type": str(response.get("functionError") or ""),
        "message": " ".join(str(said or "the function failed").split()),
        "position": -1,
        "first_seen_ms": round(seen.timestamp() * 1000),
        "attempts": max(int(context.get("approximateInvokeCount") or 1), 1),
    }
