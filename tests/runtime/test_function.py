"""The real runtime client against our Runtime API: what `Invoke` gives for each ending of a handler."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.runtime.function import Function, RequestTooLarge
from tests.runtime.service import MAX_PAYLOAD_BYTES, RuntimeApi

SAMPLE = "tests.runtime.sample.handler"


def process_of(value: dict[str, object]) -> int:
    return int(str(value["process"]))


@pytest.fixture(scope="module")
def shared() -> Iterator[Function]:
    with Function(SAMPLE, {"OWN": "x"}, timeout=20) as function:
        yield function


def test_it_answers_with_what_the_handler_returned(shared: Function) -> None:
    answer = shared.invoke({})
    assert not answer.failed
    assert answer.error_type == ""
    value = answer.value
    assert value["arn"] == shared.arn
    assert 0 < int(str(value["left"])) <= 20_000
    assert (value["region"], value["own"], value["inherited"]) == ("us-east-1", "x", False)


def test_each_invocation_has_an_id_and_the_process_stays(shared: Function) -> None:
    first, second = shared.invoke({}).value, shared.invoke({}).value
    assert first["request"] != second["request"]
    assert first["process"] == second["process"]
    assert first["loaded"] == second["loaded"]


def test_an_exception_is_a_function_error_and_the_process_stays(shared: Function) -> None:
    process = shared.invoke({}).value["process"]
    answer = shared.invoke({"raise": "boom"})
    assert answer.failed
    assert answer.error_type == "ValueError"
    assert answer.value["errorMessage"] == "boom"
    assert "sample.py" in str(answer.value["stackTrace"])
    assert shared.invoke({}).value["process"] == process


def test_a_timeout_kills_the_process_and_the_next_call_starts_anew() -> None:
    with Function(SAMPLE) as function:
        first = function.invoke({}).value
        answer = function.invoke({"sleep": 60}, timeout=0.3)
        assert answer.error_type == "Sandbox.Timedout"
        assert "timed out after 0.30 seconds" in str(answer.value["errorMessage"])
        with pytest.raises(ProcessLookupError):
            os.kill(process_of(first), 0)
        second = function.invoke({}).value
        assert second["process"] != first["process"]
        assert second["loaded"] != first["loaded"]
        assert function.cold_starts == 2


def test_an_exit_is_told_and_the_next_call_starts_anew() -> None:
    with Function(SAMPLE) as function:
        answer = function.invoke({"exit": 3})
        assert answer.error_type == "Runtime.ExitError"
        assert "exit status 3" in str(answer.value["errorMessage"])
        assert not function.invoke({}).failed
        assert function.cold_starts == 2


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ("tests.runtime.nowhere.handler", "Runtime.ImportModuleError"),
        ("tests.runtime.sample.nothing", "Runtime.HandlerNotFound"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_an_init_error_each_time(handler: str, kind: str) -> None:
    with Function(handler) as function:
        assert function.invoke({}).error_type == kind
        assert function.invoke({}).error_type == kind
        assert function.cold_starts == 2


def test_a_request_over_6_mb_never_reaches_the_function(shared: Function) -> None:
    def sized(size: int) -> bytes:
        return json.dumps({"pad": "x" * (size - len('{"pad": ""}'))}).encode()

    assert not shared.invoke_bytes(sized(MAX_PAYLOAD_BYTES)).failed
    with pytest.raises(RequestTooLarge):
        shared.invoke_bytes(sized(MAX_PAYLOAD_BYTES + 1))


def test_an_answer_over_6_mb_is_a_function_error() -> None:
    with Function(SAMPLE) as function:
        around = len(function.invoke({}).payload)
        assert len(function.invoke({"answer": MAX_PAYLOAD_BYTES - around - 100}).payload) > MAX_PAYLOAD_BYTES - 200
        answer = function.invoke({"answer": MAX_PAYLOAD_BYTES})
        assert answer.error_type == "Function.ResponseSizeTooLarge"
        assert not function.invoke({}).failed
        assert function.cold_starts == 2, "the runtime client leaves after a 413"


def test_what_is_printed_goes_to_the_log() -> None:
    with tempfile.TemporaryFile() as log, Function(SAMPLE, log=log) as function:
        function.invoke({"print": "a line"})
        log.seek(0)
        assert b"a line" in log.read()


def test_an_answer_to_no_invocation_is_refused() -> None:
    api = RuntimeApi("arn")
    try:
        connection = HTTPConnection(api.address, timeout=60)
        connection.request("POST", "/2018-06-01/runtime/invocation/nobody/response", b"{}")
        assert connection.getresponse().status == 400
        connection.close()
    finally:
        api.close()


def test_who_waited_in_next_gets_nothing_of_the_next_process() -> None:
    """A killed process leaves its request behind; with a queue of its own it can take no event of another."""
    with Function(SAMPLE) as function:
        for _ in range(3):
            first = function.invoke({}).value
            os.kill(process_of(first), 9)
            assert function.invoke({}, timeout=20).error_type in ("", "Runtime.ExitError")
        assert not function.invoke({}).failed
