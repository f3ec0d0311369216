"""What a stream takes, and when its function is called."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.firehose.emulator import limits
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.limits import Refused
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.scene import Told, boom, clock, delivered, failed, raw, transformed

LOGS = {
    "messageType": "DATA_MESSAGE",
    "owner": "123456789012",
    "logGroup": "vpc",
    "logStream": "eni-1-all",
    "subscriptionFilters": ["all"],
    "logEvents": [
        {"id": "1", "timestamp": 1, "message": "one"},
        {"id": "2", "timestamp": 2, "message": "two"},
    ],
}


@pytest.mark.parametrize(
    "records",
    [[], [b"x"] * 501, [b"x" * (1000 * 1024 + 1)], [b"x" * 900_000] * 5],
    ids=["none", "more than 500", "one over 1,000 KiB", "together over 4 MiB"],
)
def test_a_put_outside_of_the_limits_is_refused_whole(records: list[bytes]) -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html."""
    stream = transformed(Told())
    with pytest.raises(Refused, match="InvalidArgumentException"):
        stream.put_record_batch(records)
    assert stream.accepted == []


def test_a_put_within_the_limits_is_taken() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html."""
    stream = transformed(Told())
    stream.put_record_batch([b"x"] * 500)
    stream.put_record_batch([b"x" * (1000 * 1024)] * 4)
    assert len(stream.accepted) == 504


def test_a_put_may_fail_in_part_and_answers_by_place() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html.

    "Check FailedPutCount … even when the API call succeeds. … Each entry in the RequestResponses array … directly correlates
    with a record in the request array using the same ordering."
    """
    stream = transformed(Told())
    stream.throttled = lambda index: index == 1
    answer = stream.put_record_batch([b"a", b"b", b"c"])
    assert answer["FailedPutCount"] == 1
    assert ["RecordId" in one for one in answer["RequestResponses"]] == [True, False, True]
    assert answer["RequestResponses"][1]["ErrorCode"] == "ServiceUnavailableException"
    stream.drain()
    assert delivered(stream) == b"ac"


def test_the_event_has_the_fields_that_aws_shows() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesisfirehose.html."""
    told = Told()
    stream = transformed(told)
    stream.put_record_batch([b"a"])
    stream.drain()
    (event,) = told.events
    assert set(event) == {"invocationId", "deliveryStreamArn", "region", "records"}
    assert event["deliveryStreamArn"].startswith("arn:aws:firehose:us-east-1:")
    (record,) = event["records"]
    assert set(record) == {"recordId", "approximateArrivalTimestamp", "data"}
    assert isinstance(record["approximateArrivalTimestamp"], int)


def test_records_of_a_kinesis_source_carry_where_they_come_from() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesisfirehose.html."""
    told = Told()
    stream = transformed(told, kinesis="source")
    stream.put_records([(b"a", "key")])
    stream.drain()
    (event,) = told.events
    assert event["sourceKinesisStreamArn"] == "arn:aws:kinesis:us-east-1:123456789012:stream/source"
    (record,) = event["records"]
    metadata = record["kinesisRecordMetadata"]
    assert metadata["partitionKey"] == "key"
    assert set(metadata) == {
        "sequenceNumber",
        "subsequenceNumber",
        "partitionKey",
        "shardId",
        "approximateArrivalTimestamp",
    }


def test_a_stream_with_a_kinesis_source_takes_no_direct_put() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/writing-with-kinesis-streams.html."""
    with pytest.raises(Refused, match="InvalidArgumentException"):
        transformed(Told(), kinesis="source").put_record_batch([b"a"])


@pytest.mark.parametrize(("overshoot", "sizes"), [(False, [3, 3, 3]), (True, [4, 4])])
def test_the_function_is_called_when_its_buffer_is_full(*, overshoot: bool, sizes: list[int]) -> None:
    """ "buffers incoming data up to 3 MB or the buffering size you specified"; a hint, says the newer page.

    https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html. *Assumed*: by how much it may be exceeded.
    """
    told = Told()
    stream = transformed(told, megabytes=0.2, seconds=900, overshoot=overshoot)
    record = b"x" * (limits.MEGABYTE // 20 + 1)  # four of them are more than 0.2 MB
    stream.put_record_batch([record] * 3)
    stream.run_for(1)
    assert told.sizes() == []
    stream.put_record_batch([record] * 7)
    stream.run_for(1)
    assert told.sizes() == sizes


def test_the_function_is_called_when_its_oldest_record_has_waited() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html: 60 s by default."""
    told = Told()
    stream = transformed(told, seconds=60)
    stream.put_record_batch([b"a"])
    stream.run_for(40)
    stream.put_record_batch([b"b"])
    stream.run_for(19)
    assert told.sizes() == []
    stream.run_for(1)
    assert told.sizes() == [2]


@pytest.mark.parametrize("parameters", [{"megabytes": 0.1}, {"megabytes": 3.5}, {"seconds": 901}])
def test_processor_buffers_outside_of_the_bounds_are_refused(parameters: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html: 0.2 to 3 MB, 0 to 900 s."""
    with pytest.raises(Refused):
        transformed(Told(), **parameters)


def test_decompression_gives_the_function_json() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/writing-with-cloudwatch-logs-decompression.html."""
    stream = transformed(Told(), decompression=True)
    stream.put_record_batch([gzip.compress(json.dumps(LOGS).encode())], from_logs=True)
    stream.drain()
    assert json.loads(delivered(stream)) == LOGS


def test_message_extraction_leaves_the_messages_alone() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/Message_extraction.html. *Assumed*: a line each, in one record."""
    stream = transformed(Told(), decompression=True, message_extraction=True)
    stream.put_record_batch([gzip.compress(json.dumps(LOGS).encode())], from_logs=True)
    stream.drain()
    assert delivered(stream) == b"one\ntwo\n"


def test_message_extraction_needs_decompression() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_Processor.html."""
    with pytest.raises(Refused):
        transformed(Told(), message_extraction=True)


def test_what_cannot_be_decompressed_is_kept_as_it_came_and_the_rest_goes_on() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/decomp-faq.html. *Assumed*: as a line of JSON like other failures."""
    stream = transformed(Told(), decompression=True)
    good = gzip.compress(b"{}")
    stream.put_record_batch([good, b"\x1f\x8bno", good], from_logs=True)
    stream.drain()
    assert delivered(stream) == b"{}{}"
    (entry,) = failed(stream, "decompression-failed")
    assert raw(entry) == b"\x1f\x8bno"


def test_what_the_function_fails_is_kept_as_it_came_compressed() -> None:
    """A failure behind the decompression keeps the compressed record: https://docs.aws.amazon.com/firehose/latest/dev/decomp-faq.html."""
    came = gzip.compress(json.dumps(LOGS).encode())
    stream = transformed(boom, decompression=True)
    stream.put_record_batch([came], from_logs=True)
    stream.drain()
    assert [raw(entry) for entry in failed(stream)] == [came]


def test_with_decompression_only_cloudwatch_logs_may_put() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_InvalidSourceException.html: no re-ingestion there."""
    with pytest.raises(Refused, match="InvalidSourceException"):
        transformed(Told(), decompression=True).put_record_batch([gzip.compress(b"{}")])


def test_without_a_function_records_pass_as_they_are() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html."""
    stream = DeliveryStream("plain", S3Destination(), clock=clock(), processing=Processing(), prefix="out/")
    stream.put_record_batch([b"a", b"b"])
    stream.drain()
    assert delivered(stream) == b"ab"
