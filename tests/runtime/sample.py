"""A handler that does what its event says."""

from __future__ import annotations

import os
import time
from typing import Any, Protocol


class Context(Protocol):
    """The part of Lambda's context that is looked at."""

    aws_request_id: str
    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int: ...


LOADED = time.time_ns()


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    if "print" in event:
        print(event["print"])
    if "raise" in event:
        raise ValueError(event["raise"])
    if "exit" in event:
        os._exit(event["exit"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    return {
        "text": "y" * event.get("answer", 0),
        "loaded": LOADED,
        "process": os.getpid(),
        "request": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
        "region": os.environ["AWS_REGION"],
        "own": os.environ.get("OWN", ""),
        "inherited": "PYTEST_CURRENT_TEST" in os.environ,
    }
