"""Asynchronous invocation: how CloudWatch Logs and S3 call a function.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html. One call at a time.
"""

from __future__ import annotations

import copy
import heapq
import itertools
import json
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.eventsources.emulator import limits
from tests.eventsources.emulator.destinations import DeliveryFailed, Destination, Nowhere, invocation_record
from tests.eventsources.emulator.function import Said, Target, Throttled
from tests.eventsources.emulator.limits import Refused, within
from vpcflow.clock import FakeClock

_ORDER = itertools.count()


@dataclass(eq=False)
class Event:
    """One event in Lambda's own queue. failures: of the function; throttles: in a row."""

    payload: Any
    accepted: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    failures: int = 0
    throttles: int = 0
    said: Said | None = None


class Invoker:
    """`done`: events that the function took; `lost`: those that were given up and are nowhere."""

    def __init__(
        self,
        target: Target,
        clock: FakeClock,
        *,
        retries: int = 2,
        event_age: float = 21_600,
        on_failure: Destination | None = None,
        twice: float = 0.0,
        seed: int = 1,
    ) -> None:
        """`twice`: the chance that an event is given again though the function took it."""
        within("MaximumRetryAttempts", retries, limits.ASYNCHRONOUS_RETRIES)
        within("MaximumEventAgeInSeconds", event_age, limits.EVENT_AGE_SECONDS)
        self.done: list[Event] = []
        self.lost: list[Event] = []
        self.calls: list[tuple[float, str]] = []
        self._target, self._clock, self._retries, self._event_age = target, clock, retries, event_age
        self._on_failure, self._twice, self._pick = on_failure or Nowhere(), twice, random.Random(seed)
        self._waiting: list[tuple[float, int, Event]] = []

    def invoke(self, payload: Any) -> Event:  # noqa: ANN401 - JSON
        """Take an event (202). Raises Refused for one over 1 MB."""
        if len(json.dumps(payload).encode()) > limits.ASYNCHRONOUS_BYTES:
            raise Refused("RequestTooLargeException", f"an event has {limits.ASYNCHRONOUS_BYTES} bytes at most")
        event = Event(copy.deepcopy(payload), accepted=self._clock.monotonic())
        self._put(event, 0.0)
        return event

    def __len__(self) -> int:
        return len(self._waiting)

    def due(self) -> float | None:
        """Return when the next event is tried."""
        return self._waiting[0][0] if self._waiting else None

    def step(self) -> None:
        """Try the event that is due first, or give it up.

        *Assumed*: an event that is too old is given up when it would be tried, also between two tries of a function that fails.
        """
        _, _, event = heapq.heappop(self._waiting)
        now = self._clock.monotonic()
        if now - event.accepted > self._event_age:
            self._give_up(event, "EventAgeExceeded")
            return
        try:
            event.said = self._target.invoke(event.payload, now)
        except Throttled:
            first, longest = limits.THROTTLED_SECONDS
            self._put(event, min(first * 2.0**event.throttles, longest))
            event.throttles += 1
            return
        self.calls.append((now, event.id))
        event.throttles = 0
        if not event.said.failed:
            self._took(event)
            return
        event.failures += 1
        if event.failures > self._retries:
            self._give_up(event, "RetriesExhausted")
        else:
            self._put(event, limits.ASYNCHRONOUS_WAITS_SECONDS[event.failures - 1])

    def _took(self, event: Event) -> None:
        """Put it away; the queue is eventually consistent, so that the same event may come once more."""
        self.done.append(event)
        if self._pick.random() < self._twice:
            self._put(event, self._pick.uniform(0, 60))

    def _put(self, event: Event, wait: float) -> None:
        heapq.heappush(self._waiting, (self._clock.monotonic() + wait, next(_ORDER), event))

    def _give_up(self, event: Event, condition: str) -> None:
        wall_ms = self._clock.wall_ms()
        record = invocation_record(
            arn=self._target.arn,
            request_id=event.id,
            condition=condition,
            calls=event.failures,
            said=event.said,
            wall_ms=wall_ms,
        )
        record["requestPayload"] = event.payload
        if event.said is not None:
            record["responsePayload"] = json.loads(event.said.payload)
        try:
            name = self._target.arn.rpartition(":")[2]
            self._on_failure.put(f"async/{name}", record, wall_ms)
        except DeliveryFailed:
            self.lost.append(event)
