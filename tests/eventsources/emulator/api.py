"""SQS as a function reaches it, for boto3: the queues of a test over HTTP, on its simulated clock.

AWS's JSON 1.0 protocol on loopback: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.eventsources.emulator.limits import Refused
from tests.eventsources.emulator.queue import ACCOUNT, Queue
from tests.quiet_http import QuietRequests, QuietServer, running

_KIND = "application/x-amz-json-1.0"


class SqsApi(QuietServer):
    """`hook`: told of each step of SendMessage: "before", "after"; what it raises cuts the connection."""

    def __init__(self, *queues: Queue) -> None:
        super().__init__(_Requests)
        self.queues = {queue.name: queue for queue in queues}
        self.calls: list[str] = []
        self.hook: Callable[[str], None] = lambda _step: None

    def queue_url(self, queue: Queue) -> str:
        return f"{self.url}/{ACCOUNT}/{queue.name}"


def serving(*queues: Queue) -> AbstractContextManager[SqsApi]:
    """Serve queues while the block runs."""
    return running(SqsApi(*queues))


class _Requests(QuietRequests):
    server: SqsApi

    def do_POST(self) -> None:  # noqa: N802 - the name that the base class looks for
        body = json.loads(self.body())
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.server.calls.append(target)
        try:
            self.say(200, self._called(target, body), kind=_KIND)
        except Refused as error:
            self.say(400, {"__type": f"com.amazonaws.sqs#{error.code}", "message": str(error)}, kind=_KIND)
        except ConnectionError:
            self.hang_up()

    def _called(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        queue = self.server.queues.get(str(body["QueueUrl"]).rpartition("/")[2])
        if queue is None:
            raise Refused("QueueDoesNotExist", f"no queue {body['QueueUrl']}")
        if target != "SendMessage":
            raise Refused("UnsupportedOperation", target)
        self.server.hook("before")
        message = queue.send(
            body["MessageBody"],
            group=body.get("MessageGroupId", ""),
            deduplication=body.get("MessageDeduplicationId", ""),
        )
        self.server.hook("after")
        return {"MessageId": message.id, "MD5OfMessageBody": message.md5}
