"""On-failure destinations: where Lambda leaves what it gives up.

* https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
* https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from tests.eventsources.emulator.function import Said
from tests.eventsources.emulator.limits import TOPIC_BYTES, Refused
from tests.eventsources.emulator.queue import Queue


class Destination(Protocol):
    """Takes records of failed invocations. `holds_payload`: of a stream's batch, the event as well."""

    holds_payload: bool

    def put(self, prefix: str, record: dict[str, Any], wall_ms: int) -> None:
        """Keep one record; raises DeliveryFailed."""
        ...


class DeliveryFailed(Exception):
    """The destination did not take the record: it is gone, and counted as DestinationDeliveryFailures."""


class Nowhere:
    """No destination is configured."""

    holds_payload = False

    def put(self, prefix: str, record: dict[str, Any], wall_ms: int) -> None:
        raise DeliveryFailed("no destination")


@dataclass
class MemoryBucket:
    """Objects in memory; use S3Bucket where a program reads them."""

    objects: dict[str, bytes] = field(default_factory=dict)
    holds_payload: bool = True

    def put(self, prefix: str, record: dict[str, Any], wall_ms: int) -> None:
        key = _key(prefix, wall_ms)
        assert key not in self.objects
        self.objects[key] = json.dumps(record).encode()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.objects.values()]


@dataclass
class S3Bucket:
    """Objects in S3, by a boto3 client."""

    client: Any
    name: str
    holds_payload: bool = True
    keys: list[str] = field(default_factory=list)

    def put(self, prefix: str, record: dict[str, Any], wall_ms: int) -> None:
        key = _key(prefix, wall_ms)
        self.client.put_object(Bucket=self.name, Key=key, Body=json.dumps(record).encode())
        self.keys.append(key)


class QueueDestination:
    """A standard queue; a message has no more than SQS takes."""

    holds_payload = False

    def __init__(self, queue: Queue) -> None:
        if queue.fifo:
            raise Refused("InvalidParameterValueException", "a FIFO queue can't be a destination")
        self.queue = queue

    def put(self, prefix: str, record: dict[str, Any], wall_ms: int) -> None:
        try:
            self.queue.send(json.dumps(record))
        except Refused as error:
            raise DeliveryFailed(str(error)) from error


@dataclass
class Topic:
    """A standard SNS topic."""

    published: list[dict[str, Any]] = field(default_factory=list)
    holds_payload: bool = False

    def put(self, prefix: str, record: dict[str, Any], wall_ms: int) -> None:
        size = len(json.dumps(record).encode())
        if size > TOPIC_BYTES:
            raise DeliveryFailed(f"{size} bytes are more than SNS takes")
        self.published.append(record)


def invocation_record(
    *, arn: str, request_id: str, condition: str, calls: int, said: Said | None, wall_ms: int
) -> dict[str, Any]:
    """Return what both kinds of records have in common. said: the last answer; None: the function was never called.

    *Assumed*: without a call there is no response at all.
    """
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso(wall_ms),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": calls,
        },
    }
    if said is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST"}
        if said.failed:
            record["responseContext"]["functionError"] = "Unhandled"
    return record


def iso(wall_ms: int) -> str:
    """Return a moment as AWS writes it."""
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03}Z"


def _key(prefix: str, wall_ms: int) -> str:
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
    return f"aws/lambda/{prefix}/{moment:%Y/%m/%d}/{moment:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
