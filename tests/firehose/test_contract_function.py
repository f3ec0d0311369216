"""What becomes of a record by what the function answers, or does not answer."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.firehose.emulator.invocation import LIMIT_EXCEEDED, InvocationFailed, in_process, in_runtime
from tests.firehose.emulator.processor import Processing
from tests.firehose.scene import Rows, Told, boom, clock, delivered, failed, ok, raw, transformed
from tests.runtime.function import Function
from tests.runtime.service import MAX_PAYLOAD_BYTES

KEYS = {
    "attemptsMade",
    "arrivalTimestamp",
    "errorCode",
    "errorMessage",
    "attemptEndingTimestamp",
    "rawData",
    "lambdaArn",
}


def named(result: str) -> Callable[[Rows], Rows]:
    return lambda rows: [{"recordId": row["recordId"], "result": result, "data": row["data"]} for row in rows]


def test_ok_is_delivered_dropped_is_not() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html."""

    def rows(rows: Rows) -> Rows:
        return [ok(rows[0], b"new"), {"recordId": rows[1]["recordId"], "result": "Dropped", "data": ""}]

    stream = transformed(Told(rows))
    stream.put_record_batch([b"a", b"b"])
    stream.drain()
    assert delivered(stream) == b"new"
    assert [record.data for record in stream.processor.dropped] == [b"b"]
    assert failed(stream) == []


def test_a_dropped_record_needs_no_data() -> None:
    """*Assumed*: the page asks for data, AWS's own blueprint returns none for what it drops.

    https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html.
    """
    stream = transformed(Told(lambda rows: [{"recordId": rows[0]["recordId"], "result": "Dropped"}]))
    stream.put_record_batch([b"a"])
    stream.drain()
    assert (len(stream.processor.dropped), failed(stream)) == (1, [])


def test_processing_failed_goes_to_the_error_prefix_with_what_came_in() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html.

    The keys are AWS's, numbers are numbers; errorCode and errorMessage are those of real error prefixes (*assumed*: the page
    gives none for this case).
    """

    def rows(rows: Rows) -> Rows:
        changed = base64.b64encode(b"something else").decode()
        return [{"recordId": row["recordId"], "result": "ProcessingFailed", "data": changed} for row in rows]

    stream = transformed(Told(rows))
    stream.put_record_batch([b"a"])
    stream.run_for(5)
    (entry,) = failed(stream)
    assert set(entry) == KEYS
    assert raw(entry) == b"a"
    assert (entry["attemptsMade"], entry["errorCode"]) == (1, "Lambda.ProcessingFailedStatus")
    assert entry["arrivalTimestamp"] <= entry["attemptEndingTimestamp"]
    assert isinstance(entry["arrivalTimestamp"], int)


def test_a_function_error_is_tried_three_times_more_then_the_whole_batch_is_kept() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html: retries 3 by default."""
    told = Told(lambda _rows: 1 / 0)  # type: ignore[arg-type, return-value]
    stream = transformed(told)
    stream.put_record_batch([b"a", b"b"])
    stream.drain()
    assert told.sizes() == [2, 2, 2, 2]
    assert len({event["invocationId"] for event in told.events}) == 1
    assert [raw(entry) for entry in failed(stream)] == [b"a", b"b"]
    assert {entry["attemptsMade"] for entry in failed(stream)} == {4}
    assert {entry["errorCode"] for entry in failed(stream)} == {"Lambda.FunctionError"}
    assert delivered(stream) == b""


def test_a_function_that_recovers_within_the_retries_loses_nothing() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html."""
    told = Told()

    def rows(rows: Rows) -> Rows:
        if len(told.events) < 4:
            raise RuntimeError("not yet")
        return [ok(row) for row in rows]

    told.rows = rows
    stream = transformed(told)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert (delivered(stream), failed(stream)) == (b"a", [])


def test_the_number_of_retries_is_a_setting() -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html: NumberOfRetries."""
    told = Told(lambda _rows: 1 / 0)  # type: ignore[arg-type, return-value]
    stream = transformed(told, retries=0)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert told.sizes() == [1]
    assert failed(stream)[0]["attemptsMade"] == 1


def test_a_timeout_is_a_failure_although_the_work_is_done() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html: up to 5 minutes."""
    time, done = clock(), []

    def slow(event: dict[str, object], _context: object) -> object:
        done.append(event)
        time.sleep(301)
        return {"records": []}

    stream = transformed(slow, time=time, timeout=900)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert len(done) == 4
    assert failed(stream)[0]["errorCode"] == "Lambda.FunctionTimedOut"


def test_the_concurrency_limit_is_tried_again() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html."""
    time, told = clock(), Told()
    calls = []

    def invoke(payload: bytes) -> bytes:
        calls.append(payload)
        if len(calls) < 3:
            raise InvocationFailed(LIMIT_EXCEEDED)
        return in_process(told, time)(payload)

    stream = transformed(told, time=time)
    stream.processor._settings = Processing(invoke=invoke, seconds=0)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert (len(calls), delivered(stream)) == (3, b"a")


BREACHES: dict[str, tuple[Callable[[Rows], object], str]] = {
    "an id is missing": (lambda rows: [ok(rows[0])], "Lambda.MissingRecordId"),
    "an id is unknown": (lambda rows: [ok(rows[0]), {**ok(rows[1]), "recordId": "other"}], "Lambda.MissingRecordId"),
    "an id is one too many": (
        lambda rows: [ok(rows[0]), ok(rows[1]), {**ok(rows[1]), "recordId": "other"}],
        "Lambda.MissingRecordId",
    ),
    "an id comes twice": (lambda rows: [ok(rows[0]), ok(rows[1]), ok(rows[1])], "Lambda.DuplicatedRecordId"),
    "an id is no string": (
        lambda rows: [ok(rows[0]), {**ok(rows[1]), "recordId": 7}],
        "Lambda.JsonProcessingException",
    ),
    "no id at all": (lambda rows: [{"result": "Ok", "data": ""}] * 2, "Lambda.JsonProcessingException"),
    "an unknown result": (
        lambda rows: [ok(rows[0]), {**ok(rows[1]), "result": "OK"}],
        "Lambda.JsonProcessingException",
    ),
    "data is no base64": (lambda rows: [ok(rows[0]), {**ok(rows[1]), "data": "%%"}], "Lambda.JsonProcessingException"),
    "Ok without data": (
        lambda rows: [ok(rows[0]), {"recordId": rows[1]["recordId"], "result": "Ok"}],
        "Lambda.JsonProcessingException",
    ),
    "rows are no objects": (lambda rows: ["a", "b"], "Lambda.JsonProcessingException"),
    "keys are no strings": (
        lambda rows: [ok(rows[0]), {**ok(rows[1]), "metadata": {"partitionKeys": {"a": 1}}}],
        "Lambda.JsonProcessingException",
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_a_reply_that_breaks_the_contract_fails_its_batch(name: str) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html#lambda-invocation-errors.

    *Assumed*: that all records of the batch fail, and that it is not tried again (real error prefixes show one attempt).
    """
    rows, code = BREACHES[name]
    told = Told(rows)  # type: ignore[arg-type]
    stream = transformed(told)
    stream.put_record_batch([b"a", b"b"])
    stream.drain()
    assert delivered(stream) == b""
    assert [(raw(entry), entry["errorCode"]) for entry in failed(stream)] == [(b"a", code), (b"b", code)]
    assert told.sizes() == [2]


@pytest.mark.parametrize("reply", [None, [], {"Records": []}, "text", {"records": None}])
def test_a_reply_of_another_shape_fails_its_batch(reply: object) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html#lambda-invocation-errors."""
    stream = transformed(lambda _event, _context: reply)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert [entry["errorCode"] for entry in failed(stream)] == ["Lambda.JsonProcessingException"]


def test_answers_may_come_in_another_order() -> None:
    """*Assumed*: the page asks for ids, not for an order.

    https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html.
    """
    stream = transformed(Told(lambda rows: [ok(row) for row in reversed(rows)]))
    stream.put_record_batch([b"a", b"b"])
    stream.drain()
    assert delivered(stream) == b"ab"


def test_a_reply_over_6_mb_fails_each_time() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html: 6 MB for request and response."""
    told = Told(lambda rows: [ok(row, b"x" * (MAX_PAYLOAD_BYTES * 3 // 4)) for row in rows])
    stream = transformed(told)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert told.sizes() == [1] * 4
    assert [raw(entry) for entry in failed(stream)] == [b"a"]


def test_a_request_is_below_6_mb_at_the_largest_buffer() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html: 3 MB, base64, with the last record."""
    stream = transformed(Told(), megabytes=3, seconds=900, overshoot=True)
    stream.put_record_batch([b"x" * 999_000] * 4)
    stream.run_for(1)
    assert failed(stream) == []
    assert len(stream.processor.calls[0]) == 4


def test_the_same_rules_hold_behind_the_runtime_api() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: an error of the handler is a function error."""
    with Function("tests.firehose.functions.upper", timeout=20) as function:
        stream = transformed(boom)
        stream.processor._settings = Processing(invoke=in_runtime(function), seconds=0)
        stream.put_record_batch([b"good"])
        stream.run_for(1)
        stream.put_record_batch([b"raise"])
        stream.drain()
        assert delivered(stream) == b"GOOD"
        (entry,) = failed(stream)
        assert (raw(entry), entry["errorCode"], entry["attemptsMade"]) == (b"raise", "Lambda.FunctionError", 4)
        assert function.cold_starts == 1
