"""An SQS queue as it is worked on: messages received, hidden while somebody works on them, deleted or shown again.

* https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html: a message may stay
  hidden for 12 hours in all since it was received
* https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from vpcflow.aws import explained
from vpcflow.clock import Clock
from vpcflow.errors import EX_TEMPFAIL, VpcFlowError
from vpcflow.forwarding.handover import FIFO
from vpcflow.logs import get_logger

__all__ = ["Keeper", "Message", "Queue"]

log = get_logger(__name__)

_HIDDEN_AT_MOST_SECONDS = 12 * 3600
_RENEWED_AFTER = 1 / 3  # of the time that a message is hidden: two more tries fit in
_LET_GO_BEFORE = 1 / 10  # of that time: nothing may be begun with a message that may show up again in the midst of it
_ON_THE_WAY_SECONDS = 5.0
_SLICE_SECONDS = 1.0


@dataclass(slots=True)
class Message:
    """One message that is in our hands.

    receives: how often it was received, ApproximateReceiveCount.
    group: of a FIFO queue, MessageGroupId; else ''.
    received_at: monotonic seconds.
    hidden_until: monotonic seconds; until then nobody else sees it.
    lost: somebody else may have it: it must not be deleted, nor handed over.
    """

    id: str
    receipt: str
    body: str
    receives: int
    received_at: float
    hidden_until: float
    group: str = ""
    lost: bool = False


class Queue:
    """One queue. Its methods raise VpcFlowErrors of one line; several threads may call them."""

    def __init__(self, sqs: Any, url: str, clock: Clock, *, visibility_seconds: int) -> None:  # noqa: ANN401
        """Keep the parts; `sqs` is a boto3 client."""
        self._sqs = sqs
        self._clock = clock
        self.url = url
        self.is_fifo = url.endswith(FIFO)
        self.visibility_seconds = visibility_seconds

    def arn(self) -> str:
        """Return the queue's ARN; that it answers also says that it is there and ours to read."""
        with self._explained():
            reply = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
            return str(reply["Attributes"]["QueueArn"])

    def receive(self, count: int, wait_seconds: int) -> list[Message]:
        """Return up to `count` messages, hidden from others; wait so long for the first (long polling)."""
        asked = self._clock.monotonic()
        with self._explained():
            reply = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=self.visibility_seconds,
                AttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
            )
        # Their time counts from when the answer was sent: better reckoned too early than too late.
        arrived = max(asked, self._clock.monotonic() - _ON_THE_WAY_SECONDS)
        return [
            Message(
                id=one["MessageId"],
                receipt=one["ReceiptHandle"],
                body=one["Body"],
                receives=int(one.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
                received_at=arrived,
                hidden_until=arrived + self.visibility_seconds,
                group=one.get("Attributes", {}).get("MessageGroupId", ""),
            )
            for one in reply.get("Messages", ())
        ]

    def hide(self, message: Message, seconds: int) -> None:
        """Let nobody see a message for so many seconds from now; 0: show it."""
        asked = self._clock.monotonic()
        with self._explained():
            self._sqs.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )
        message.hidden_until = asked + seconds

    def delete(self, message: Message) -> None:
        """Delete a message: all of it is settled."""
        with self._explained():
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)

    def _explained(self) -> Any:  # noqa: ANN401 - a context manager of VpcFlowErrors
        return explained(self.url, "forwarder.queue_url", error=VpcFlowError)


class Keeper:
    """Keeps messages hidden while they are worked on, from a thread of its own. A message that cannot be kept is let go."""

    def __init__(self, queue: Queue, clock: Clock) -> None:
        """Keep the parts; `with` starts and ends the thread."""
        self._queue = queue
        self._clock = clock
        self._messages: dict[str, Message] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="visibility", daemon=True)

    def __enter__(self) -> Self:
        """Start to renew."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Renew nothing any more."""
        self._over.set()
        self._thread.join()

    def add(self, messages: Iterable[Message]) -> None:
        """Look after these."""
        with self._lock:
            self._messages.update({one.id: one for one in messages})

    def release(self, message: Message) -> None:
        """Look after it no more; when this returns no renewal of it is under way."""
        with self._lock:
            self._messages.pop(message.id, None)

    def renew_due(self) -> None:
        """Renew each message whose time is a third over; let go of one whose time cannot be prolonged."""
        with self._lock:
            for message in [*self._messages.values()]:
                now = self._clock.monotonic()
                if not message.lost and message.hidden_until - now <= self._period * (1 - _RENEWED_AFTER):
                    self._renew(message, now)

    @property
    def _period(self) -> float:
        return float(self._queue.visibility_seconds)

    def _renew(self, message: Message, now: float) -> None:
        is_urgent = message.hidden_until - now <= self._period * _LET_GO_BEFORE
        limit = message.received_at + _HIDDEN_AT_MOST_SECONDS - 1
        why = "SQS hides no message for more than 12 hours"
        if message.hidden_until < limit - 1:
            try:
                self._queue.hide(message, int(min(self._period, limit - now)))
            except VpcFlowError as error:
                why = str(error)
                if error.exit_code == EX_TEMPFAIL and not is_urgent:
                    log.warning("a message is not kept hidden yet; it is tried again", extra=_fields(message, why))
                    return
            else:
                return
        elif not is_urgent:
            return
        message.lost = True
        log.warning("a message is let go: somebody else may receive it", extra=_fields(message, why))

    def _run(self) -> None:
        while not self._over.wait(_SLICE_SECONDS):
            self.renew_due()


def _fields(message: Message, reason: str) -> dict[str, Any]:
    return {"fields": {"message_id": message.id, "receives": message.receives, "reason": reason}}
