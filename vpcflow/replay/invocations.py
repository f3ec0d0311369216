"""What Lambda leaves when it gives up: the records of failed invocations.

* Asynchronous: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html, `requestPayload`
* Kinesis: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html, `KinesisBatchInfo`; in S3 the
  event is with it, as `payload`; in a queue there are only the sequence numbers, and the stream is read once more
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from vpcflow.codec.origins import kinesis_origin
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.types import Origin

__all__ = ["Rereads", "invocation_letters", "is_invocation"]

_AGGREGATED = (
    b"\xf3\x89\x9a\xc2"  # https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
)


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
    elif isinstance(payload, dict) and isinstance(payload.get("Records"), list):
        for record in payload["Records"]:
            yield _event_record(record, where, facts)
    elif batch:
        for found in reread(batch):
            if isinstance(found, Unreadable):
                yield Unreadable(f"{where}: {found.where}", found.message)
            else:
                sequence, data, arrival_ms = found
                place = (batch["streamArn"].rpartition("/")[2], batch["shardId"], sequence)
                yield _kinesis_letter(place, data, arrival_ms, where, facts)
    else:
        yield Unreadable(where, "an invocation with neither `awslogs` nor `Records`: nothing that can be replayed")


def _event_record(record: Mapping[str, Any], where: str, facts: Mapping[str, Any]) -> DeadLetter | Unreadable:
    source = record.get("eventSource")
    if source != "aws:kinesis":
        return Unreadable(where, f"a record of {source}: give it to what reads {source}, it holds no flow logs itself")
    kinesis = record["kinesis"]
    shard = record["eventID"].partition(":")[0]
    place = (record["eventSourceARN"].rpartition("/")[2], shard, kinesis["sequenceNumber"])
    arrival_ms = round(float(kinesis["approximateArrivalTimestamp"]) * 1000)  # seconds here
    return _kinesis_letter(place, b64decode(kinesis["data"], validate=True), arrival_ms, where, facts)


def _kinesis_letter(
    place: tuple[str, str, str], data: bytes, arrival_ms: int, where: str, facts: Mapping[str, Any]
) -> DeadLetter | Unreadable:
    stream, shard, sequence = place
    if data.startswith(_AGGREGATED):
        return Unreadable(f"{where}: {sequence}", "an aggregated record of the Kinesis Producer Library: not replayed")
    origin = kinesis_origin(stream=stream, shard=shard, sequence=sequence, subsequence=0, arrival_ms=arrival_ms)
    identity = {**origin.fields, "sequence": sequence, "subsequence": 0}
    return DeadLetter(raw=data, source=origin.name, origin=origin, identity=identity, **facts)


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
