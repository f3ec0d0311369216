"""Functions that are wrong in the ways that functions are wrong: each loses something here, as it would in AWS.

Each works against a cluster that is away for a while. A function that is right is at the end of each list: it loses nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.eventsources.emulator.destinations import MemoryBucket
from tests.eventsources.scene import ALL_DONE, Event, Invoked, Mapped, Streaming, failing

OUTAGE_SECONDS = 1000.0
BODIES = [f"{number}" for number in range(20)]


class Cluster:
    """Takes what it is given, but not while it is away."""

    def __init__(self) -> None:
        self.away = True
        self.has: list[str] = []

    def put(self, body: str) -> None:
        if self.away:
            raise ConnectionError
        self.has.append(body)

    def tries(self, bodies: list[str]) -> list[bool]:
        """Put all of them; say for each whether it is there."""
        came = []
        for body in bodies:
            try:
                self.put(body)
            except ConnectionError:
                came.append(False)
            else:
                came.append(True)
        return came


Answers = Callable[[list[str], list[bool]], object]


def first_only(names: list[str], came: list[bool]) -> object:
    return failing(*[name for name, there in zip(names, came, strict=True) if not there][:1])


def all_failed(names: list[str], came: list[bool]) -> object:
    return failing(*(name for name, there in zip(names, came, strict=True) if not there))


QUEUE: dict[str, tuple[Answers, bool]] = {
    "says nothing": (lambda _names, _came: None, False),
    "says that all is well": (lambda _names, _came: ALL_DONE, False),
    "has another name for the list": (
        lambda names, _came: {"failures": [{"itemIdentifier": one} for one in names]},
        False,
    ),
    "reports the first failure only": (first_only, False),
    "reports all": (all_failed, True),
}


@pytest.mark.parametrize("name", QUEUE)
def test_a_queue(name: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting."""
    answer, is_right = QUEUE[name]
    cluster = Cluster()

    def handler(event: Event, _context: object) -> object:
        rows = event["Records"]
        return answer([row["messageId"] for row in rows], cluster.tries([row["body"] for row in rows]))

    mapped = Mapped(handler)
    mapped.send(*BODIES)
    mapped.times.run_for(OUTAGE_SECONDS)
    cluster.away = False
    mapped.times.drain()
    assert (sorted(cluster.has) == sorted(BODIES)) == is_right


def highest(names: list[str], came: list[bool]) -> object:
    return failing(*[name for name, there in zip(names, came, strict=True) if not there][-1:])


STREAM: dict[str, tuple[Answers, bool]] = {
    "says nothing": (lambda _names, _came: {}, False),
    "reports the last failure": (highest, False),
    "reports the first failure": (first_only, True),
    "reports all": (all_failed, True),
}


@pytest.mark.parametrize("name", STREAM)
def test_a_stream(name: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html."""
    answer, is_right = STREAM[name]
    cluster = Cluster()

    def handler(event: Event, _context: object) -> object:
        rows = [row["kinesis"] for row in event["Records"]]
        came = cluster.tries([base64.b64decode(row["data"]).decode() for row in rows])
        return answer([row["sequenceNumber"] for row in rows], came)

    streaming = Streaming(handler)
    streaming.put(*(body.encode() for body in BODIES))
    streaming.times.run_for(OUTAGE_SECONDS)
    cluster.away = False
    streaming.times.drain()
    assert (sorted(cluster.has) == sorted(BODIES)) == is_right


@pytest.mark.parametrize("is_right", [False, True], ids=["reports what nobody reads", "raises"])
def test_an_asynchronous_event(is_right: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: only an error is tried again."""
    cluster, bucket = Cluster(), MemoryBucket()

    def handler(event: Event, _context: object) -> object:
        try:
            cluster.put(event["awslogs"]["data"])
        except ConnectionError:
            if is_right:
                raise
            return {"batchItemFailures": [{"itemIdentifier": "0"}]}
        return {}

    invoked = Invoked(handler, on_failure=bucket)
    for body in BODIES:
        invoked.invoker.invoke({"awslogs": {"data": body}})
    invoked.times.run_for(OUTAGE_SECONDS)
    cluster.away = False
    invoked.times.drain()
    there = cluster.has + [record["requestPayload"]["awslogs"]["data"] for record in bucket.records]
    assert (sorted(there) == sorted(BODIES)) == is_right
