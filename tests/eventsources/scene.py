"""What the tests share: functions that answer in some way, and short ways to a queue or a stream that is mapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.asynchronous import Invoker
from tests.eventsources.emulator.destinations import Destination
from tests.eventsources.emulator.function import in_process
from tests.eventsources.emulator.kinesis import KinesisMapping
from tests.eventsources.emulator.queue import Queue, Redrive
from tests.eventsources.emulator.sqs import SqsMapping
from tests.eventsources.emulator.stream import Stream
from vpcflow.clock import FakeClock

Event = dict[str, Any]
Handler = Callable[[Any, Any], object]
START_MS = 1_790_000_000_000
ALL_DONE = {"batchItemFailures": list[object]()}


def clock() -> FakeClock:
    return FakeClock(wall_ms=START_MS)


class Told:
    """A function that notes its events and answers each by `answer`; one that raises fails."""

    def __init__(self, answer: Callable[[Event], object] = lambda _event: ALL_DONE) -> None:
        self.events: list[Event] = []
        self.answer = answer

    def __call__(self, event: Event, _context: object) -> object:
        self.events.append(event)
        return self.answer(event)

    def sizes(self) -> list[int]:
        return [len(event["Records"]) for event in self.events]


def boom(_event: object) -> object:
    raise RuntimeError("boom")


def failing(*names: object) -> Event:
    """Return an answer that reports these."""
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


class Mapped:
    """A queue with its mapping, and a dead-letter queue where `receives` are given."""

    def __init__(
        self,
        handler: Handler,
        *,
        receives: int | None = None,
        fifo: bool = False,
        timeout: float = 60.0,
        takes: float = 0.0,
        visibility: float = 360.0,
        retention: float = 345_600,
        **mapping: Any,  # noqa: ANN401 - of SqsMapping
    ) -> None:
        self.clock = clock()
        end = ".fifo" if fifo else ""
        self.letters = Queue(f"letters{end}", self.clock, retention=1_209_600)
        redrive = None if receives is None else Redrive(self.letters, receives)
        self.queue = Queue(f"objects{end}", self.clock, visibility=visibility, retention=retention, redrive=redrive)
        self.mapping = SqsMapping(self.queue, in_process(handler, self.clock, timeout=timeout, takes=takes), **mapping)
        self.times = Times(self.clock, self.mapping)

    def send(self, *bodies: str, group: str = "g") -> list[str]:
        """Send messages; return their ids."""
        number = len(self.queue) + len(self.queue.deleted)
        return [
            self.queue.send(body, group=group, deduplication=f"{number + place}").id
            for place, body in enumerate(bodies)
        ]


class Streaming:
    """A stream with its mapping."""

    def __init__(
        self,
        handler: Handler,
        *,
        shards: int = 1,
        retention_hours: float = 24,
        timeout: float = 60.0,
        takes: float = 0.0,
        **mapping: Any,  # noqa: ANN401 - of KinesisMapping
    ) -> None:
        self.clock = clock()
        self.stream = Stream("flows", self.clock, shards=shards, retention_hours=retention_hours)
        target = in_process(handler, self.clock, timeout=timeout, takes=takes)
        self.mapping = KinesisMapping(self.stream, target, **mapping)
        self.times = Times(self.clock, self.mapping)

    def put(self, *data: bytes, key: str = "a key") -> list[str]:
        """Put records; return their sequence numbers."""
        return [self.stream.put(one, key).sequence for one in data]


class Invoked:
    """A function that is called asynchronously."""

    def __init__(
        self,
        handler: Handler,
        *,
        timeout: float = 60.0,
        takes: float = 0.0,
        on_failure: Destination | None = None,
        **invoker: Any,  # noqa: ANN401 - of Invoker
    ) -> None:
        self.clock = clock()
        target = in_process(handler, self.clock, timeout=timeout, takes=takes)
        self.invoker = Invoker(target, self.clock, on_failure=on_failure, **invoker)
        self.times = Times(self.clock, self.invoker)
