"""What is left of an object goes into a queue: SendMessage.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from vpcflow.aws import explained
from vpcflow.objects.notification import continuation_body
from vpcflow.objects.reference import ObjectRef

__all__ = ["FIFO", "queue_url", "sender"]

FIFO = ".fifo"  # the end of such a queue's name
_GROUP = "vpcflow"  # of what is handed over in a FIFO queue


def queue_url(sqs: Any, arn: str) -> str:  # noqa: ANN401 - boto3 has no types
    """Return the URL of a queue, without a call: the endpoint is that of the client's partition and region."""
    account, name = arn.split(":")[4:6]
    return f"{sqs.meta.endpoint_url.rstrip('/')}/{account}/{name}"


def sender(sqs: Any, url: str) -> Callable[[ObjectRef], None]:  # noqa: ANN401
    """Return what sends a message that names what is left of an object; it is durable when that returns.

    It raises VpcFlowError: the queue did not take it.
    """

    def send(ref: ObjectRef) -> None:
        body = continuation_body(ref)
        more = {}
        if url.endswith(FIFO):
            more = {
                "MessageGroupId": _GROUP,
                "MessageDeduplicationId": hashlib.sha256(body.encode()).hexdigest(),
            }
        with explained(url, "forwarder.continue_queue_url"):
            sqs.send_message(QueueUrl=url, MessageBody=body, **more)

    return send
