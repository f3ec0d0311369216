"""The templates' numbers hold what README.md says of them, in simulated time."""

from __future__ import annotations

import pytest

from tests.eventsources.emulator.destinations import MemoryBucket
from tests.eventsources.numbers import (
    EVENT_AGE,
    HOUR,
    LOGS_TIMEOUT,
    QUEUE_RETENTION,
    QUEUE_TIMEOUT,
    RECEIVES,
    RETRIES,
    STREAM_RETENTION_HOURS,
    VISIBILITY,
    record_age,
)
from tests.eventsources.scene import ALL_DONE, Event, Invoked, Mapped, Streaming, Told, boom


def away_for(seconds: float) -> tuple[Told, list[Mapped]]:
    """Return a function that fails for so long, by the clock of the queue that is put into the list."""
    mapped: list[Mapped] = []

    def answer(event: Event) -> object:
        return boom(event) if mapped[0].clock.monotonic() < seconds else ALL_DONE

    return Told(answer), mapped


@pytest.mark.parametrize(("hours", "letters"), [(6, 0), (72, 0), (99.5, 0), (100, 1)])
def test_the_dead_letter_queue_stays_empty_for_99_hours(hours: float, letters: int) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html."""
    told, mapped = away_for(hours * HOUR)
    mapped.append(
        Mapped(told, receives=RECEIVES, visibility=VISIBILITY, timeout=QUEUE_TIMEOUT, retention=QUEUE_RETENTION)
    )
    (one,) = mapped
    one.send("a")
    one.times.drain()
    assert len(one.letters) == letters
    assert len(one.queue.deleted) == 1 - letters
    assert one.queue.expired == []


def test_a_dead_letter_can_be_redriven_for_9_days_and_then_lasts_as_long_again() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html."""
    told, mapped = away_for(24 * HOUR * 17)
    mapped.append(
        Mapped(told, receives=RECEIVES, visibility=VISIBILITY, timeout=QUEUE_TIMEOUT, retention=QUEUE_RETENTION)
    )
    (one,) = mapped
    one.send("a")
    one.times.drain()
    one.clock.advance(9 * 24 * HOUR)
    assert one.queue.move_all(one.letters) == 1
    one.times.drain()
    assert len(one.queue.deleted) == 1
    assert (one.queue.expired, one.letters.expired) == ([], [])


@pytest.mark.parametrize("retention_hours", [STREAM_RETENTION_HOURS, 72, 168, 8760])
def test_what_a_stream_gives_up_reaches_its_destination_before_it_expires(retention_hours: int) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html: also the batch behind."""
    bucket = MemoryBucket()
    streaming = Streaming(
        Told(boom),
        retention_hours=retention_hours,
        record_age=record_age(retention_hours),
        takes=299,
        timeout=300,
        batch_size=1,
        on_failure=bucket,
    )
    streaming.put(b"a", b"b", b"c")
    streaming.times.drain()
    assert len(bucket.records) == 3
    assert streaming.mapping.lost == []


def test_a_stream_gives_nothing_up_for_six_hours() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html: retries without a number."""
    bucket = MemoryBucket()
    told = Told(boom)
    streaming = Streaming(told, record_age=record_age(24), on_failure=bucket)
    streaming.put(b"a", b"b")
    streaming.times.run_for(6 * HOUR)
    told.answer = lambda _event: ALL_DONE
    streaming.times.drain()
    assert (len(streaming.mapping.done), bucket.records) == (2, [])


def test_an_asynchronous_event_is_in_s3_six_minutes_after_it_first_failed() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: no setting makes that hours."""
    bucket = MemoryBucket()
    invoked = Invoked(
        Told(boom), timeout=LOGS_TIMEOUT, takes=LOGS_TIMEOUT, retries=RETRIES, event_age=EVENT_AGE, on_failure=bucket
    )
    invoked.invoker.invoke({})
    invoked.times.drain()
    assert len(bucket.records) == 1
    assert invoked.clock.monotonic() == 3 * LOGS_TIMEOUT + 180 == 360
