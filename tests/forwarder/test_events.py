"""Events are told by their structure; what is not known is refused by the names of its keys."""

from __future__ import annotations

from typing import Any

import pytest

from forwarder.events import EventError, KinesisEvent, LogsEvent, ObjectEvent, QueueEvent, parse_event
from tests.forwarder.events import (
    ARRIVAL_MS,
    LINE,
    QUEUE,
    kinesis_event,
    logs_event,
    payload,
    s3_event,
    s3_record,
    sqs_event,
)

FIREHOSE = {
    "invocationId": "i",
    "deliveryStreamArn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/flows",
    "region": "eu-west-1",
    "records": [{"recordId": "1", "approximateArrivalTimestamp": 1, "data": "c2VjcmV0"}],
}
BRIDGE = {
    "version": "0",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "detail": {"bucket": {"name": "b"}, "object": {"key": "k"}},
}
SNS = {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": "{}"}}]}
WINDOW = {**kinesis_event(LINE.encode()), "window": {"start": "a", "end": "b"}, "state": {}, "shardId": "s"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (sqs_event("a", "b"), QueueEvent),
        (kinesis_event(LINE.encode()), KinesisEvent),
        (logs_event(payload(LINE)), LogsEvent),
        (s3_event("bucket", "key"), ObjectEvent),
        (BRIDGE, ObjectEvent),
        (SNS, ObjectEvent),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}, ObjectEvent),
    ],
)
def test_each_kind_is_known(event: dict[str, Any], kind: type) -> None:
    assert isinstance(parse_event(event), kind)


def test_a_kind_is_told_without_what_records_say_of_themselves() -> None:
    for event, kind in ((sqs_event("a"), QueueEvent), (kinesis_event(b"a"), KinesisEvent)):
        bare = {"Records": [{k: v for k, v in one.items() if k != "eventSource"} for one in event["Records"]]}
        assert isinstance(parse_event(bare), kind)


def test_times_are_milliseconds() -> None:
    kinesis = parse_event(kinesis_event(b"a"))
    assert isinstance(kinesis, KinesisEvent)
    assert kinesis.records[0].arrival_ms == ARRIVAL_MS
    assert kinesis.records[0].shard == "shardId-000000000006"
    queue = parse_event(sqs_event("a"))
    assert isinstance(queue, QueueEvent)
    assert (queue.messages[0].sent_ms, queue.messages[0].queue_arn) == (ARRIVAL_MS, QUEUE)


@pytest.mark.parametrize("time", [None, "soon", True, -1, 0])
def test_a_time_that_is_none_is_not_made_up(time: object) -> None:
    event = kinesis_event(b"a")
    event["Records"][0]["kinesis"]["approximateArrivalTimestamp"] = time
    parsed = parse_event(event)
    assert isinstance(parsed, KinesisEvent)
    assert parsed.records[0].arrival_ms is None


def test_a_fifo_queue_is_told_by_its_name() -> None:
    parsed = parse_event(sqs_event("a", arn=f"{QUEUE}.fifo"))
    assert isinstance(parsed, QueueEvent)
    assert parsed.fifo


def test_firehose_is_sent_to_its_own_program() -> None:
    for event in (FIREHOSE, {"records": FIREHOSE["records"]}):
        with pytest.raises(EventError, match=r"firehose_transform\.handler\.handler"):
            parse_event(event)


def test_a_tumbling_window_is_refused() -> None:
    with pytest.raises(EventError, match="TumblingWindowInSeconds"):
        parse_event(WINDOW)


def without(event: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return an event whose first record lacks something."""
    record = event["Records"][0]
    for name in path[:-1]:
        record = record[name]
    del record[path[-1]]
    return event


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"user": "secret", "password": "secret"}, "an object with 'user', 'password'"),
        ({}, "an empty object"),
        (["secret"], "a list of 1"),
        ("secret", "a text"),
        (None, "nothing"),
        (7, "a number"),
        ({"Records": []}, "a list of 0"),
        ({"Records": "secret"}, "a text"),
        ({"Records": ["secret"]}, "a text"),
        ({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": "secret"}]}, "'dynamodb'"),
        ({"Records": [*s3_event("b", "k")["Records"], *sqs_event("secret")["Records"]]}, "several sources"),
        ({"awslogs": {"secret": 1}}, "'secret'"),
        ({"awslogs": "secret"}, "a text"),
        (without(sqs_event("secret"), "body"), "without a body"),
        (without(sqs_event("secret"), "messageId"), "messageId"),
        (without(sqs_event("secret"), "eventSourceARN"), "eventSourceARN"),
        (without(kinesis_event(b"secret"), "kinesis", "data"), "without data"),
        (without(kinesis_event(b"secret"), "kinesis", "sequenceNumber"), "sequenceNumber"),
        (without(kinesis_event(b"secret"), "eventID"), "eventID"),
        ({"Records": [{"eventSource": "aws:kinesis", "kinesis": "secret"}]}, "kinesis is a text"),
        ({f"k{'x' * 100}": 1, **{str(number): 1 for number in range(20)}}, "…"),
    ],
)
def test_what_is_not_known_is_named_by_its_keys(event: object, words: str) -> None:
    with pytest.raises(EventError) as raised:
        parse_event(event)
    said = str(raised.value)
    assert words in said
    assert "\n" not in said
    assert len(said) < 500
    if words != "'secret'":
        assert "secret" not in said
    assert raised.value.exit_code == 65


def test_a_sequence_number_must_be_one() -> None:
    event = kinesis_event(b"a")
    event["Records"][0]["kinesis"]["sequenceNumber"] = "12x"
    with pytest.raises(EventError, match="no number"):
        parse_event(event)


def test_a_record_of_s3_needs_no_source() -> None:
    record = s3_record("b", "k")
    del record["eventSource"]
    assert isinstance(parse_event({"Records": [record]}), ObjectEvent)
