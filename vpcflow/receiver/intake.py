"""One request from its body to settled: each line created, a duplicate, or kept as a dead letter."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.codec.origins import request_origin
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import DataError, DeadLetterError, SinkRefused, SinkUnavailable, Stopped, VpcFlowError
from vpcflow.logs import get_logger
from vpcflow.metrics.catalog import Counter, Gauge, Histogram
from vpcflow.metrics.meters import Meters
from vpcflow.pipeline.pipeline import Pipeline, Record
from vpcflow.receiver.health import Health
from vpcflow.receiver.protocol import AWAY, FAILED, Head, Refusal, Request, read_attributes, read_body
from vpcflow.receiver.reading import Reader
from vpcflow.receiver.room import Share, inflate
from vpcflow.receiver.targets import Target, Targets
from vpcflow.settings.model import Settings
from vpcflow.sink.delivery import Delivery
from vpcflow.types import Answer, Bulk

__all__ = ["Intake"]

log = get_logger(__name__)

_PATIENCE_SECONDS = 5.0  # a shorter wait for the engine is nothing to send requests elsewhere for
_SHORTEST = 0.001  # a deadline of 0 would be none


class _Shared:
    """Dead letters of many pipelines, one `put` at a time; they stay open when a pipeline is closed."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters
        self._lock = threading.Lock()

    def put(self, *entries: DeadLetter) -> None:
        """Keep them, see `DeadLetters.put`."""
        with self._lock:
            self._letters.put(*entries)

    def close(self) -> None:
        """Leave them open."""


class _Totals:
    """Meters for one of many pipelines: what it counts is added up; what it holds now says nothing about the others."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def count(self, metric: Counter, amount: float = 1, /, **labels: str) -> None:
        """Pass it on."""
        self._meters.count(metric, amount, **labels)

    def set(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Forget it."""

    def observe(self, metric: Histogram, value: float, /, **labels: str) -> None:
        """Pass it on."""
        self._meters.observe(metric, value, **labels)


class _Under:
    """Knows which bodies are under way: they may be so for longer than their pipeline lives."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._changed = threading.Condition()
        self._count = 0

    def deliver(self, bulk: Bulk) -> Answer:
        """Deliver, see `Delivery.deliver`."""
        with self._changed:
            self._count += 1
        try:
            return self._delivery.deliver(bulk)
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    @property
    def count(self) -> int:
        """Return how many are under way."""
        return self._count

    def wait(self) -> None:
        """Wait until none is: no longer than the engine takes for a request, once the time of this one is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._count)


class Intake:
    """Settles requests. Called by several threads, one for each request."""

    def __init__(
        self, settings: Settings, targets: Targets, letters: DeadLetters, health: Health, clock: Clock, meters: Meters
    ) -> None:
        """Keep the parts; window and breaker are shared by all requests, for there is one engine."""
        self._settings = settings
        self._targets = targets
        self._letters = _Shared(letters)
        self._health = health
        self._clock = clock
        self._meters = meters
        self._totals = _Totals(meters)
        self._window = wiring.window(settings, meters)
        self._breaker = wiring.breaker(settings, clock, meters)
        self._stop_at = float("inf")

    def stop_at(self, moment: float) -> None:
        """Give up whatever is not settled then (monotonic seconds)."""
        self._stop_at = moment

    def settle(self, head: Head, body: bytes, share: Share, until: float) -> int:
        """Settle all that a request holds; return how many records that were.

        Blocks until then, or until `until` (monotonic seconds) and a little longer. What is under way to the engine even then
        is left in `share.remainder`.

        Args:
            head: of the request.
            body: as it came.
            share: where an unpacked body finds room.
            until: give up then.

        Raises:
            Refusal: any line is not settled; all of the request must come again.
        """
        target = self._targets.default
        try:
            request = self._read(head, body, share)
            target = self._targets.choose(read_attributes(head.attributes))
            target.check()
            under = _Under(self._delivery(target, until))
            try:
                self._deliver(head, request, target, under, until)
            finally:
                share.remainder = under.wait if under.count else None
        except Refusal:
            raise
        except Exception as error:
            raise self._refusal(error, target) from error
        self._health.well()
        return len(request.records)

    def _read(self, head: Head, body: bytes, share: Share) -> Request:
        receiver = self._settings.receiver
        if head.gzip:
            body = inflate(body, limit=receiver.max_inflated_bytes, share=share)
        return read_body(body, head.request_id, max_records=receiver.max_records)

    def _deliver(self, head: Head, request: Request, target: Target, under: _Under, until: float) -> None:
        with target.reader() as reader, closing(self._pipeline(reader, under)) as pipeline:
            for index, data in enumerate(request.records):
                if not self._left(until):
                    raise Stopped("no time left")
                origin = request_origin(
                    arn=head.source, request_id=request.request_id, index=index, arrival_ms=request.timestamp_ms
                )
                pipeline.submit(Record(data=data, origin=origin, position=(index, 0)))
            if not pipeline.flush(seconds=self._left(until)):
                raise Stopped("no time left")

    def _left(self, until: float) -> float:
        """Return the seconds that are left; 0 when none are."""
        return max(0.0, min(until, self._stop_at) - self._clock.monotonic())

    def _delivery(self, target: Target, until: float) -> Delivery:
        begun = self._clock.monotonic()

        def on_wait(reason: str, _seconds: float) -> None:
            if self._clock.monotonic() - begun > _PATIENCE_SECONDS:
                self._health.ill(reason)

        policy = replace(wiring.retry_policy(self._settings), deadline_seconds=max(_SHORTEST, until - begun))
        return Delivery(
            target.sink,
            policy,
            self._clock,
            lambda: not self._left(until),
            on_wait,
            window=self._window,
            breaker=self._breaker,
            meters=self._meters,
        )

    def _pipeline(self, reader: Reader, delivery: _Under) -> Pipeline:
        return Pipeline(
            decoder=reader,
            delivery=delivery,
            deadletters=self._letters,
            bounds=wiring.batch_bounds(self._settings),
            clock=self._clock,
            reject_diverted=self._settings.index.failure_store == "dead_letter",
            meters=self._totals,
        )

    def _refusal(self, error: Exception, target: Target) -> Refusal:
        """Return what the sender is told. Nothing but 503 where it may come again, 500 where the fault is ours."""
        if isinstance(error, Stopped):
            result = "stopping" if self._clock.monotonic() >= self._stop_at else "late"
            return Refusal(AWAY, result, "not settled in time: the search engine is slow or away; send it again")
        if isinstance(error, SinkUnavailable):
            self._health.ill(str(error))
            return Refusal(AWAY, "unavailable", str(error))
        if isinstance(error, DataError):
            return Refusal(AWAY, "storm", str(error))
        if isinstance(error, SinkRefused):
            if target is self._targets.default:  # else it is the affair of those who name that data stream
                self._health.ill(str(error))
            return Refusal(AWAY, "refused", str(error))
        if isinstance(error, DeadLetterError):
            self._health.ill(str(error))
            return Refusal(AWAY, "dead_letters", str(error))
        self._health.ill("a fault of this program; its log says which")
        fields = {"error": str(error)} if isinstance(error, VpcFlowError) else {}
        log.error("request fails", exc_info=error, extra={"fields": fields})
        return Refusal(FAILED, "failed", "a fault of the receiver; its log says which")
