"""Messages of a queue, by way of an event source mapping: notifications of S3, what was handed over, or flow logs themselves.

The mapping must have `FunctionResponseTypes: [ReportBatchItemFailures]`: without it SQS deletes what failed, too.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from forwarder.answers import queue_answer
from forwarder.batch import Batch
from forwarder.events import QueueEvent, QueueMessage
from forwarder.invocation import Invocation
from forwarder.plain import Content, content_of
from vpcflow.codec.identity import origin_key
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import VpcFlowError
from vpcflow.forwarding.messages import Messages
from vpcflow.pipeline.pipeline import Record
from vpcflow.types import Origin

__all__ = ["answered"]

_NOTIFICATION = "notification"  # a reason of a dead letter
_BEHIND = "behind one that comes again, in a FIFO queue"


def answered(event: QueueEvent, invocation: Invocation) -> dict[str, Any]:
    """Forward what the messages name or hold; return which of them come again.

    Raises:
        VpcFlowError: nothing at all was settled because of an output; all messages come again, and Lambda counts an error.
    """
    queue_arn = event.messages[0].queue_arn
    with ExitStack() as stack:
        messages = invocation.messages(queue_arn)
        stack.callback(messages.close)
        plain = _Plain(queue_arn, invocation)
        stack.callback(plain.close)
        for item, message in enumerate(event.messages):
            content = content_of(message.body)
            if content is None:
                messages.take(str(item), message.body, queue_arn)
            else:
                plain.take(item, message, content)
        invocation.settle(messages)
        plain.settle()
        problems = _problems(event, messages, plain)
        trouble = next(iter(messages.troubles), plain.trouble)
    invocation.count_objects(messages.tally)
    identifiers = [message.message_id for message in event.messages]
    invocation.report(identifiers, problems, trouble)
    return queue_answer(identifiers, [not problem for problem in problems], fifo=event.fifo)


def _problems(event: QueueEvent, messages: Messages, plain: _Plain) -> list[str]:
    """Return for each message why it comes again, or ''. Hands over what is left of objects.

    Not of those that come again whatever is done with them: they would be in the queue twice.
    """
    problems: list[str] = []
    for item in range(len(event.messages)):
        if event.fifo and any(problems):
            problems.append(_BEHIND)
        elif messages.knows(str(item)):
            problems.append(messages.fate(str(item)))
        else:
            problems.append(plain.problem(item))
    return problems


class _Plain:
    """The messages that name no object: what they hold is forwarded, or kept as dead letters."""

    def __init__(self, queue_arn: str, invocation: Invocation) -> None:
        self._queue_arn = queue_arn
        self._invocation = invocation
        self._batch: Batch | None = None
        self.trouble: VpcFlowError | None = None

    def take(self, item: int, message: QueueMessage, content: Content) -> None:
        if content.is_empty:
            self._invocation.count_empty()
        batch = self._opened()
        if batch is None:
            return
        if content.is_empty:
            batch.pass_by(item)
        elif content.problem:
            batch.keep(item, self._letter(message, content.problem))
        else:
            batch.give(item, [Record(data=content.data, origin=self._origin(message), position=(item, 0))])

    def settle(self) -> None:
        if self._batch is not None:
            self._batch.settle()
            self.trouble = self.trouble or self._batch.trouble

    def problem(self, item: int) -> str:
        return self._batch.problem(item) if self._batch is not None else str(self.trouble)

    def close(self) -> None:
        if self._batch is not None:
            self._batch.close()

    def _opened(self) -> Batch | None:
        """Return the batch of this queue, made for its first such message; None after it could not be had."""
        if self._batch is None and self.trouble is None:
            try:
                self._batch = self._invocation.batch(self._queue_arn)
            except VpcFlowError as error:
                self.trouble = error
        return self._batch

    def _origin(self, message: QueueMessage) -> Origin:
        return Origin(
            identity=origin_key("sqs", message.queue_arn, message.message_id),
            name=f"sqs:{message.queue_arn.rpartition(':')[2]}",
            arrival_ms=message.sent_ms,
        )

    def _letter(self, message: QueueMessage, problem: str) -> DeadLetter:
        origin = self._origin(message)
        return DeadLetter(
            reason=_NOTIFICATION,
            message=problem,
            raw=message.body.encode("utf-8", "surrogatepass"),
            source=origin.name,
            identity={"aws.sqs.message_id": message.message_id},
            position=-1,
            first_seen_ms=self._invocation.now_ms(),
            origin=origin,
        )
