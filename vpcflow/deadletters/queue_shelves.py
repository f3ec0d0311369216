"""The messages of `vpcflow.deadletters.queue`, read and taken away.

A message that is read is hidden from others for a while; what is not taken away is given back at the end. Reading counts as
receiving, so the queue should have no redrive policy of its own.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vpcflow.aws import explained
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.queue import REFERENCE, QueueDeadLetters
from vpcflow.errors import DeadLetterError

__all__ = ["QueueShelf", "QueueShelves"]

_HINT, _OBJECT_HINT = "deadletters.queue_url", "deadletters.bucket"
_BATCH = 10
_SHELF = 500  # messages that are settled together
_HIDDEN_SECONDS = 600
_WAIT_SECONDS = 1  # more than none: then all servers of the queue are asked, and an empty answer is the truth


@dataclass(frozen=True, slots=True)
class _Message:
    """letter: what is in it, or why nothing is; reference: where the letter lies, if it is not in the message itself."""

    receipt: str
    letter: DeadLetter | Unreadable
    reference: str


class QueueShelf:
    """Some messages."""

    def __init__(self, queue: QueueShelves, messages: Sequence[_Message]) -> None:
        """Keep them."""
        self._queue = queue
        self._messages = messages
        self.where = queue.where

    def letters(self) -> Iterator[tuple[int, DeadLetter | Unreadable]]:
        """Yield each message's."""
        yield from enumerate(message.letter for message in self._messages)

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Send what comes instead, then delete the messages."""
        self._queue.resend([letter for letters in changes.values() for letter in letters])
        self._queue.remove([self._messages[at] for at in changes])


class QueueShelves:
    """What is in a queue now; each message once, even if it takes longer than it stays hidden."""

    def __init__(
        self,
        sqs: Any,  # noqa: ANN401 - boto3 has no types
        queue_url: str,
        *,
        bucket: str,
        s3: Callable[[], Any],
        sender: QueueDeadLetters,
    ) -> None:
        """Keep the client; nothing is asked.

        Args:
            sqs: client.
            queue_url: of the queue.
            bucket: where large letters lie; a reference to anywhere else is not followed.
            s3: makes a client for them.
            sender: sends what failed again.
        """
        self._sqs = sqs
        self._queue_url = queue_url
        self._bucket = bucket
        self._make_s3 = s3
        self._s3: Any = None
        self._sender = sender
        self._seen: set[str] = set()
        self._held: set[str] = set()  # receipts of what is to be given back
        self.where = queue_url

    def shelves(self) -> Iterator[QueueShelf]:
        """Yield messages until the queue shows none. What failed and was sent again is received, but not yielded."""
        messages: list[_Message] = []
        fruitless = 0
        while fruitless * _BATCH <= len(self._seen):  # beyond that it shows only what was hidden for long enough
            received, new = self._receive()
            if not received:
                break
            fruitless = 0 if new else fruitless + 1
            messages += new
            if len(messages) >= _SHELF:
                yield QueueShelf(self, messages)
                messages = []
        if messages:
            yield QueueShelf(self, messages)

    def close(self) -> None:
        """Give back what was not taken away, and close the connections."""
        held, self._held = sorted(self._held), set()
        with explained(self.where, _HINT):
            for at in range(0, len(held), _BATCH):
                entries = [
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for number, receipt in enumerate(held[at : at + _BATCH])
                ]
                # One that fails is visible again by itself, later.
                self._sqs.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=entries)
        self._sqs.close()
        if self._s3 is not None:
            self._s3.close()

    def resend(self, letters: Sequence[DeadLetter]) -> None:
        """Send letters again, not to be seen by this reader."""
        self._seen.update(self._sender.send(letters))

    def remove(self, messages: Sequence[_Message]) -> None:
        """Delete messages, and the objects that they refer to."""
        for at in range(0, len(messages), _BATCH):
            part = messages[at : at + _BATCH]
            entries = [{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(part)]
            with explained(self.where, _HINT):
                failed = self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries).get("Failed", ())
            if failed:
                words = f"{failed[0].get('Code')}: {failed[0].get('Message')}"
                raise DeadLetterError(
                    f"{self.where}: {len(failed)} messages not deleted: {words}; run the replay again"
                )
            self._held.difference_update(one.receipt for one in part)
            for one in part:
                if one.reference:
                    self._discard(one.reference)

    def _receive(self) -> tuple[int, list[_Message]]:
        """Return how many messages came, and those that are new."""
        with explained(self.where, _HINT):
            reply = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
            )
        new = []
        received = reply.get("Messages", ())
        for message in received:
            self._held.add(message["ReceiptHandle"])
            if message["MessageId"] not in self._seen:
                self._seen.add(message["MessageId"])
                new.append(self._read(message["MessageId"], message["ReceiptHandle"], message["Body"]))
        return len(received), new

    def _read(self, name: str, receipt: str, body: str) -> _Message:
        where, reference = f"{self.where} message {name}", ""
        try:
            value = json.loads(body)
            if isinstance(value, dict) and REFERENCE in value:
                reference = str(value[REFERENCE])
                where = f"{where}, {reference}"
                body = self._fetch(reference).decode()
            return _Message(receipt, DeadLetter.from_json(body.encode()), reference)
        except (ValueError, DeadLetterError) as error:
            return _Message(receipt, Unreadable(where, str(error)), reference)

    def _fetch(self, url: str) -> bytes:
        with explained(url, _OBJECT_HINT):
            data: bytes = self._client().get_object(Bucket=self._bucket, Key=self._key(url))["Body"].read()
        return data

    def _discard(self, url: str) -> None:
        with explained(url, _OBJECT_HINT):
            self._client().delete_object(Bucket=self._bucket, Key=self._key(url))

    def _key(self, url: str) -> str:
        ours = f"s3://{self._bucket}/"
        if not self._bucket or not url.startswith(ours):
            raise DeadLetterError(f"{url} is not in deadletters.bucket; set it to the bucket of the letters")
        return url.removeprefix(ours)

    def _client(self) -> Any:  # noqa: ANN401
        if self._s3 is None:
            self._s3 = self._make_s3()
        return self._s3
