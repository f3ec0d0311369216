"""The event source mapping of a queue."""

from __future__ import annotations

import pytest

from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.function import Target, TooLarge, in_process, in_runtime
from tests.eventsources.emulator.limits import PAYLOAD_BYTES, Refused
from tests.eventsources.emulator.queue import Queue
from tests.eventsources.emulator.sqs import SqsMapping
from tests.eventsources.functions import by_body
from tests.eventsources.scene import ALL_DONE, START_MS, Event, Mapped, Told, boom, clock, failing
from tests.runtime.function import Function


def bodies(event: Event) -> list[str]:
    return [row["body"] for row in event["Records"]]


def test_an_event_has_what_aws_shows() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event."""
    told = Told()
    mapped = Mapped(told)
    (name,) = mapped.send("text")
    mapped.times.run_for(1)
    (row,) = told.events[0]["Records"]
    assert (row["messageId"], row["body"], row["eventSource"]) == (name, "text", "aws:sqs")
    assert row["eventSourceARN"] == mapped.queue.arn == "arn:aws:sqs:us-east-1:123456789012:objects"
    assert row["md5OfBody"] == "1cb251ec0d568de6a929b520c4aed8d1"
    assert row["attributes"]["ApproximateReceiveCount"] == "1"
    assert row["attributes"]["SentTimestamp"] == str(START_MS)
    assert row["receiptHandle"]


def test_messages_are_deleted_after_a_success_and_not_before() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html: when a batch was processed, Lambda deletes its messages."""
    seen = []

    def look(_event: Event) -> object:
        seen.append(len(mapped.queue))
        return ALL_DONE

    mapped = Mapped(Told(look))
    mapped.send("a", "b")
    mapped.times.run_for(1)
    assert seen == [2]
    assert len(mapped.queue) == 0
    assert [message.body for message in mapped.queue.deleted] in (["a", "b"], ["b", "a"])


@pytest.mark.parametrize(
    "answer", [boom, lambda _event: failing(""), lambda _event: "done"], ids=["raises", "empty", "text"]
)
def test_a_batch_that_fails_comes_back_after_the_visibility_timeout(answer: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-backoff-strategy."""
    told = Told(answer)  # type: ignore[arg-type]
    mapped = Mapped(told, visibility=360)
    mapped.send("a", "b")
    mapped.times.run_for(359)
    assert told.sizes() == [2]
    mapped.times.run_for(2)
    assert told.sizes() == [2, 2]
    assert {row["attributes"]["ApproximateReceiveCount"] for row in told.events[1]["Records"]} == {"2"}
    assert mapped.mapping.calls[0].problem


def test_only_what_is_reported_comes_back() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting."""
    told = Told(lambda event: failing(*(row["messageId"] for row in event["Records"] if row["body"] == "b")))
    mapped = Mapped(told)
    mapped.send("a", "b", "c")
    mapped.times.run_for(1)
    assert mapped.queue.bodies == ["b"]
    told.answer = lambda _event: ALL_DONE
    mapped.times.run_for(361)
    assert bodies(told.events[1]) == ["b"]
    assert mapped.queue.bodies == []


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}, {"failures": ["all of them"]}])
def test_an_answer_without_a_list_deletes_everything(answer: object) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#sqs-batchfailurereporting-conditions."""
    mapped = Mapped(Told(lambda _event: answer))
    mapped.send("a")
    mapped.times.run_for(1)
    assert mapped.queue.bodies == []
    assert not mapped.mapping.calls[0].explicit


def test_without_the_response_type_what_a_function_reports_is_lost() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting."""
    told = Told(lambda event: failing(*(row["messageId"] for row in event["Records"])))
    mapped = Mapped(told, report_batch_item_failures=False)
    mapped.send("a")
    mapped.times.run_for(1)
    assert mapped.queue.bodies == []


def test_a_function_over_its_time_has_failed_whatever_it_did() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html."""
    told = Told()
    mapped = Mapped(told, timeout=60, takes=61)
    mapped.send("a")
    mapped.times.run_for(1)
    assert mapped.queue.bodies == ["a"]
    assert "Sandbox.Timedout" in mapped.mapping.calls[0].problem


def test_after_max_receive_count_a_message_moves_to_the_dead_letter_queue() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html.

    "When the ReceiveCount for a message exceeds the maxReceiveCount …, Amazon SQS moves the message".
    """
    told = Told(boom)
    mapped = Mapped(told, receives=3, visibility=360)
    mapped.send("a")
    mapped.times.run_for(3 * 360 - 1)
    assert (mapped.queue.bodies, mapped.letters.bodies) == (["a"], [])
    mapped.times.drain()
    assert told.sizes() == [1, 1, 1]
    assert (mapped.queue.bodies, mapped.letters.bodies) == ([], ["a"])
    assert mapped.clock.monotonic() == 3 * 360


def test_a_dead_letter_keeps_the_time_it_was_sent_and_a_redriven_one_is_new() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html.

    "the expiration of a message is always based on its original enqueue timestamp";
    sqs-configure-dead-letter-queue-redrive.html: redriven messages get a new message id and enqueue time.
    """
    told = Told(boom)
    mapped = Mapped(told, receives=1, visibility=360)
    (name,) = mapped.send("a")
    mapped.times.drain()
    mapped.clock.advance(1_209_600 - 360 - 1)
    assert mapped.letters.bodies == ["a"]
    told.answer = lambda _event: ALL_DONE
    assert mapped.queue.move_all(mapped.letters) == 1
    mapped.times.run_for(10)
    assert told.events[-1]["Records"][0]["messageId"] != name
    assert told.events[-1]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"
    assert (len(mapped.queue), len(mapped.letters), mapped.letters.expired) == (0, 0, [])


def test_a_message_that_nobody_redrives_expires() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html: as above."""
    mapped = Mapped(Told(boom), receives=1)
    mapped.send("a")
    mapped.times.drain()
    mapped.clock.advance(1_209_600 - 360)
    assert mapped.letters.bodies == []
    assert len(mapped.letters.expired) == 1


def test_a_message_that_fails_for_longer_than_it_is_kept_is_lost() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html."""
    mapped = Mapped(Told(boom), retention=600)
    mapped.send("a")
    mapped.times.drain()
    assert [message.body for message in mapped.queue.expired] == ["a"]


# -- batches ------------------------------------------------------------------------------------------------------------


def test_a_batch_has_no_more_messages_than_its_size() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html."""
    told = Told()
    mapped = Mapped(told, batch_size=4)
    mapped.send(*"abcdefghij")
    mapped.times.run_for(1)
    assert told.sizes() == [4, 4, 2]


def test_a_window_waits_for_more_and_ends_when_the_batch_is_full() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching."""
    told = Told()
    mapped = Mapped(told, batch_size=3, window=20)
    mapped.send("a")
    mapped.times.run_for(10)
    mapped.send("b")
    mapped.times.run_for(9)
    assert told.sizes() == []
    mapped.times.run_for(2)
    assert told.sizes() == [2]
    mapped.send("c", "d", "e")
    mapped.times.run_for(1)
    assert told.sizes() == [2, 3]


def test_an_event_is_never_larger_than_6_mb() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html: "The batch size … 6 MB"."""
    told = Told()
    mapped = Mapped(told, batch_size=100, window=1)
    mapped.send(*["x" * 1_000_000] * 10)
    mapped.times.run_for(2)
    assert told.sizes() == [6, 4]
    assert all(not call.problem for call in mapped.mapping.calls)


def test_the_payload_that_lambda_takes_is_held() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB for request and answer."""
    target = in_process(Told(), clock())
    with pytest.raises(TooLarge):
        target.invoke({"text": "x" * PAYLOAD_BYTES}, 0)
    mapped = Mapped(Told(lambda _event: {**ALL_DONE, "more": "x" * PAYLOAD_BYTES}))
    mapped.send("a")
    mapped.times.run_for(1)
    assert "ResponseSizeTooLarge" in mapped.mapping.calls[0].problem


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 11},
        {"batch_size": 10_001, "window": 1},
        {"batch_size": 0},
        {"window": 301},
        {"fifo": True, "batch_size": 11, "window": 1},
        {"fifo": True, "window": 1},
        {"timeout": 361},
        {"receives": 1001},
        {"retention": 1_209_601},
        {"visibility": 43_201},
    ],
    ids=str,
)
def test_a_configuration_out_of_bounds_is_refused(settings: dict[str, float]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html, -configure.html, and SQS's quotas."""
    with pytest.raises(Refused):
        Mapped(Told(), **settings)  # type: ignore[arg-type]


def test_a_message_out_of_bounds_is_refused() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html."""
    queue = Queue("q", clock())
    for body in ("", "x" * (1024 * 1024 + 1)):
        with pytest.raises(Refused):
            queue.send(body)


# -- throttles ----------------------------------------------------------------------------------------------------------


def throttled(until: float, told: Told) -> tuple[Queue, SqsMapping, Times]:
    time = clock()
    queue = Queue("q", time, visibility=360)
    called = in_process(told, time).call
    mapping = SqsMapping(queue, Target(call=called, throttled=lambda moment: moment < until))
    return queue, mapping, Times(time, mapping)


def test_a_throttled_batch_is_tried_again_while_it_is_hidden() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-backoff-strategy."""
    told = Told()
    queue, mapping, times = throttled(100, told)
    queue.send("a")
    times.run_for(359)
    assert told.events[0]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"
    assert mapping.throttles > 1


def test_a_batch_that_is_throttled_for_longer_uses_up_a_receive_without_a_call() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-backoff-strategy."""
    told = Told()
    queue, _, times = throttled(400, told)
    queue.send("a")
    times.run_for(1000)
    assert told.sizes() == [1]
    assert told.events[0]["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"
    assert len(queue) == 0


# -- FIFO ---------------------------------------------------------------------------------------------------------------


def test_a_fifo_queue_keeps_the_order_of_a_group_also_behind_a_failure() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html."""
    told = Told(boom)
    mapped = Mapped(told, fifo=True, batch_size=2, visibility=360)
    mapped.send("a1", "a2", "a3", group="a")
    mapped.send("b1", group="b")
    mapped.times.run_for(1)
    assert bodies(told.events[0]) == ["a1", "a2"]
    assert bodies(told.events[1]) == ["b1"]
    told.answer = lambda _event: ALL_DONE
    mapped.times.run_for(361)
    assert bodies(told.events[2]) == ["a1", "a2"]
    assert {"a3", "b1"} == {body for event in told.events[3:] for body in bodies(event)}


def test_a_function_that_lets_messages_of_a_group_overtake_is_caught() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting.

    "your function should stop processing messages after the first failure and return all failed and unprocessed messages".
    """
    mapped = Mapped(Told(lambda event: failing(event["Records"][0]["messageId"])), fifo=True)
    _, second = mapped.send("a1", "a2", group="a")
    mapped.times.run_for(1)
    assert mapped.mapping.order_breaks == [second]


def test_a_fifo_message_that_is_sent_twice_is_there_once() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html."""
    time = clock()
    queue = Queue("q.fifo", time)
    first = queue.send("a", group="g", deduplication="1")
    assert queue.send("a", group="g", deduplication="1").id == first.id
    assert len(queue) == 1
    time.advance(301)
    queue.send("a", group="g", deduplication="1")
    assert len(queue) == 2
    with pytest.raises(Refused, match="MissingParameter"):
        queue.send("a")


# -- the queue itself ---------------------------------------------------------------------------------------------------


def test_an_old_receipt_deletes_nothing() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html (*assumed*: never)."""
    time = clock()
    queue = Queue("q", time, visibility=30)
    queue.send("a")
    (first,) = (message.receipt for message in queue.receive(1))
    assert queue.receive(1) == []
    time.advance(30)
    (second,) = (message.receipt for message in queue.receive(1))
    assert not queue.delete(first)
    assert queue.delete(second)
    assert len(queue) == 0


def test_a_visibility_that_is_changed_counts_from_now() -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html."""
    time = clock()
    queue = Queue("q", time, visibility=30)
    queue.send("a")
    (message,) = queue.receive(1)
    queue.show(message.receipt, 0)
    assert queue.receive(1) == [message]


def test_the_same_rules_hold_behind_the_runtime_api() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html."""
    with Function(f"{by_body.__module__}.by_body", timeout=20) as function:
        time = clock()
        queue = Queue("q", time, visibility=360)
        mapping = SqsMapping(queue, in_runtime(function), batch_size=1)
        for body in ("raise", "exit", "nothing", "fail", "good"):
            queue.send(body)
        Times(time, mapping).run_for(1)
        assert sorted(queue.bodies) == ["exit", "fail", "raise"]
        assert sum("as told" in call.problem for call in mapping.calls) == 1
        assert sum("Runtime.ExitError" in call.problem for call in mapping.calls) == 1
        assert function.cold_starts == 2
