"""One process of the function: its settings, and the program that is made of them."""

from __future__ import annotations

from collections.abc import Mapping

from forwarder.program import Program
from forwarder.times import Times, bounded
from vpcflow.clock import Clock
from vpcflow.errors import VpcFlowError
from vpcflow.forwarding.outputs import Outputs
from vpcflow.forwarding.program_settings import ProgramSettings
from vpcflow.logs import configure, get_logger
from vpcflow.settings.load import Loaded

__all__ = ["Process"]

log = get_logger("forwarder")


class Process:
    """Makes a program of the settings, and a new one when they have changed."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        """Keep the parts; nothing is read yet."""
        self._environ = environ
        self._clock = clock
        self._settings = ProgramSettings(environ, clock)
        self._loaded: Loaded | None = None
        self._program: Program | None = None

    def program(self, context: object) -> tuple[Program, str]:
        """Return the program and the namespace of metrics. Raises ConfigError.

        Args:
            context: of the Lambda; its time bounds each request to an engine, see `forwarder.times.request_seconds`.
        """
        loaded = self._settings.current()
        if self._program is None or loaded is not self._loaded:
            old, self._program = self._program, self._made(loaded, context)
            self._loaded = loaded
            if old is not None:
                _close(old)
        return self._program, loaded.settings.metrics.namespace

    def _made(self, loaded: Loaded, context: object) -> Program:
        settings = loaded.settings
        configure(settings.logs.level)
        margin = Times(self._clock, context, settings.forwarder.deadline_margin_seconds).margin
        routes = loaded.routes.changed(lambda one: bounded(one, margin))
        return Program(settings, Outputs(routes, self._environ, self._clock), self._environ, self._clock)


def _close(program: Program) -> None:
    """Let a program go that answers nothing any more; whatever it has not settled, it has answered so."""
    try:
        program.close()
    except VpcFlowError as error:
        log.warning("connections of the old settings were not closed", extra={"fields": {"reason": str(error)}})
