"""The event source mapping of a queue: it receives, calls the function, and deletes what the function is done with.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html. One call at a time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.eventsources.emulator import limits
from tests.eventsources.emulator.answers import WholeBatch, failures, said_explicitly
from tests.eventsources.emulator.function import Said, Target, Throttled
from tests.eventsources.emulator.limits import Refused, within
from tests.eventsources.emulator.queue import ACCOUNT, REGION, Message, Queue
from vpcflow.clock import FakeClock

_ENVELOPE_BYTES = len('{"Records": []}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the function. problem: why the batch failed as a whole. explicit: the answer held a list."""

    at: float
    ids: tuple[str, ...]
    failed: frozenset[str]
    problem: str = ""
    explicit: bool = True


@dataclass(slots=True)
class _Batch:
    opened: float
    messages: list[Message] = field(default_factory=list)
    size: int = _ENVELOPE_BYTES
    wait: float = limits.THROTTLED_SECONDS[0]
    again: float | None = None


class SqsMapping:
    """`calls`: all calls; `throttles`: those that Lambda refused; `order_breaks`: ids that a FIFO function let overtake."""

    def __init__(
        self,
        queue: Queue,
        target: Target,
        *,
        batch_size: int = 10,
        window: float = 0,
        report_batch_item_failures: bool = True,
        enabled: bool = True,
        wall: FakeClock | None = None,
    ) -> None:
        within("BatchSize", batch_size, limits.SQS_FIFO_BATCH if queue.fifo else limits.SQS_BATCH)
        within("MaximumBatchingWindowInSeconds", window, limits.WINDOW_SECONDS)
        if queue.fifo and window:
            raise Refused("InvalidParameterValueException", "a FIFO queue has no batching window")
        if batch_size > limits.SQS_BATCH_WITHOUT_WINDOW and window < 1:
            raise Refused(
                "InvalidParameterValueException", "more than 10 messages need a batching window of 1 s or more"
            )
        if target.timeout > queue.visibility:
            raise Refused(
                "InvalidParameterValueException",
                f"Queue visibility timeout: {queue.visibility:g} seconds is less than Function timeout:"
                f" {target.timeout:g} seconds",
            )
        self.queue, self.enabled = queue, enabled
        self.calls: list[Call] = []
        self.throttles = 0
        self.order_breaks: list[str] = []
        self._target, self._batch_size, self._window = target, batch_size, window
        self._reporting = report_batch_item_failures
        self._clock = wall or queue.clock
        self._batch: _Batch | None = None
        self._carried: list[Message] = []

    # -- time -------------------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """Return when it acts next."""
        if not self.enabled:
            return None
        batch, visible = self._batch, self.queue.next_visible()
        if batch is None:
            return self._clock.monotonic() if self._carried else visible
        if batch.again is not None:
            return batch.again
        full = batch.opened + self._window
        return full if visible is None else min(full, visible)

    def step(self) -> None:
        """Receive, and call the function once the batch is complete."""
        batch = self._batch
        if batch is None or batch.again is None:
            batch = self._batch = batch or _Batch(self._clock.monotonic())
            complete = self._gather(batch)
            if not batch.messages:
                self._batch = None
                return
            if not complete and self._clock.monotonic() < batch.opened + self._window:
                return
        self._call(batch)

    def _gather(self, batch: _Batch) -> bool:
        """Receive into a batch; return whether nothing more fits in.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching:
        the window is over, the batch is full, or the event would exceed 6 MB.
        """
        carried, self._carried = self._carried, []
        while len(batch.messages) < self._batch_size:
            received = carried or self.queue.receive(min(10, self._batch_size - len(batch.messages)))
            carried = []
            if not received:
                return False
            for place, message in enumerate(received):
                if not self._add(batch, message):
                    self._carried = received[place:]
                    return True
        return True

    def _add(self, batch: _Batch, message: Message) -> bool:
        size = len(json.dumps(self._record(message))) + 2
        if batch.messages and batch.size + size > limits.PAYLOAD_BYTES:
            return False
        batch.messages.append(message)
        batch.size += size
        return True

    # -- one call ---------------------------------------------------------------------------------------------------

    def _call(self, batch: _Batch) -> None:
        now = self._clock.monotonic()
        records = [self._record(message) for message in batch.messages]
        try:
            said = self._target.invoke({"Records": records}, now)
        except Throttled:
            self._put_off(batch, now)
            return
        self._batch = None
        self._settle(batch.messages, said, now)

    def _put_off(self, batch: _Batch, now: float) -> None:
        """Try again until the messages show up again.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-backoff-strategy. The
        waits are *assumed*.
        """
        self.throttles += 1
        batch.again = now + batch.wait
        batch.wait = min(batch.wait * 2, limits.THROTTLED_SECONDS[1])
        if batch.again >= min(message.visible_at for message in batch.messages):
            self._batch = None

    def _settle(self, messages: Sequence[Message], said: Said, began: float) -> None:
        """Delete what was not reported; nothing when the batch failed."""
        ids = {message.id for message in messages}
        problem = ""
        try:
            failed = failures(said, ids, reporting=self._reporting)
        except WholeBatch as error:
            failed, problem = ids, str(error)
        explicit = problem != "" or said_explicitly(said)
        self.calls.append(
            Call(
                at=began,
                ids=tuple(message.id for message in messages),
                failed=frozenset(failed),
                problem=problem,
                explicit=explicit,
            )
        )
        if self.queue.fifo:
            self._watch_order(messages, failed)
        for message in messages:
            if message.id not in failed:
                self.queue.delete(message.receipt)

    def _watch_order(self, messages: Sequence[Message], failed: set[str]) -> None:
        """Note what is deleted behind a failure of its group: AWS asks a function to return all after the first failure."""
        broken: set[str] = set()
        for message in messages:
            if message.id in failed:
                broken.add(message.group)
            elif message.group in broken:
                self.order_breaks.append(message.id)

    def _record(self, message: Message) -> dict[str, Any]:
        """Return a record of the event, as on https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
        attributes = {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(self._wall_ms(message.sent)),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": str(self._wall_ms(message.first_received or message.sent)),
        }
        if self.queue.fifo:
            attributes |= {"MessageGroupId": message.group, "SequenceNumber": "18849496460467696128"}
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": {},
            "md5OfBody": message.md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.queue.name}",
            "awsRegion": REGION,
        }

    def _wall_ms(self, moment: float) -> int:
        return self._clock.wall_ms() - round((self._clock.monotonic() - moment) * 1000)
