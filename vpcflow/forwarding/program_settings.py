"""Settings of a process that is used again and again: read at most once in their time to live."""

from __future__ import annotations

from collections.abc import Mapping

from vpcflow.clock import Clock
from vpcflow.errors import VpcFlowError
from vpcflow.logs import get_logger
from vpcflow.settings.decoding import checked_options
from vpcflow.settings.load import Loaded, load, named_document

__all__ = ["ProgramSettings"]

log = get_logger(__name__)

_PAUSE_SECONDS = 30.0  # before another try, where settings could not be read


class ProgramSettings:
    """The settings in force. Asks nobody within `forwarder.settings_ttl_seconds`: no file, no S3, no secret."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        """Keep the parts; nothing is read yet."""
        self._environ = environ
        self._clock = clock
        self._loaded: Loaded | None = None
        self._until = 0.0

    def current(self) -> Loaded:
        """Return the settings: the same object as long as nothing in them has changed, secrets included.

        Raises:
            ConfigError: they cannot be read, and never could. Later ones that cannot be read are logged, and the old stay.
        """
        now = self._clock.monotonic()
        if self._loaded is None:
            self._loaded = self._read()
            self._until = self._end(self._loaded, now)
        elif now >= self._until:
            self._until = now + _PAUSE_SECONDS
            try:
                fresh = self._read()
            except VpcFlowError as error:
                fields = {"reason": str(error), "seconds": _PAUSE_SECONDS}
                log.warning("settings not read again; the old ones stay", extra={"fields": fields})
            else:
                self._until = self._end(fresh, now)
                if fresh != self._loaded:
                    self._loaded = fresh
                    log.info("settings have changed")
        return self._loaded

    def _read(self) -> Loaded:
        loaded = load(None, self._environ, document=named_document(self._environ))
        checked_options(loaded.routes, with_labels=False)
        return loaded

    @staticmethod
    def _end(loaded: Loaded, now: float) -> float:
        seconds = loaded.settings.forwarder.settings_ttl_seconds
        return now + seconds if seconds else float("inf")
