"""How the function is called: in this process on simulated time, or in the real runtime client.

A call takes the event as JSON text and returns what `Invoke` would give:
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html. It raises Throttled or TooLarge where Lambda never ran it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.eventsources.emulator.limits import PAYLOAD_BYTES, TIMEOUT_SECONDS, within
from tests.runtime.context import Context
from tests.runtime.function import Function, RequestTooLarge
from vpcflow.clock import FakeClock

ARN = "arn:aws:lambda:us-east-1:123456789012:function:forwarder"


@dataclass(frozen=True, slots=True)
class Said:
    """payload: what the function returned, or its error as JSON. failed: Lambda's FunctionError is set."""

    payload: bytes
    failed: bool = False


class Throttled(Exception):
    """429 TooManyRequestsException: the function was not run."""


class TooLarge(Exception):
    """413 RequestTooLargeException: the function was not run."""


class Killed(BaseException):
    """The process of the function is gone: raised by a test in the midst of a handler, which cannot catch it by accident."""


Call = Callable[[bytes], Said]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A function to be called, and its timeout in seconds: mappings are checked against it.

    throttled: asked with the moment before each call.
    """

    call: Call
    timeout: float = 60.0
    arn: str = ARN
    throttled: Callable[[float], bool] = lambda _moment: False

    def __post_init__(self) -> None:
        within("Timeout", self.timeout, TIMEOUT_SECONDS)

    def invoke(self, event: object, moment: float) -> Said:
        """Call it. Raises Throttled or TooLarge."""
        payload = json.dumps(event).encode()
        if self.throttled(moment):
            raise Throttled
        if len(payload) > PAYLOAD_BYTES:
            raise TooLarge(f"{len(payload)} bytes")
        return self.call(payload)


def in_process(
    handler: Callable[[Any, Any], object], clock: FakeClock, *, timeout: float = 60.0, takes: float = 0.0
) -> Target:
    """Call a handler here. Simulated time: a call takes `takes` seconds, and what the handler sleeps on the clock itself.

    A handler that needs more than `timeout` of them has timed out: what it did is done, what it returned is lost.
    """

    def call(payload: bytes) -> Said:
        began = clock.monotonic()
        try:
            reply = json.dumps(handler(json.loads(payload), Context(clock, timeout, ARN))).encode()
            said = Said(reply) if len(reply) <= PAYLOAD_BYTES else _error("Function.ResponseSizeTooLarge", "")
        except Killed as error:
            said = _error("Runtime.ExitError", f"Runtime exited with error: {error}")
        except Exception as error:
            said = _error(type(error).__name__, str(error))
        clock.advance(takes)
        if clock.monotonic() - began > timeout:
            return _error("Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds")
        return said

    return Target(call=call, timeout=timeout)


def in_runtime(function: Function) -> Target:
    """Call a function in its own process, the real runtime client in it."""

    def call(payload: bytes) -> Said:
        try:
            answer = function.invoke_bytes(payload)
        except RequestTooLarge as error:
            raise TooLarge(str(error)) from error
        return Said(answer.payload, failed=answer.failed)

    return Target(call=call, timeout=function.timeout, arn=function.arn)


def _error(kind: str, message: str) -> Said:
    return Said(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)
