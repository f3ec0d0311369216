"""The numbers that stand in deploy/forwarder, in simulated time: AWS takes them, and they outlast what they promise."""

from __future__ import annotations

import pytest

from tests.deploy.forwarder.cases import ENGINE
from tests.deploy.forwarder.sam import expanded, stack
from tests.eventsources.emulator.destinations import MemoryBucket
from tests.eventsources.numbers import HOUR
from tests.eventsources.scene import ALL_DONE, Invoked, Mapped, Streaming, Told, boom

OUTAGE_HOURS = 97


@pytest.mark.parametrize("timeout", expanded("s3-sqs")["Parameters"]["Timeout"]["AllowedValues"])
def test_a_queue(timeout: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html."""
    made = stack("s3-sqs", ENGINE, {"Timeout": timeout})
    queue = made.resources("AWS::SQS::Queue")["Queue"]
    source = made.one("AWS::Lambda::EventSourceMapping")
    told = Told(lambda event: boom(event) if mapped.clock.monotonic() < OUTAGE_HOURS * HOUR else ALL_DONE)
    mapped = Mapped(
        told,
        receives=queue["RedrivePolicy"]["maxReceiveCount"],
        visibility=queue["VisibilityTimeout"],
        retention=queue["MessageRetentionPeriod"],
        timeout=int(timeout),
        batch_size=source["BatchSize"],
        window=source["MaximumBatchingWindowInSeconds"],
    )
    mapped.send("a", "b")
    mapped.times.drain()
    assert (len(mapped.letters), len(mapped.queue.deleted), mapped.queue.expired) == (0, 2, [])


@pytest.mark.parametrize("hours", expanded("kinesis")["Parameters"]["RetentionHours"]["AllowedValues"])
def test_a_stream(hours: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: nothing expires unseen."""
    made = stack("kinesis", ENGINE, {"RetentionHours": hours})
    source = made.one("AWS::Lambda::EventSourceMapping")
    timeout, bucket = int(made.parameter("Timeout")), MemoryBucket()
    streaming = Streaming(
        Told(boom),
        retention_hours=int(hours),
        timeout=timeout,
        takes=timeout - 1,
        batch_size=1,
        retries=source["MaximumRetryAttempts"],
        record_age=source["MaximumRecordAgeInSeconds"],
        bisect=source["BisectBatchOnFunctionError"],
        on_failure=bucket,
    )
    streaming.put(b"a", b"b", b"c")
    streaming.times.run_for(22 * HOUR)
    assert (bucket.records, streaming.mapping.lost) == ([], [])
    streaming.times.drain()
    assert (len(bucket.records), streaming.mapping.lost) == (3, [])


def test_asynchronous_events() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html."""
    made = stack("cloudwatch-logs", ENGINE, {"LogGroupName": "flows"})
    settings, bucket = made.one("AWS::Lambda::EventInvokeConfig"), MemoryBucket()
    assert settings["DestinationConfig"]["OnFailure"]["Destination"]
    invoked = Invoked(
        Told(boom),
        timeout=int(made.parameter("Timeout")),
        retries=settings["MaximumRetryAttempts"],
        event_age=settings["MaximumEventAgeInSeconds"],
        on_failure=bucket,
    )
    invoked.invoker.invoke({"awslogs": {"data": "x"}})
    invoked.times.drain()
    assert (len(bucket.records), invoked.invoker.lost) == (1, [])
