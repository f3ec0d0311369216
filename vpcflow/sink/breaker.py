"""A circuit breaker: a dead engine is probed, not hammered.

Closed, everything passes. After so many failures in a row it opens: whoever comes is turned away until a probe is due, and
only one request at a time may be that probe. An answer closes it again. See Nygard, Release It!, "Circuit Breaker".
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from vpcflow.clock import Clock
from vpcflow.errors import SinkUnavailable
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import UNMETERED, Meters

__all__ = ["Breaker", "CircuitOpen"]

log = get_logger(__name__)

_SOONEST_SECONDS = 0.1  # a caller is not told to come back at once while a probe is under way


class CircuitOpen(SinkUnavailable):
    """Nothing was sent: the engine failed before, and it is not time to ask it again. `retry_after` says when it is."""


class Breaker:
    """Shared by all threads that send to one engine."""

    def __init__(
        self,
        *,
        failures: int,
        initial_seconds: float,
        max_seconds: float,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
        meters: Meters = UNMETERED,
    ) -> None:
        """Begin closed.

        Args:
            failures: so many in a row open it.
            initial_seconds: upper bound of the wait before the first probe; it doubles with each probe that fails.
            max_seconds: upper bound of the wait before any probe.
            clock: for the waits.
            jitter: numbers in [0, 1): a wait is between half of its bound and the bound.
            meters: told whether it is open.
        """
        self._limit = failures
        self._initial = initial_seconds
        self._max = max_seconds
        self._clock = clock
        self._jitter = jitter
        self._meters = meters
        self._lock = threading.Lock()
        self._failures = 0
        self._probes = 0  # that failed
        self._due: float | None = None  # when the next probe may go; None: closed
        self._probing = False
        self._reason = ""
        self._recoveries = 0
        meters.set(catalog.BREAKER_OPEN, 0)

    @property
    def recoveries(self) -> int:
        """Return how often it closed again: a change is worth waking up for."""
        return self._recoveries

    def admit(self) -> bool:
        """Let a request pass; say whether it is the probe, which should be small.

        One of `answered`, `failed` and `neither` must follow.

        Raises:
            CircuitOpen: it may not pass now.
        """
        with self._lock:
            if self._due is None:
                return False
            left = self._due - self._clock.monotonic()
            if self._probing or left > 0:
                raise CircuitOpen(self._reason, retry_after=max(left, _SOONEST_SECONDS))
            self._probing = True
            return True

    def answered(self) -> None:
        """Take note that the engine decided something: it lives."""
        with self._lock:
            self._failures = 0
            self._probing = False
            if self._due is None:
                return
            self._due = None
            self._probes = 0
            self._recoveries += 1
        self._meters.set(catalog.BREAKER_OPEN, 0)
        log.info("the search engine answers again")

    def failed(self, reason: str, *, probe: bool) -> None:
        """Take note that nothing was decided, and why."""
        with self._lock:
            self._failures += 1
            self._reason = reason
            if self._due is None:
                probe = False  # a late answer closed it while this one was under way
            if self._due is not None and not probe:
                return  # sent before it opened
            if probe:
                self._probing = False
                self._probes += 1
            elif self._failures < self._limit:
                return
            bound = min(self._max, self._initial * 2.0 ** min(self._probes, 32))
            wait = bound * (0.5 + self._jitter() / 2)
            self._due = self._clock.monotonic() + wait
        if not probe:
            self._meters.set(catalog.BREAKER_OPEN, 1)
            fields = {"failures": self._limit, "reason": reason}
            log.warning("the search engine is probed with single documents until it answers", extra={"fields": fields})

    def neither(self, *, probe: bool) -> None:
        """Take note that the request told nothing; if it was the probe, another one may be it."""
        if probe:
            with self._lock:
                self._probing = False
