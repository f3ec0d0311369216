"""Credentials over time: used by many threads, read again when they are refused, given time to be rotated."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from vpcflow.clock import Clock
from vpcflow.sink.connection import Credentials

__all__ = ["Login", "Ticket"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """Credentials, and the how-manieth reading they are."""

    credentials: Credentials
    number: int = 0


class Login:
    """What authenticates us by now. Called by several threads."""

    def __init__(
        self, credentials: Credentials, reload: Callable[[], Credentials] | None, patience_seconds: float, clock: Clock
    ) -> None:
        """Begin with `credentials`.

        Args:
            credentials: as they were read at the start.
            reload: reads them again; None: they never change.
            patience_seconds: how long they may be refused after they have worked.
            clock: for the patience.
        """
        self.ticket = Ticket(credentials)
        self._reload = reload
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._worked = False
        self._refused_since: float | None = None

    def again(self, refused: Ticket) -> Ticket:
        """Return the ticket after a 401 to `refused`: many that were refused at once cost one reading."""
        if self._reload is None:
            return refused
        with self._lock:
            if self.ticket.number == refused.number:
                self.ticket = Ticket(self._reload(), refused.number + 1)
            return self.ticket

    def accepted(self, *, took: bool) -> None:
        """Note an answer that is no 401. took: it is a 2xx; what a proxy says of an engine that is away proves nothing."""
        self._worked, self._refused_since = self._worked or took, None

    def may_pass(self) -> bool:
        """Note a 401 that a reading did not help, and return whether to wait.

        A password changes at the engine and where it is kept, one after the other: for a while neither the old one nor what
        can be read is right. So credentials that have worked get some time; those that never did get none.
        """
        if self._reload is None or not self._worked:
            return False
        now = self._clock.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        return now - self._refused_since < self._patience_seconds
