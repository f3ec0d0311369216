"""The event source mapping of a stream."""

from __future__ import annotations

import base64
import json

import pytest

from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.destinations import MemoryBucket, QueueDestination, Topic
from tests.eventsources.emulator.function import Target, in_process
from tests.eventsources.emulator.kinesis import KinesisMapping
from tests.eventsources.emulator.limits import PAYLOAD_BYTES, Refused
from tests.eventsources.emulator.queue import Queue
from tests.eventsources.emulator.stream import Stream
from tests.eventsources.scene import ALL_DONE, START_MS, Event, Streaming, Told, boom, clock, failing


def data(event: Event) -> list[bytes]:
    return [base64.b64decode(row["kinesis"]["data"]) for row in event["Records"]]


def fails_on(*bad: bytes) -> Told:
    """Return a function that reports the records with such data."""

    def answer(event: Event) -> object:
        rows = event["Records"]
        names = [row["kinesis"]["sequenceNumber"] for row in rows if base64.b64decode(row["kinesis"]["data"]) in bad]
        return failing(*names)

    return Told(answer)


def test_an_event_has_what_aws_shows() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html#services-kinesis-event-example: arrival in seconds."""
    told = Told()
    streaming = Streaming(told)
    (sequence,) = streaming.put(b"one", key="k")
    streaming.times.run_for(1)
    (row,) = told.events[0]["Records"]
    assert row["eventID"] == f"shardId-000000000000:{sequence}"
    assert row["eventSource"] == "aws:kinesis"
    assert row["eventSourceARN"] == "arn:aws:kinesis:us-east-1:123456789012:stream/flows"
    assert row["kinesis"]["approximateArrivalTimestamp"] == START_MS / 1000
    assert row["kinesis"]["partitionKey"] == "k"
    assert data(told.events[0]) == [b"one"]


def test_one_invocation_has_records_of_one_shard_in_order() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html: "Lambda … invokes your function … from each shard"."""
    told = Told()
    streaming = Streaming(told, shards=4)
    for number in range(40):
        streaming.put(b"%d" % number, key=str(number))
    streaming.times.drain()
    assert len(told.events) == 4
    for event in told.events:
        assert len({row["eventID"].partition(":")[0] for row in event["Records"]}) == 1
        numbers = [int(one) for one in data(event)]
        assert numbers == sorted(numbers)
    assert sum(told.sizes()) == len(streaming.mapping.done) == 40


def test_a_batch_ends_at_its_size_its_window_and_6_mb() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching."""
    told = Told()
    streaming = Streaming(told, batch_size=10, window=30)
    streaming.put(b"a")
    streaming.times.run_for(29)
    assert told.sizes() == []
    streaming.times.run_for(2)
    assert told.sizes() == [1]
    streaming.put(*[b"b"] * 10)
    streaming.times.run_for(1)
    assert told.sizes() == [1, 10]
    streaming.put(*[b"x" * 1_000_000] * 9)
    streaming.times.run_for(31)
    assert told.sizes() == [1, 10, 4, 4, 1]
    assert all(len(json.dumps(event)) <= PAYLOAD_BYTES for event in told.events)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 10_001},
        {"batch_size": 0},
        {"window": 301},
        {"parallelization": 11},
        {"parallelization": 0},
        {"retries": -2},
        {"retries": 10_001},
        {"record_age": 59},
        {"record_age": 604_801},
        {"retention_hours": 23},
        {"retention_hours": 8761},
    ],
    ids=str,
)
def test_a_configuration_out_of_bounds_is_refused(settings: dict[str, float]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html; API_IncreaseStreamRetentionPeriod.html."""
    with pytest.raises(Refused):
        Streaming(Told(), **settings)  # type: ignore[arg-type]


# -- answers ------------------------------------------------------------------------------------------------------------


def test_the_lowest_sequence_is_the_checkpoint_and_all_from_there_comes_again() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html.

    "Lambda uses the record with the lowest sequence number as the checkpoint. Lambda then retries all records starting from
    that checkpoint."
    """
    told = fails_on(b"d", b"b")
    streaming = Streaming(told)
    streaming.put(b"a", b"b", b"c", b"d", b"e")
    streaming.times.run_for(0.5)
    assert [one.data for one in streaming.mapping.done] == [b"a"]
    told.answer = lambda _event: ALL_DONE
    streaming.times.run_for(10)
    assert data(told.events[1]) == [b"b", b"c", b"d", b"e"]
    assert len(streaming.mapping.done) == 5


def test_identifiers_are_compared_as_numbers_of_the_batch_not_by_their_order_in_the_answer() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html: the lowest, not the first."""
    told = Told(lambda event: failing(*(row["kinesis"]["sequenceNumber"] for row in reversed(event["Records"][1:]))))
    streaming = Streaming(told)
    streaming.put(b"a", b"b", b"c")
    streaming.times.run_for(0.5)
    assert [one.data for one in streaming.mapping.done] == [b"a"]


def test_a_batch_that_fails_holds_its_shard_and_no_other() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html: records of the affected shard wait."""
    told = Told(lambda event: boom(event) if b"bad" in data(event) else ALL_DONE)
    streaming = Streaming(told, shards=2, batch_size=1)
    shards = {}
    for key in "abcdef":
        streaming.put(b"bad" if key == "a" else key.encode(), key=key)
        shards[key] = next(shard for shard, rows in streaming.stream.shards.items() if rows and rows[-1].key == key)
    streaming.times.run_for(3600)
    others = sorted(key for key, shard in shards.items() if shard != shards["a"])
    assert others
    assert sorted(one.key for one in streaming.mapping.done) == others


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}])
def test_an_answer_without_a_list_moves_the_checkpoint_past_everything(answer: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html: success conditions."""
    streaming = Streaming(Told(lambda _event: answer))
    streaming.put(b"a", b"b")
    streaming.times.run_for(1)
    assert len(streaming.mapping.done) == 2
    assert not streaming.mapping.calls[0].explicit


@pytest.mark.parametrize(
    "answer", [failing(""), failing(None), failing("1"), {"batchItemFailures": [{"id": "1"}]}, "x"], ids=str
)
def test_a_malformed_answer_fails_the_whole_batch(answer: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html; "1", "x": *assumed*."""
    streaming = Streaming(Told(lambda _event: answer))
    streaming.put(b"a", b"b")
    streaming.times.run_for(0.5)
    assert streaming.mapping.done == []
    assert streaming.mapping.calls[0].problem


def test_without_the_response_type_only_an_error_holds_the_checkpoint() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html: it has to be turned on."""
    streaming = Streaming(fails_on(b"a"), report_batch_item_failures=False)
    streaming.put(b"a")
    streaming.times.run_for(1)
    assert len(streaming.mapping.done) == 1


def test_a_function_over_its_time_has_failed() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html."""
    streaming = Streaming(Told(), timeout=60, takes=61)
    streaming.put(b"a")
    streaming.times.run_for(1)
    assert "Sandbox.Timedout" in streaming.mapping.calls[0].problem
    assert streaming.mapping.done == []


# -- retries ------------------------------------------------------------------------------------------------------------


def test_retries_are_counted_and_then_the_batch_goes_to_the_destination_whole() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: the record, and its name in S3."""
    told, bucket = Told(lambda event: boom(event) if b"bad" in data(event) else ALL_DONE), MemoryBucket()
    streaming = Streaming(told, batch_size=2, retries=2, on_failure=bucket)
    first, second, *_ = streaming.put(b"bad", b"b", b"c")
    streaming.times.drain()
    assert told.sizes() == [2, 2, 2, 1]
    assert [one.data for one in streaming.mapping.done] == [b"c"]
    ((key, _),) = bucket.objects.items()
    assert key.startswith(f"aws/lambda/{streaming.mapping.id}/shardId-000000000000/2026/09/21/2026-09-21T")
    (record,) = bucket.records
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["KinesisBatchInfo"] == {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": first,
        "endSequenceNumber": second,
        "approximateArrivalOfFirstRecord": "2026-09-21T14:13:20.000Z",
        "approximateArrivalOfLastRecord": "2026-09-21T14:13:20.000Z",
        "batchSize": 2,
        "streamArn": streaming.stream.arn,
    }
    assert data(json.loads(record["payload"])) == [b"bad", b"b"]


def test_queues_and_topics_get_no_payload() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: only S3 has the whole record."""
    queue, topic = Queue("failed", clock()), Topic()
    for destination in (QueueDestination(queue), topic):
        streaming = Streaming(Told(boom), retries=0, on_failure=destination)
        streaming.put(b"a")
        streaming.times.drain()
        assert len(streaming.mapping.given_up) == 1
    (sent,) = map(json.loads, queue.bodies)
    assert "payload" not in sent
    assert "payload" not in topic.published[0]
    assert sent["KinesisBatchInfo"]["batchSize"] == 1
    with pytest.raises(Refused):
        QueueDestination(Queue("failed.fifo", clock()))


def test_without_a_destination_what_is_given_up_is_lost() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: "Lambda discards the records"."""
    streaming = Streaming(Told(boom), retries=0)
    streaming.put(b"a")
    streaming.times.drain()
    assert [one.data for one in streaming.mapping.lost] == [b"a"]


def test_a_batch_is_tried_until_its_records_are_too_old() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html: MaximumRetryAttempts -1, a record age."""
    told, bucket = Told(boom), MemoryBucket()
    streaming = Streaming(told, record_age=3600, on_failure=bucket)
    streaming.put(b"a")
    streaming.times.run_for(1800)
    streaming.put(b"b")
    streaming.times.run_for(2150)
    assert [one.data for one in streaming.mapping.given_up] == [b"a"]
    (record,) = bucket.records
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    streaming.times.drain()
    assert [one.data for one in streaming.mapping.given_up] == [b"a", b"b"]
    assert streaming.mapping.lost == []
    assert len(told.events) > 10


def test_only_the_old_part_of_a_batch_is_given_up() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: an age is one of a record."""
    told, bucket = Told(boom), MemoryBucket()
    streaming = Streaming(told, record_age=3600, window=300, on_failure=bucket)
    streaming.put(b"a")
    streaming.times.run_for(299)
    streaming.put(b"b")
    streaming.times.run_for(3500)
    told.answer = lambda _event: ALL_DONE
    streaming.times.drain()
    assert [one.data for one in streaming.mapping.given_up] == [b"a"]
    assert [one.data for one in streaming.mapping.done] == [b"b"]


def test_without_a_record_age_records_expire_and_are_lost_in_silence() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: "until the records expire"."""
    bucket = MemoryBucket()
    streaming = Streaming(Told(boom), on_failure=bucket)
    streaming.put(b"a")
    streaming.times.drain()
    assert 24 * 3600 <= streaming.clock.monotonic() <= 24 * 3600 + 300
    assert [one.data for one in streaming.mapping.lost] == [b"a"]
    assert bucket.records == []


def test_records_that_were_not_read_in_time_are_lost_too() -> None:
    """https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html."""
    streaming = Streaming(Told(boom), batch_size=1)
    streaming.put(b"a", b"b", b"c")
    streaming.times.drain()
    assert len(streaming.mapping.lost) == 3


def test_a_throttled_call_costs_no_retry() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: "Before invocation"."""
    time, told = clock(), Told(lambda event: boom(event) if len(told.events) == 1 else ALL_DONE)
    stream = Stream("flows", time)
    target = Target(call=in_process(told, time).call, throttled=lambda moment: moment < 3600)
    mapping = KinesisMapping(stream, target, retries=1)
    stream.put(b"a")
    Times(time, mapping).drain()
    assert told.sizes() == [1, 1]
    assert len(mapping.done) == 1
    assert time.monotonic() >= 3600


# -- splitting, and several batches of a shard --------------------------------------------------------------------------


def test_bisecting_isolates_the_bad_record_and_costs_no_retry() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html.

    "Splitting a batch does not consume the retry quota."
    """
    told, bucket = Told(lambda event: boom(event) if b"bad" in data(event) else ALL_DONE), MemoryBucket()
    streaming = Streaming(told, retries=1, bisect=True, on_failure=bucket)
    streaming.put(b"a", b"b", b"c", b"d", b"bad", b"e", b"f", b"g")
    streaming.times.drain()
    assert [one.data for one in streaming.mapping.given_up] == [b"bad"]
    assert b"".join(one.data for one in streaming.mapping.done) == b"abcdefg"
    assert told.sizes() == [8, 4, 4, 2, 1, 1, 1, 2]


def test_bisecting_with_a_reported_sequence_splits_there() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html.

    "the batch is bisected at the returned sequence number, and Lambda retries only the remaining records"
    """
    told = fails_on(b"bad")
    streaming = Streaming(told, retries=0, bisect=True)
    streaming.put(b"a", b"b", b"bad", b"c")
    streaming.times.drain()
    assert told.sizes() == [4, 2, 1, 1]
    assert [one.data for one in streaming.mapping.lost] == [b"bad"]


def test_parallel_batches_keep_the_order_of_each_key() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html: "in-order processing at the partition-key level"."""
    told = Told(lambda event: boom(event) if b"a0" in data(event) else ALL_DONE)
    streaming = Streaming(told, parallelization=2)
    for number in range(10):
        streaming.put(b"a%d" % number, key="a")
        streaming.put(b"b%d" % number, key="b")
    streaming.times.run_for(60)
    assert [one.data for one in streaming.mapping.done] == [b"b%d" % number for number in range(10)]
    told.answer = lambda _event: ALL_DONE
    streaming.times.drain()
    assert [one.data for one in streaming.mapping.done[10:]] == [b"a%d" % number for number in range(10)]
