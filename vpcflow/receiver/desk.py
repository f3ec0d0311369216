"""What both doors of the receiver have in common: who may come in, and what is said, logged and counted of each request."""

from __future__ import annotations

import logging
import threading

from vpcflow.clock import Clock
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Meters
from vpcflow.receiver.keys import AccessKeys
from vpcflow.receiver.protocol import Head, Refusal, Reply, reply

__all__ = ["Desk", "Visit", "unauthorized"]

log = get_logger(__name__)

_QUIET_SECONDS = 10.0
_REMEMBERED = 1_000
# These pass by themselves, and Firehose comes again; strangers at the door are no alarm either.
_WARNINGS = {"unauthorized", "elsewhere", "busy", "late", "unavailable", "stopping", "gone"}
_UNAUTHORIZED = 401


def unauthorized() -> Refusal:
    """Return the answer to a wrong key, or none."""
    return Refusal(
        _UNAUTHORIZED, "unauthorized", "the access key is not one of receiver.access_key; see the delivery stream"
    )


class Visit:
    """One request while it is here. source: its delivery stream; records, size: what it held, as far as is known."""

    __slots__ = ("begun", "head", "records", "size")

    def __init__(self, head: Head, begun: float) -> None:
        """Begin."""
        self.head = head
        self.begun = begun
        self.records = 0
        self.size = 0


class Desk:
    """Called by several threads."""

    def __init__(self, keys: AccessKeys, clock: Clock, meters: Meters, *, log_requests: bool = False) -> None:
        """`log_requests`: one line for each."""
        self.keys = keys
        self._clock = clock
        self._meters = meters
        self._log_requests = log_requests
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}  # when, and how often since

    def arrive(self, head: Head) -> Visit:
        """Begin a request."""
        return Visit(head, self._clock.monotonic())

    def leave(self, visit: Visit, refusal: Refusal | None) -> Reply:
        """End it: count it, log it, and return what the sender gets."""
        seconds = self._clock.monotonic() - visit.begun
        result = "settled" if refusal is None else refusal.result
        self._meters.count(catalog.FIREHOSE_REQUESTS, result=result)
        self._meters.observe(catalog.FIREHOSE_SECONDS, seconds)
        if refusal is not None:
            self._alarm(visit, refusal)
        answer = reply(visit.head.request_id, self._clock.wall_ms(), refusal)
        if self._log_requests:
            fields: dict[str, object] = {"status": answer.status, "result": result, "records": visit.records}
            fields |= {"bytes": visit.size, "seconds": round(seconds, 3)}
            log.info("request", extra={"fields": {**self._who(visit, refusal), **fields}})
        return answer

    @staticmethod
    def _who(visit: Visit, refusal: Refusal | None) -> dict[str, object]:
        """Return who sent it; of strangers nothing that they say of themselves."""
        if refusal is not None and refusal.result in ("unauthorized", "elsewhere"):
            return {}
        return {"request_id": visit.head.request_id, "source": visit.head.source}

    def _alarm(self, visit: Visit, refusal: Refusal) -> None:
        """Say it; the same of the same sender once in ten seconds at most, with how often it was not said."""
        who = self._who(visit, refusal)
        key = (refusal.result, str(who.get("source", "")))
        now = self._clock.monotonic()
        with self._lock:
            if key not in self._said and len(self._said) >= _REMEMBERED:
                self._said.clear()
            last, unsaid = self._said.get(key, (float("-inf"), 0))
            if now - last < _QUIET_SECONDS:
                self._said[key] = (last, unsaid + 1)
                return
            self._said[key] = (now, 0)
        level = logging.WARNING if refusal.result in _WARNINGS else logging.ERROR
        fields = {
            **who,
            "status": refusal.status,
            "result": refusal.result,
            "reason": str(refusal),
            "bytes": visit.size,
        }
        if unsaid:
            fields["unsaid"] = unsaid
        log.log(level, "request not settled", extra={"fields": fields})
