"""Notifications of S3 that come without a queue: from S3 itself, SNS or EventBridge, by asynchronous invocation.

What is left of an object when time is up goes to `forwarder.continue_queue_url`; without one the invocation fails, and Lambda
begins anew. https://docs.aws.amazon.com/lambda/latest/dg/with-s3.html
"""

from __future__ import annotations

from typing import Any

from forwarder.events import ObjectEvent
from forwarder.invocation import Invocation

__all__ = ["answered"]


def answered(event: ObjectEvent, invocation: Invocation) -> dict[str, Any]:
    """Forward the objects; return an empty answer. Raises VpcFlowError: not all of it is settled or handed over."""
    batch = invocation.messages("")
    try:
        for number, body in enumerate(event.bodies):
            batch.take(str(number), body, invocation.function_arn)
        invocation.settle(batch)
        problems = [batch.fate(str(number)) for number in range(len(event.bodies))]
        trouble = next(iter(batch.troubles), None)
    finally:
        batch.close()
    invocation.count_objects(batch.tally)
    invocation.report_whole(next(filter(None, problems), ""), trouble)
    return {}
