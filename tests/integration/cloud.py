"""AWS as far as a flow of flow logs needs it: what a test names, whoever emulates it.

`SERVED_BY` says who serves which flow. LocalStack has the storage, the queues, the streams, the functions and the wiring
between them; where it is wrong or has nothing, our own parts stand in before the same functions. See docs/testing.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from vpcflow.generate import Generator

__all__ = [
    "SERVED_BY",
    "Bucket",
    "Cloud",
    "Delivery",
    "Destination",
    "Endpoint",
    "Function",
    "LogGroup",
    "Named",
    "Queue",
    "Server",
]


class Server(StrEnum):
    """Who serves a flow."""

    LOCALSTACK = "localstack"
    OWN_FIREHOSE = "own-firehose"
    """LocalStack, with `tests/firehose/emulator` in place of its Firehose."""
    OWN_LOGS = "own-logs"
    """The same, with our own subscriptions in place of its CloudWatch Logs."""


_ALL = tuple(Server)
SERVED_BY: Mapping[str, tuple[Server, ...]] = {
    "log group → stream → consumer": (Server.LOCALSTACK, Server.OWN_LOGS),
    "log group → function": (Server.LOCALSTACK, Server.OWN_LOGS),
    # LocalStack looks at no result, buffers nothing and names no record: what it shows is that our function bears it.
    "log group → delivery stream → bucket": _ALL,
    # LocalStack sends neither key nor request id, so that a receiver has to refuse it.
    "log group → delivery stream → endpoint": (Server.OWN_FIREHOSE, Server.OWN_LOGS),
    # LocalStack writes an empty object for a function that fails.
    "delivery stream → error prefix → replay": (Server.OWN_FIREHOSE,),
    # LocalStack's Firehose does not say which stream a record came from.
    "stream → delivery stream → re-ingestion → endpoint": (Server.OWN_FIREHOSE,),
    "event without names → function": (Server.LOCALSTACK,),
    # A pattern matches everything in LocalStack.
    "log group → pattern → function": (Server.OWN_LOGS,),
    # LocalStack needs most of a minute to attach its Firehose to a stream.
    "one log group → every way": (Server.OWN_FIREHOSE,),
    "bucket → queue → function": (Server.LOCALSTACK,),
    "queue → dead-letter queue": (Server.LOCALSTACK,),
    "dead letters → replay": (Server.LOCALSTACK,),
    "stream → function": (Server.LOCALSTACK,),
    "stream → failed function → replay": (Server.LOCALSTACK,),
}


class Destination(Protocol):
    """What CloudWatch Logs can send to."""

    @property
    def arn(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Named:
    """Something of AWS with a name and an ARN: a stream, a function."""

    name: str
    arn: str


class Function(Named):
    """One of our Lambdas, out of its zip."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Of the HTTP destination of Firehose."""

    url: str
    key: str


class Bucket:
    """A bucket of S3."""

    def __init__(self, client: Any, name: str) -> None:  # noqa: ANN401 - boto3 has no types
        self._client, self.name = client, name

    def put(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=body)

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for row in page.get("Contents", []):
                found[row["Key"]] = self._client.get_object(Bucket=self.name, Key=row["Key"])["Body"].read()
        return found


class Queue:
    """A queue of SQS."""

    def __init__(self, client: Any, url: str, arn: str) -> None:  # noqa: ANN401
        self._client, self.url, self.arn = client, url, arn

    def redrive(self, dead: Queue, receives: int) -> None:
        """From now on give messages to another queue that were received so often."""
        policy = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": str(receives)})
        self._client.set_queue_attributes(QueueUrl=self.url, Attributes={"RedrivePolicy": policy})

    def send(self, body: str) -> None:
        self._client.send_message(QueueUrl=self.url, MessageBody=body)

    def received(self, seconds: int = 1) -> list[str]:
        """Take up to ten messages out of it; return what is in them."""
        answer = self._client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        messages = answer.get("Messages", [])
        for message in messages:
            self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in messages]

    def waiting(self) -> int:
        """Return how many messages are in it, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counted = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(counted[name]) for name in names)


class LogGroup(Protocol):
    """A log group of CloudWatch Logs with its subscription filters."""

    name: str

    def subscribe(self, destination: Destination, pattern: str = "") -> None: ...

    def write(self, made: Generator) -> None:
        """Write all of its events, each into the log stream of its interface."""
        ...


class Delivery(Destination, Protocol):
    """A delivery stream of Firehose."""

    def settle(self) -> None:
        """Let the time pass that it buffers and tries again for."""
        ...


class Cloud(Protocol):
    """What flows are built of. Everything has a name of its own, and is gone when the test is over."""

    endpoint: str

    def client(self, service: str) -> Any:  # noqa: ANN401
        """Return a boto3 client."""
        ...

    def named(self, kind: str) -> str:
        """Return a name that nobody else has."""
        ...

    def bucket(self, tells: Queue | None = None, name: str = "") -> Bucket:
        """Make a bucket; `tells`: the queue that hears of each object that is made in it."""
        ...

    def queue(self, visibility: int = 60) -> Queue: ...

    def stream(self, shards: int = 1) -> Named: ...

    def leases(self, stream: Named) -> None:
        """Make a consumer's lease table, named like its stream: a consumer that finds none needs a minute to start."""
        ...

    def put(self, stream: Named, records: list[tuple[str, bytes]]) -> None:
        """Put (partition key, data) into a stream."""
        ...

    def function(self, program: str, environ: Mapping[str, str], *, timeout: int = 60) -> Function:
        """Make a function of the zip of `make lambda`: `forwarder` or `transform`."""
        ...

    def invoke(self, function: Function, event: object) -> Any:  # noqa: ANN401
        """Call a function and wait for what it answers; fails where the function fails."""
        ...

    def map_queue(self, queue: Queue, function: Function) -> None:
        """Give a queue's messages to a function, which reports those that failed."""
        ...

    def map_stream(
        self, stream: Named, function: Function, *, given_up: Queue | None = None, retries: int = -1
    ) -> None:
        """Give a stream's records to a function; `given_up`: the on-failure destination."""
        ...

    def log_group(self) -> LogGroup: ...

    def delivery(
        self, function: Function | None, to: Bucket | Endpoint, errors: Bucket, source: Named | None = None
    ) -> Delivery:
        """Make a delivery stream; `source`: the stream that it reads, else it is put to.

        Objects are below `delivered/`; failed records below `errors/` in the other bucket.
        """
        ...
