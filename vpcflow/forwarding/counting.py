"""Log lines that say now and then how much was done, for a process that runs for long."""

from __future__ import annotations

import threading
from typing import Self

from vpcflow.logs import get_logger
from vpcflow.metrics.meters import Tally
from vpcflow.metrics.snapshot import flat

__all__ = ["CountLines"]

log = get_logger(__name__)


class CountLines:
    """Logs the counts of a tally from a thread of its own, where any has changed since the last line; and once at the end."""

    def __init__(self, tally: Tally, seconds: float) -> None:
        """Keep the parts; `with` starts and ends the thread. seconds: between two lines."""
        self._tally = tally
        self._seconds = seconds
        self._logged = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="counts", daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Log the last line."""
        self._over.set()
        self._thread.join()
        self.tell()

    def tell(self) -> None:
        """Log a line, if anything was counted since the last one."""
        snapshot = self._tally.snapshot()
        happened = sum(snapshot.counters.values())
        if happened != self._logged:
            self._logged = happened
            counts = {name: round(value, 3) for name, value in flat(snapshot).items()}
            log.info("counts so far", extra={"fields": counts})

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self.tell()
