"""The calls of a function that puts records back, by boto3."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.exceptions
import pytest

from tests.firehose.emulator.api import Api, serving
from tests.firehose.scene import Told, delivered, transformed


def client(service: str, api: Api) -> Any:  # noqa: ANN401 - boto3 has no types
    return boto3.client(
        service,
        endpoint_url=api.url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


def test_put_record_batch_by_boto3() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html."""
    stream = transformed(Told())
    stream.throttled = lambda index: index == 0
    with serving(stream) as api:
        caller = client("firehose", api)
        answer = caller.put_record_batch(DeliveryStreamName="flows", Records=[{"Data": b"a"}, {"Data": b"\xff"}])
        assert answer["FailedPutCount"] == 1
        with pytest.raises(botocore.exceptions.ClientError, match="ResourceNotFoundException"):
            caller.put_record_batch(DeliveryStreamName="other", Records=[{"Data": b"a"}])
        with pytest.raises(botocore.exceptions.ClientError, match="InvalidArgumentException"):
            caller.put_record_batch(DeliveryStreamName="flows", Records=[{"Data": b"x" * 1_024_001}])
        caller.close()
    stream.drain()
    assert delivered(stream) == b"\xff"


@pytest.mark.parametrize(
    "named", [{"StreamName": "source"}, {"StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/source"}]
)
def test_put_records_by_boto3(named: dict[str, str]) -> None:
    """https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html."""
    stream = transformed(Told(), kinesis="source")
    with serving(stream) as api:
        caller = client("kinesis", api)
        answer = caller.put_records(Records=[{"Data": b"a", "PartitionKey": "k"}], **named)
        caller.close()
    assert answer["FailedRecordCount"] == 0
    assert answer["Records"][0]["ShardId"] == "shardId-000000000000"
    stream.drain()
    assert delivered(stream) == b"a"
