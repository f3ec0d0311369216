"""Ends a child that became an orphan: nobody would notice what it still sends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NoReturn

from consumer.process import Process
from vpcflow.clock import Clock
from vpcflow.errors import EX_TEMPFAIL

__all__ = ["Watchdog"]

_PERIOD_SECONDS = 1.0


def _leave() -> NoReturn:
    # At once and without a word: another thread may hold the log's lock while it waits for a reader that is gone.
    os._exit(EX_TEMPFAIL)


class Watchdog(threading.Thread):
    """Looks every second whether supervisor and daemon live."""

    def __init__(
        self,
        *,
        supervisor: Process,
        clock: Clock,
        parent: Callable[[], int] = os.getppid,
        leave: Callable[[], object] = _leave,
    ) -> None:
        """Remember the daemon: it is the parent of this process."""
        super().__init__(name="watchdog", daemon=True)
        self._supervisor = supervisor
        self._clock = clock
        self._parent = parent
        self._daemon = parent()
        self._leave = leave

    def run(self) -> None:
        """Watch until one is gone."""
        while self._supervisor.alive() and self._parent() == self._daemon:
            self._clock.sleep(_PERIOD_SECONDS)
        self._leave()
