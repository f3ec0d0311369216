"""What stands in the bucket."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.firehose.emulator.bucket import MemoryBucket, Prefixes, S3Bucket
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.limits import MEGABYTE, Refused
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.scene import Rows, Told, boom, clock, delivered, failed, ok, raw, transformed

MOMENT = 1_535_365_800_000  # 2018-08-27T10:30:00Z


def test_records_are_joined_with_nothing_in_between() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html."""
    stream = transformed(Told())
    stream.put_record_batch([b"a", b"b\n", b"c"])
    stream.drain()
    assert list(stream.bucket.objects.values()) == [b"ab\nc"]


def test_a_delimiter_is_appended_on_demand() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_Processor.html: AppendDelimiterToRecord."""
    stream = transformed(Told(), append_delimiter=True)
    stream.put_record_batch([b"a", b"b"])
    stream.drain()
    assert delivered(stream) == b"a\nb\n"


def test_an_object_is_written_when_enough_is_there_or_after_a_time() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html: size or interval, whichever is met first."""
    stream = DeliveryStream("s", S3Destination(megabytes=1, seconds=60), clock=clock(), prefix="out/")
    stream.put_record_batch([b"x" * 1000])
    stream.run_for(59)
    assert stream.bucket.objects == {}
    stream.run_for(1)
    assert [len(body) for body in stream.bucket.below("out/")] == [1000]
    stream.put_record_batch([b"x" * (MEGABYTE // 2)] * 3)
    stream.run_for(1)
    assert sorted(len(body) for body in stream.bucket.below("out/")) == [1000, MEGABYTE]
    stream.drain()
    assert len(delivered(stream)) == 1000 + 3 * (MEGABYTE // 2)


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        ("", "2018/08/27/10/"),
        ("flows", "flows2018/08/27/10/"),
        ("y=!{timestamp:yyyy}/!{timestamp:'h='HH}/", "y=2018/h=10/"),
        ("g=!{partitionKeyFromLambda:g}/", "g=one/2018/08/27/10/"),
    ],
)
def test_prefixes_are_evaluated_at_the_oldest_arrival(prefix: str, key: str) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html."""
    found = Prefixes(stream="s", prefix=prefix, error="e/!{firehose:error-output-type}/").key(MOMENT, {"g": "one"})
    assert found.startswith(f"{key}s-1-2018-08-27-10-30-00-")


@pytest.mark.parametrize(
    ("prefix", "error", "key"),
    [
        ("flows/", "", "flows/processing-failed/2018/08/27/10/"),
        ("", "bad/!{firehose:error-output-type}/", "bad/processing-failed/2018/08/27/10/"),
        ("", "bad/!{timestamp:yyyy}/!{firehose:error-output-type}/", "bad/2018/processing-failed/"),
        ("", "bad/", "bad/processing-failed/2018/08/27/10/"),
    ],
)
def test_error_prefixes_name_the_kind_of_failure(prefix: str, error: str, key: str) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html."""
    found = Prefixes(stream="s", prefix=prefix, error=error).error_key(MOMENT, "processing-failed")
    assert found.startswith(f"{key}s-1-")


@pytest.mark.parametrize(
    ("prefix", "error"),
    [("!{timestamp:yyyy}/", ""), ("", "!{timestamp:yyyy}/"), ("!{firehose:error-output-type}", "e/")],
)
def test_prefixes_that_aws_refuses(prefix: str, error: str) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html#prefix-rules."""
    with pytest.raises(Refused):
        Prefixes(stream="s", prefix=prefix, error=error)


def partitioned(told: Told) -> DeliveryStream:
    from tests.firehose.emulator.invocation import in_process

    time = clock()
    return DeliveryStream(
        "s",
        S3Destination(seconds=60, partitioned=True),
        clock=time,
        processing=Processing(invoke=in_process(told, time), seconds=0),
        prefix="out/!{partitionKeyFromLambda:group}/",
        error_prefix="errors/!{firehose:error-output-type}/",
    )


def test_keys_of_the_function_partition_the_objects() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html."""

    def rows(rows: Rows) -> Rows:
        names = ["one", "two", "one"]
        return [
            {**ok(row), "metadata": {"partitionKeys": {"group": name}}} for row, name in zip(rows, names, strict=True)
        ]

    stream = partitioned(Told(rows))
    stream.put_record_batch([b"a", b"b", b"c"])
    stream.drain()
    assert stream.bucket.below("out/one/") == [b"ac"]
    assert stream.bucket.below("out/two/") == [b"b"]


def test_a_record_without_its_key_goes_to_the_error_prefix_as_it_came() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html. *Assumed*: its code and text."""
    stream = partitioned(Told(lambda rows: [ok(row, b"new") for row in rows]))
    stream.put_record_batch([b"a"])
    stream.drain()
    (entry,) = failed(stream, "dynamic-partitioning-failed")
    assert raw(entry) == b"a"


def test_partition_keys_need_dynamic_partitioning() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html."""
    with pytest.raises(Refused):
        DeliveryStream(
            "s",
            S3Destination(),
            clock=clock(),
            prefix="!{partitionKeyFromLambda:g}/",
            error_prefix="!{firehose:error-output-type}/",
        )


def test_objects_may_be_compressed() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html."""
    stream = DeliveryStream("s", S3Destination(compressed=True), clock=clock(), prefix="out/")
    stream.put_record_batch([b"a"])
    stream.drain()
    ((key, body),) = stream.bucket.objects.items()
    assert key.endswith(".gz")
    assert gzip.decompress(body) == b"a"


@pytest.fixture
def s3(aws_url: str) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=aws_url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    yield client
    client.close()


def test_a_real_client_sees_the_same_objects(s3: Any) -> None:  # noqa: ANN401 - boto3 has no types
    """https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html."""
    name = f"flows-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    memory = MemoryBucket()
    for bucket in (memory, S3Bucket(s3, name)):
        stream = DeliveryStream(
            "s", S3Destination(), clock=clock(), processing=Processing(), bucket=bucket, prefix="out/"
        )
        stream.put_record_batch([b"a", b"b"])
        stream.drain()
        bad = transformed(boom)
        bad.bucket = bucket
        bad.put_record_batch([b"c"])
        bad.drain()
    found = {
        row["Key"]: s3.get_object(Bucket=name, Key=row["Key"])["Body"].read()
        for row in s3.list_objects_v2(Bucket=name)["Contents"]
    }
    assert sorted(found.values()) == sorted(memory.objects.values())
    assert [key[:36] for key in sorted(found)] == [key[:36] for key in sorted(memory.objects)]
