"""An SQS queue on simulated time.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html, and the pages
named below.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.eventsources.emulator import limits
from tests.eventsources.emulator.limits import Refused, within
from vpcflow.clock import FakeClock

REGION, ACCOUNT = "us-east-1", "123456789012"


@dataclass(eq=False)
class Message:
    """One message. Moments are seconds of the clock; `sent` counts for its retention, `visible_at` for who may receive it."""

    body: str
    sent: float
    visible_at: float
    group: str = ""
    receives: int = 0
    first_received: float | None = None
    receipt: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def md5(self) -> str:
        return hashlib.md5(self.body.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Redrive:
    """A queue's RedrivePolicy."""

    queue: Queue
    max_receive_count: int


class Queue:
    """`expired`: messages that nobody took before their retention was over: they are lost. `deleted`: done with, in order."""

    def __init__(
        self,
        name: str,
        clock: FakeClock,
        *,
        visibility: float = 30,
        retention: float = 345_600,
        redrive: Redrive | None = None,
        seed: int = 1,
    ) -> None:
        within("VisibilityTimeout", visibility, limits.VISIBILITY_SECONDS)
        within("MessageRetentionPeriod", retention, limits.MESSAGE_RETENTION_SECONDS)
        self.fifo = name.endswith(".fifo")
        if redrive is not None:
            within("maxReceiveCount", redrive.max_receive_count, limits.RECEIVE_COUNT)
            if redrive.queue.fifo != self.fifo:
                raise Refused("InvalidParameterValue", "a queue and its dead-letter queue must be of one type")
        self.name, self.clock, self.visibility, self.retention, self.redrive = (
            name,
            clock,
            visibility,
            retention,
            redrive,
        )
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self.expired: list[Message] = []
        self.deleted: list[Message] = []
        self._messages: list[Message] = []
        self._seen: dict[str, tuple[float, Message]] = {}
        self._pick = random.Random(seed)

    # -- what producers do ------------------------------------------------------------------------------------------

    def send(self, body: str, *, group: str = "", deduplication: str = "") -> Message:
        """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html."""
        if not body or len(body.encode()) > limits.MESSAGE_BYTES:
            raise Refused("InvalidParameterValue", f"a message has 1 to {limits.MESSAGE_BYTES} bytes")
        if self.fifo and not (group and deduplication):
            raise Refused("MissingParameter", "a FIFO queue needs MessageGroupId and MessageDeduplicationId")
        now = self.clock.monotonic()
        if self.fifo and (known := self._seen.get(deduplication)) and now < known[0] + limits.DEDUPLICATION_SECONDS:
            return known[1]
        message = Message(body, sent=now, visible_at=now, group=group)
        self._seen[deduplication] = (now, message)
        self._messages.append(message)
        return message

    def accept(self, message: Message) -> None:
        """Take a message that another queue gave up.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html: a standard
        queue counts its retention from the original enqueue time, a FIFO queue from now.
        """
        now = self.clock.monotonic()
        message.visible_at, message.receipt = now, ""
        if self.fifo:
            message.sent = now
        self._messages.append(message)

    def move_all(self, source: Queue) -> int:
        """Redrive a dead-letter queue into this one; return how many messages that were.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html:
        they are new messages, with a new id and enqueue time.
        """
        source._expire()
        now, moved = self.clock.monotonic(), source._messages
        source._messages = []
        self._messages += [Message(one.body, sent=now, visible_at=now, group=one.group) for one in moved]
        return len(moved)

    # -- what consumers do ------------------------------------------------------------------------------------------

    def receive(self, count: int, visibility: float | None = None) -> list[Message]:
        """Return up to `count` (1 to 10) messages and hide them; what was received too often goes to the dead-letter queue.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html. A standard queue keeps
        no order. A FIFO queue gives nothing more of a group while messages of it are hidden:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html.
        """
        within("MaxNumberOfMessages", count, (1, limits.RECEIVED_AT_ONCE))
        now, taken = self.clock.monotonic(), list[Message]()
        for message in self._receivable():
            if len(taken) == count:
                break
            message.receives += 1
            message.first_received = now if message.first_received is None else message.first_received
            if self.redrive is not None and message.receives > self.redrive.max_receive_count:
                self._messages.remove(message)
                self.redrive.queue.accept(message)
                continue
            message.receipt = str(uuid.uuid4())
            message.visible_at = now + (self.visibility if visibility is None else visibility)
            taken.append(message)
        return taken

    def delete(self, receipt: str) -> bool:
        """Delete the message that was received under this handle.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html: an older handle may
        not delete it (*assumed*: does not).
        """
        for message in self._messages:
            if receipt and message.receipt == receipt:
                self._messages.remove(message)
                self.deleted.append(message)
                return True
        return False

    def show(self, receipt: str, seconds: float) -> None:
        """ChangeMessageVisibility."""
        within("VisibilityTimeout", seconds, limits.VISIBILITY_SECONDS)
        for message in self._messages:
            if message.receipt == receipt:
                message.visible_at = self.clock.monotonic() + seconds

    # -- what tests look at -----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        self._expire()
        return len(self._messages)

    @property
    def bodies(self) -> list[str]:
        """Return what is in the queue, hidden or not."""
        self._expire()
        return [message.body for message in self._messages]

    def next_visible(self) -> float | None:
        """Return the moment when there is something to receive."""
        self._expire()
        moments: dict[str, float] = {}
        for message in self._messages:
            group = message.group if self.fifo else message.id
            moments[group] = max(moments.get(group, message.visible_at), message.visible_at)
        return min(moments.values(), default=None)

    def _receivable(self) -> Collection[Message]:
        self._expire()
        now = self.clock.monotonic()
        visible = [message for message in self._messages if message.visible_at <= now]
        if self.fifo:
            held = {message.group for message in self._messages if message.visible_at > now}
            return [message for message in visible if message.group not in held]
        self._pick.shuffle(visible)
        return visible

    def _expire(self) -> None:
        oldest = self.clock.monotonic() - self.retention
        late = [message for message in self._messages if message.sent <= oldest]
        if late:
            self.expired += late
            self._messages = [message for message in self._messages if message.sent > oldest]
