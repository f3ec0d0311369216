"""What kind of event this is, told by its structure alone; its values are never shown.

Kinesis: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html. SQS: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.
S3: https://docs.aws.amazon.com/lambda/latest/dg/with-s3.html, also by way of SNS or EventBridge. CloudWatch Logs:
https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vpcflow.errors import DataError
from vpcflow.objects.shape import shape

__all__ = [
    "Event",
    "EventError",
    "KinesisEvent",
    "KinesisRecord",
    "LogsEvent",
    "ObjectEvent",
    "QueueEvent",
    "QueueMessage",
]
__all__ += ["parse_event"]

_STATE = ("window", "state", "isFinalInvokeForWindow")  # of a tumbling window
_QUEUE, _STREAM, _BUCKET, _TOPIC = "aws:sqs", "aws:kinesis", "aws:s3", "aws:sns"


class EventError(DataError):
    """An event that cannot be worked on; the invocation fails. Names keys, never values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """One message of SQS. sent_ms: when it was sent, milliseconds since 1970, or None."""

    message_id: str
    body: str
    queue_arn: str
    sent_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEvent:
    """A batch of messages, in their order. fifo: the order counts."""

    messages: Sequence[QueueMessage]
    fifo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectEvent:
    """Notifications of S3 that came without a queue: each of the bodies, parsed or as text."""

    bodies: Sequence[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsEvent:
    """One payload of a CloudWatch Logs subscription. data: base64, as it came."""

    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KinesisRecord:
    """One record of a stream. data: base64, as it came. arrival_ms: milliseconds since 1970, or None."""

    sequence: str
    shard: str
    data: str
    stream_arn: str
    arrival_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KinesisEvent:
    """A batch of records of one shard, in their order."""

    records: Sequence[KinesisRecord]


Event = QueueEvent | ObjectEvent | LogsEvent | KinesisEvent


def parse_event(event: object) -> Event:
    """Return the event as one of its kind.

    Raises:
        EventError: an event of Firehose, one of a tumbling window, several kinds in one, or one that is not known.
    """
    if not isinstance(event, Mapping):
        raise EventError(f"an event that is {shape(event)}: {_KNOWN}")
    if "awslogs" in event:
        return LogsEvent(data=_text(_of(event, "awslogs", "an event of CloudWatch Logs"), "data", "awslogs"))
    if "deliveryStreamArn" in event or isinstance(event.get("records"), list):
        raise EventError(
            "an event of Firehose: its function is firehose_transform.handler.handler; set that as this function's handler"
        )
    if "Records" in event:
        return _records(event)
    if "detail-type" in event or event.get("Event") == "s3:TestEvent":
        return ObjectEvent(bodies=[event])
    raise EventError(f"an event that is {shape(event)}: {_KNOWN}")


_KNOWN = "none of SQS, S3, CloudWatch Logs or Kinesis; look at the function's triggers"


def _records(event: Mapping[str, object]) -> Event:
    records = event["Records"]
    if not isinstance(records, list) or not records:
        raise EventError(f"an event whose Records are {shape(records)}: {_KNOWN}")
    sources = {_source(record) for record in records}
    if len(sources) > 1:
        raise EventError("an event with records of several sources: AWS sends those of one source only")
    (source,) = sources
    if source == _QUEUE:
        messages = [_message(record) for record in records]
        return QueueEvent(messages=messages, fifo=any(one.queue_arn.endswith(".fifo") for one in messages))
    if source == _STREAM:
        if any(name in event for name in _STATE):
            raise EventError(
                "an event of a tumbling window: this function keeps no state; set TumblingWindowInSeconds of the event source "
                "mapping to 0"
            )
        return KinesisEvent(records=[_record(record) for record in records])
    if source == _BUCKET:
        return ObjectEvent(bodies=[event])
    if source == _TOPIC:
        return ObjectEvent(bodies=[_text(_of(one, "Sns", "a record of SNS"), "Message", "Sns") for one in records])
    raise EventError(f"an event whose records are {shape(records[0])}: {_KNOWN}")


def _source(record: object) -> str:
    """Return what a record says that it is, or what only one kind of them has."""
    if not isinstance(record, Mapping):
        return ""
    said = record.get("eventSource") or record.get("EventSource")
    if isinstance(said, str) and said:
        return said
    holds = {"kinesis": _STREAM, "s3": _BUCKET, "Sns": _TOPIC, "receiptHandle": _QUEUE}
    return next((kind for name, kind in holds.items() if name in record), "")


def _message(record: Mapping[str, object]) -> QueueMessage:
    attributes = record.get("attributes")
    sent = attributes.get("SentTimestamp") if isinstance(attributes, Mapping) else None
    body = record.get("body")
    if not isinstance(body, str):
        raise EventError(f"a message of SQS without a body: {shape(record)}")
    return QueueMessage(
        message_id=_text(record, "messageId", "a message of SQS"),
        body=body,
        queue_arn=_text(record, "eventSourceARN", "a message of SQS"),
        sent_ms=int(sent) if isinstance(sent, str) and sent.isascii() and sent.isdigit() else None,
    )


def _record(record: Mapping[str, object]) -> KinesisRecord:
    kinesis = _of(record, "kinesis", "a record of Kinesis")
    sequence = _text(kinesis, "sequenceNumber", "kinesis")
    data = kinesis.get("data")
    if not isinstance(data, str):
        raise EventError(f"a record of Kinesis without data: {shape(kinesis)}")
    if not (sequence.isascii() and sequence.isdigit()):
        raise EventError("a record of Kinesis whose sequenceNumber is no number")
    arrival = kinesis.get("approximateArrivalTimestamp")  # seconds with a fraction, here and nowhere else
    is_time = isinstance(arrival, int | float) and not isinstance(arrival, bool) and arrival > 0
    return KinesisRecord(
        sequence=sequence,
        shard=_text(record, "eventID", "a record of Kinesis").partition(":")[0],
        data=data,
        stream_arn=_text(record, "eventSourceARN", "a record of Kinesis"),
        arrival_ms=round(float(arrival) * 1000) if is_time and isinstance(arrival, int | float) else None,
    )


def _of(holder: Mapping[str, object], name: str, what: str) -> Mapping[str, object]:
    found = holder.get(name)
    if not isinstance(found, Mapping):
        raise EventError(f"{what} whose {name} is {shape(found)}")
    return found


def _text(holder: Mapping[str, object], name: str, what: str) -> str:
    found = holder.get(name)
    if not isinstance(found, str) or not found:
        raise EventError(f"{what} without {name}: {shape(holder)}")
    return found
