"""Whether requests can be settled: asked by load balancers and alarms."""

from __future__ import annotations

import threading

from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Meters

__all__ = ["Health"]

log = get_logger(__name__)


class Health:
    """Not ready from the start until the engine has answered, and from a failure until it answers again. Thread-safe."""

    def __init__(self, meters: Meters) -> None:
        """Begin not ready."""
        self._meters = meters
        self._lock = threading.Lock()
        self._obstacle = "the search engine has not answered yet"
        self._stopping = False
        meters.set(catalog.READY, 0)

    @property
    def obstacle(self) -> str:
        """Return why requests cannot be settled; '' when they can."""
        return "stopping" if self._stopping else self._obstacle

    def well(self) -> None:
        """Take note that the engine answers."""
        self._become("")

    def ill(self, reason: str) -> None:
        """Take note of a failure that is not the sender's."""
        self._become(reason)

    def stop(self) -> None:
        """Be not ready for good."""
        self._stopping = True
        self._meters.set(catalog.READY, 0)

    def _become(self, obstacle: str) -> None:
        with self._lock:
            before, self._obstacle = self._obstacle, obstacle
            if self._stopping or bool(before) == bool(obstacle):
                return
            self._meters.set(catalog.READY, 0 if obstacle else 1)
        if obstacle:
            log.warning("not ready", extra={"fields": {"reason": obstacle}})
        else:
            log.info("ready")
