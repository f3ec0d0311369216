"""Asynchronous invocation."""

from __future__ import annotations

import pytest

from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.asynchronous import Invoker
from tests.eventsources.emulator.destinations import MemoryBucket, QueueDestination, Topic
from tests.eventsources.emulator.function import Killed, Target, in_process
from tests.eventsources.emulator.limits import Refused
from tests.eventsources.emulator.queue import Queue
from tests.eventsources.scene import Event, Invoked, Told, boom, clock

EVENT = {"awslogs": {"data": "x"}}


def killed(_event: Event) -> object:
    raise Killed("exit status 1")


def test_a_function_that_does_not_fail_is_called_once_whatever_it_answers() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html: there is no answer to be read."""
    told = Told(lambda _event: {"batchItemFailures": [{"itemIdentifier": "all of it"}]})
    invoked = Invoked(told)
    invoked.invoker.invoke(EVENT)
    invoked.times.drain()
    assert told.events == [EVENT]
    assert len(invoked.invoker.done) == 1


@pytest.mark.parametrize("answer", [boom, killed], ids=["raises", "is killed"])
def test_two_retries_after_one_minute_and_after_two(answer: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html.

    "Lambda attempts to run it two more times, with a one-minute wait between the first two attempts, and two minutes between
    the second and third attempts."
    """
    invoked = Invoked(Told(answer))  # type: ignore[arg-type]
    event = invoked.invoker.invoke(EVENT)
    invoked.times.drain()
    assert [moment for moment, _ in invoked.invoker.calls] == [0, 60, 180]
    assert invoked.invoker.lost == [event]


def test_a_timeout_is_a_failure_too() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: "… such as timeouts"."""
    invoked = Invoked(Told(), timeout=60, takes=61)
    invoked.invoker.invoke(EVENT)
    invoked.times.drain()
    assert [moment for moment, _ in invoked.invoker.calls] == [0, 121, 302]
    assert len(invoked.invoker.lost) == 1


def test_what_fails_three_times_goes_to_the_bucket_with_its_event() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html: the record, and its name in S3."""
    bucket = MemoryBucket()
    invoked = Invoked(Told(boom), on_failure=bucket)
    event = invoked.invoker.invoke(EVENT)
    invoked.times.drain()
    ((key, _),) = bucket.objects.items()
    assert key.startswith("aws/lambda/async/forwarder/2026/09/21/2026-09-21T14.16.20-")
    (record,) = bucket.records
    assert record == {
        "version": "1.0",
        "timestamp": "2026-09-21T14:16:20.000Z",
        "requestContext": {
            "requestId": event.id,
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:forwarder:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": EVENT,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "RuntimeError", "errorMessage": "boom"},
    }
    assert invoked.invoker.lost == []


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (1, 2), (2, 3)])
def test_fewer_retries_can_be_had(retries: int, calls: int) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html."""
    invoked = Invoked(Told(boom), retries=retries)
    invoked.invoker.invoke(EVENT)
    invoked.times.drain()
    assert len(invoked.invoker.calls) == calls


@pytest.mark.parametrize(
    "settings", [{"retries": 3}, {"retries": -1}, {"event_age": 59}, {"event_age": 21_601}], ids=str
)
def test_a_configuration_out_of_bounds_is_refused(settings: dict[str, float]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html."""
    with pytest.raises(Refused):
        Invoked(Told(), **settings)  # type: ignore[arg-type]


def test_an_event_over_1_mb_is_refused() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""
    with pytest.raises(Refused, match="RequestTooLarge"):
        Invoked(Told()).invoker.invoke({"awslogs": {"data": "x" * 1024 * 1024}})


def throttled(until: float, told: Told, **settings: object) -> tuple[Invoker, Times]:
    time = clock()
    target = Target(call=in_process(told, time).call, throttled=lambda moment: moment < until)
    invoker = Invoker(target, time, **settings)  # type: ignore[arg-type]
    return invoker, Times(time, invoker)


def test_throttles_cost_no_retry_and_come_5_minutes_apart_at_most() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: "from 1 second … to … 5 minutes"."""
    told = Told()
    invoker, times = throttled(3600, told)
    invoker.invoke(EVENT)
    times.drain()
    assert told.events == [EVENT]
    assert 3600 <= times.clock.monotonic() <= 3900


def test_an_event_that_is_throttled_for_longer_than_its_age_goes_to_the_destination() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.

    *Assumed*: no response without a call.
    """
    told, bucket = Told(), MemoryBucket()
    invoker, times = throttled(1e9, told, on_failure=bucket)
    invoker.invoke(EVENT)
    times.drain()
    assert told.events == []
    (record,) = bucket.records
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["requestPayload"] == EVENT
    assert "responseContext" not in record
    assert 21_600 < times.clock.monotonic() <= 21_900


def test_the_same_event_may_come_twice() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: "the same event … multiple times"."""
    told = Told()
    invoked = Invoked(told, twice=0.5, seed=3)
    for _ in range(20):
        invoked.invoker.invoke(EVENT)
    invoked.times.drain()
    assert len(told.events) > 20


def test_a_record_too_large_for_its_destination_is_lost() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html: delivery errors."""
    large = {"awslogs": {"data": "x" * 1_048_500}}
    queue, topic = Queue("failed", clock()), Topic()
    for destination in (QueueDestination(queue), topic):
        invoked = Invoked(Told(boom), on_failure=destination)
        invoked.invoker.invoke(EVENT)
        invoked.invoker.invoke(large)
        invoked.times.drain()
        assert len(invoked.invoker.lost) == 1
    assert len(queue) == len(topic.published) == 1
