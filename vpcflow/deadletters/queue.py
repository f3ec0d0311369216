"""Dead letters in an SQS queue: one message each, and large ones by reference to S3.

Limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html. A queue keeps messages
for 14 days at most: `MessageRetentionPeriod` is 4 days unless it is set.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from vpcflow.aws import explained
from vpcflow.clock import Clock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.objects import ObjectDeadLetters
from vpcflow.errors import DeadLetterError

__all__ = ["REFERENCE", "QueueDeadLetters", "batches"]

REFERENCE = "dead_letter_at"
_HINT = "deadletters.queue_url"
_BATCH = 10
_ATTEMPTS = 4
_WAIT_SECONDS = 0.5


class QueueDeadLetters:
    """Dead letters in a queue."""

    def __init__(
        self,
        sqs: Any,  # noqa: ANN401 - boto3 has no types
        queue_url: str,
        *,
        max_message_bytes: int,
        large: ObjectDeadLetters | None,
        clock: Clock,
    ) -> None:
        """Keep the clients; nothing is asked.

        Args:
            sqs: client.
            queue_url: standard or FIFO.
            max_message_bytes: of a message, and of a batch of them.
            large: where letters go that are larger; None: they cannot be kept.
            clock: for the waits between attempts.
        """
        self._sqs = sqs
        self._queue_url = queue_url
        self._max_message_bytes = max_message_bytes
        self._large = large
        self._clock = clock

    def put(self, *entries: DeadLetter) -> None:
        """Send all of them, see `DeadLetters.put`."""
        self.send(entries)

    def send(self, entries: Sequence[DeadLetter]) -> list[str]:
        """Send all of them and return the messages' ids. Raises DeadLetterError."""
        messages = [(entry.id, self._body(entry)) for entry in entries]
        return [name for batch in batches(messages, self._max_message_bytes) for name in self._send(batch)]

    def close(self) -> None:
        """Close the connections."""
        self._sqs.close()
        if self._large is not None:
            self._large.close()

    def _body(self, entry: DeadLetter) -> str:
        body = entry.to_json().rstrip(b"\n")
        if len(body) <= self._max_message_bytes:
            return body.decode()
        if self._large is None:
            raise DeadLetterError(
                f"dead letters: one of {len(body)} bytes is over deadletters.max_message_bytes "
                f"({self._max_message_bytes}); set deadletters.bucket: large ones go there by reference"
            )
        return json.dumps({REFERENCE: self._large.place([entry], attempts=entry.attempts)})

    def _send(self, batch: Sequence[tuple[str, str]]) -> list[str]:
        """Send up to ten messages; those that fail for a passing reason again."""
        left = {str(number): message for number, message in enumerate(batch)}
        sent: list[str] = []
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._clock.sleep(_WAIT_SECONDS * 2**attempt)
            with explained(f"dead letters: {self._queue_url}", _HINT):
                reply = self._sqs.send_message_batch(
                    QueueUrl=self._queue_url, Entries=[self._entry(name, *left[name]) for name in left]
                )
            for one in reply.get("Successful", ()):
                del left[one["Id"]]
                sent.append(one["MessageId"])
            failed = reply.get("Failed", ())
            if not left:
                return sent
            if any(one.get("SenderFault") for one in failed):
                break
        words = f"{failed[0].get('Code')}: {failed[0].get('Message')}" if failed else "no answer for them"
        raise DeadLetterError(
            f"dead letters: {self._queue_url} did not take {len(left)} messages: {words}; try again later"
        )

    def _entry(self, number: str, name: str, body: str) -> dict[str, str]:
        entry = {"Id": number, "MessageBody": body}
        if self._queue_url.endswith(".fifo"):
            # A group each: no message of a group can be read while another one of it is hidden. And an id of its own for each
            # sending: one that failed again within five minutes would be dropped as a double of the one that it replaces.
            entry |= {"MessageGroupId": name, "MessageDeduplicationId": uuid.uuid4().hex}
        return entry


def batches(messages: Sequence[tuple[str, str]], max_bytes: int) -> Iterator[list[tuple[str, str]]]:
    """Cut (id, body) pairs into batches of at most ten, whose bodies together have at most `max_bytes`. Bodies are ASCII."""
    batch: list[tuple[str, str]] = []
    size = 0
    for message in messages:
        if batch and (len(batch) == _BATCH or size + len(message[1]) > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message[1])
    if batch:
        yield batch
