"""The keeper of dead letters. Imported where there is something to keep: it brings clients."""

from __future__ import annotations

from collections.abc import Mapping

from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.settings.model import Settings
from vpcflow.wiring_deadletters import deadletters

__all__ = ["keeper"]


def keeper(settings: Settings, environ: Mapping[str, str], clock: Clock) -> DeadLetters:
    """Return it, see `vpcflow.wiring_deadletters.deadletters`. Raises ConfigError, DeadLetterError."""
    return deadletters(settings, environ, clock, connect=wiring.sink)
