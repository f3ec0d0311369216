"""Batches on their way to the engine, several at once, while the caller goes on decoding.

Threads do nothing but deliver. Whatever follows from an answer (dead letters, settling, counting) is done by the thread that
calls `land`, so that nothing else of a pipeline needs a lock.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vpcflow.clock import Clock
from vpcflow.errors import Stopped
from vpcflow.pipeline.batch import Batch
from vpcflow.types import Answer, Bulk

__all__ = ["Delivers", "Flight", "Flights"]

_SLICE_SECONDS = 0.5  # a stop is noticed within this time


class Delivers(Protocol):
    """`vpcflow.sink.delivery.Delivery`, as far as it is used here."""

    def deliver(self, bulk: Bulk) -> Answer:
        """Return one outcome per action, none of them RETRYABLE; may block; raises what stops everything."""
        ...


@dataclass(slots=True)
class Flight:
    """One batch that was sent off; in the end it has an answer or an error."""

    batch: Batch
    bulk: Bulk
    answer: Answer | None = None
    error: BaseException | None = None


class Flights:
    """At most `limit` flights, and at most `max_bytes` of bodies in them, unless there is only one."""

    def __init__(
        self,
        delivery: Delivers,
        *,
        limit: int,
        max_bytes: int,
        clock: Clock,
        should_stop: Callable[[], bool] = lambda: False,
        stop_seconds: float = 0.0,
    ) -> None:
        """Keep the parts.

        Args:
            delivery: called by as many threads as there are flights.
            limit: flights at once; 0: `launch` itself delivers, no thread is started.
            max_bytes: of all bodies that are under way.
            clock: for `stop_seconds`.
            should_stop: asked while a flight is waited for without limit.
            stop_seconds: so long after a stop was asked for, a flight may still land.
        """
        self._delivery = delivery
        self._clock = clock
        self._should_stop = should_stop
        self._stop_seconds = stop_seconds
        self._limit = limit
        self._max_bytes = max_bytes
        self._departing: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        self._landed: queue.SimpleQueue[Flight] = queue.SimpleQueue()
        self._threads = 0
        self.count = 0
        self.bytes = 0
        self.documents = 0

    def has_room(self, size: int) -> bool:
        """Return whether a body of `size` bytes may be launched now."""
        if not self.count:
            return True
        return self.count < self._limit and self.bytes + size <= self._max_bytes

    def launch(self, batch: Batch) -> None:
        """Send a batch off. Ask `has_room` first.

        Raises:
            RuntimeError: there is no thread, and none is to be had; nothing was sent off.
        """
        flight = Flight(batch, batch.bulk())
        if self._limit and self._threads < min(self.count + 1, self._limit):
            self._start_thread()
        self.count += 1
        self.bytes += len(flight.bulk.body)
        self.documents += flight.bulk.count
        if not self._limit:
            self._fly(flight)
            return
        self._departing.put(flight)

    def land(self, *, wait: float | None) -> Flight | None:
        """Return a flight that ended, in whatever order they end; None: none did, or none is under way.

        Args:
            wait: so many seconds for the next one, if there is any under way; None: without limit.

        Raises:
            Stopped: a stop was asked for while one was waited for without limit.
        """
        if not self.count:
            return None
        try:
            flight = self._landed.get(block=wait > 0, timeout=wait) if wait is not None else self._next()
        except queue.Empty:
            return None
        self.count -= 1
        self.bytes -= len(flight.bulk.body)
        self.documents -= flight.bulk.count
        return flight

    def _next(self) -> Flight:
        """Return the next flight that lands. A request that is under way does not hear of a stop: nor do we wait for it."""
        asked: float | None = None
        while True:
            try:
                return self._landed.get(timeout=_SLICE_SECONDS)
            except queue.Empty:
                now = self._clock.monotonic()
                if asked is None and self._should_stop():
                    asked = now
                if asked is not None and now - asked >= self._stop_seconds:
                    raise Stopped(
                        "asked to stop while the engine says nothing; what is under way is read again"
                    ) from None

    def close(self) -> None:
        """Let the threads end once they are done; nothing may be launched afterwards."""
        for _ in range(self._threads):
            self._departing.put(None)
        self._threads = 0

    def _start_thread(self) -> None:
        # Daemons: a request that hangs must not keep a process that wants to leave.
        thread = threading.Thread(target=self._serve, name=f"sender-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the machine's limit
            if not self._threads:
                raise
            return  # those that there are will do
        self._threads += 1

    def _serve(self) -> None:
        while (flight := self._departing.get()) is not None:
            self._fly(flight)

    def _fly(self, flight: Flight) -> None:
        try:
            flight.answer = self._delivery.deliver(flight.bulk)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that lands it
            flight.error = error
        self._landed.put(flight)
