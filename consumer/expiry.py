"""How long unread records of a shard still live, and the alarm about it.

A stream drops records that are older than its retention, read or not. While the consumer waits for the engine, this is the
one way to lose data: so it is told in time, and loudly.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from vpcflow.clock import Clock
from vpcflow.logs import get_logger

__all__ = ["ExpiryAlarm", "ExpiryBounds"]

log = get_logger(__name__)

_REPEAT_SECONDS = 300.0
_OFF, _WARNING, _CRITICAL, _LOST = range(4)
_WORDS = {
    _WARNING: (logging.WARNING, "unread records expire soon"),
    _CRITICAL: (
        logging.ERROR,
        "unread records are about to expire: lengthen the stream's retention or make the engine take them",
    ),
    _LOST: (logging.ERROR, "unread records expire now: data is being lost"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryBounds:
    """When to say what, in seconds until expiry."""

    warning: float
    critical: float


class ExpiryAlarm:
    """Says when a threshold is crossed, and again every five minutes while it is."""

    def __init__(self, bounds: ExpiryBounds, clock: Clock) -> None:
        """Begin silent."""
        self._bounds = bounds
        self._clock = clock
        self._level = _OFF
        self._said = 0.0

    def check(self, shard: str, seconds: float) -> None:
        """Take note of the seconds that are left."""
        level = self._level_of(seconds)
        now = self._clock.monotonic()
        worse, before = level > self._level, self._level
        self._level = level
        fields = {"shard": shard, "seconds_until_expiry": round(seconds)}
        if level == _OFF:
            if before != _OFF:
                log.info("unread records are out of danger", extra={"fields": fields})
        elif worse or now - self._said >= _REPEAT_SECONDS:
            self._said = now
            severity, message = _WORDS[level]
            log.log(severity, message, extra={"fields": fields})

    def _level_of(self, seconds: float) -> int:
        if seconds <= 0:
            return _LOST
        if seconds < self._bounds.critical:
            return _CRITICAL
        return _WARNING if seconds < self._bounds.warning else _OFF
