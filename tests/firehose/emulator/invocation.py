"""How the function is called: in this process, or in the real runtime client behind the Runtime API.

A call takes the event as JSON text and returns the reply as JSON text, or raises InvocationFailed. Both ways hold Lambda's
6 MB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.firehose.emulator.limits import MAX_INVOCATION_SECONDS
from tests.firehose.emulator.records import Failure
from tests.runtime.context import Context
from tests.runtime.function import Function, RequestTooLarge
from tests.runtime.service import MAX_PAYLOAD_BYTES
from vpcflow.clock import FakeClock

Invoke = Callable[[bytes], bytes]
ARN = "arn:aws:lambda:us-east-1:123456789012:function:transform"

# The codes and texts of these three are not in AWS's list; they are what error prefixes of real streams hold.
FUNCTION_ERROR = Failure(
    code="Lambda.FunctionError",
    message="The Lambda function was successfully invoked but it returned an error result.",
)
TIMED_OUT = Failure(
    code="Lambda.FunctionTimedOut",
    message="The Lambda function invocation timed out. Increase the Timeout setting in the Lambda function.",
)
TOO_LARGE = Failure(
    code="Lambda.InvokeFailed", message="The request exceeds the payload limit of a synchronous invocation."
)
LIMIT_EXCEEDED = Failure(
    code="Lambda.InvokeLimitExceeded",
    message="The Lambda concurrent execution limit is exceeded. Increase the concurrent execution limit.",
)


class InvocationFailed(Exception):
    """There is no reply: Firehose tries the same batch again."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def in_process(
    handler: Callable[[Any, Any], object], clock: FakeClock, *, timeout: float = 60.0, takes: float = 0.0
) -> Invoke:
    """Call a handler here. Simulated time: a call takes `takes` seconds, and what the handler sleeps on the clock itself.

    A handler that needs more than `timeout` of them has timed out: what it did is done, what it returned is lost.
    """
    limit = min(timeout, MAX_INVOCATION_SECONDS)

    def invoke(payload: bytes) -> bytes:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise InvocationFailed(TOO_LARGE)
        began = clock.monotonic()
        try:
            reply = json.dumps(handler(json.loads(payload), Context(clock, limit, ARN))).encode()
        except Exception as error:
            raise InvocationFailed(FUNCTION_ERROR) from error
        finally:
            clock.advance(takes)
        if clock.monotonic() - began > limit:
            raise InvocationFailed(TIMED_OUT)
        if len(reply) > MAX_PAYLOAD_BYTES:
            raise InvocationFailed(FUNCTION_ERROR)
        return reply

    return invoke


def in_runtime(function: Function) -> Invoke:
    """Call a function in its own process."""

    def invoke(payload: bytes) -> bytes:
        try:
            answer = function.invoke_bytes(payload)
        except RequestTooLarge as error:
            raise InvocationFailed(TOO_LARGE) from error
        if answer.error_type == "Sandbox.Timedout":
            raise InvocationFailed(TIMED_OUT)
        if answer.failed:
            raise InvocationFailed(FUNCTION_ERROR)
        return answer.payload

    return invoke
