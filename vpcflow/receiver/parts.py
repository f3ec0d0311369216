"""Settings → the receiver's parts, for both of its doors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.errors import ConfigError
from vpcflow.metrics.meters import Meters
from vpcflow.receiver.desk import Desk
from vpcflow.receiver.health import Health
from vpcflow.receiver.intake import Intake
from vpcflow.receiver.keys import AccessKeys
from vpcflow.receiver.targets import Targets
from vpcflow.settings.model import Settings
from vpcflow.wiring_deadletters import deadletters

__all__ = ["Parts", "assemble"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What both doors use."""

    clock: Clock
    desk: Desk
    intake: Intake
    health: Health
    targets: Targets
    letters: DeadLetters

    def close(self) -> None:
        """Let connections and files go."""
        self.letters.close()
        self.targets.close()


def assemble(settings: Settings, environ: Mapping[str, str], clock: Clock, meters: Meters) -> Parts:
    """Return the parts; nothing is sent yet.

    Raises:
        ConfigError: a setting that cannot be used; no access key.
        DeadLetterError: dead letters could not be kept.
    """
    receiver = settings.receiver
    if not receiver.access_key:
        raise ConfigError(
            "receiver.access_key: empty; set the key that the delivery stream sends, as file:, env: or in AWS"
        )
    keys = AccessKeys([receiver.access_key, receiver.access_key_previous], clock)
    health = Health(meters)
    targets = Targets(settings)
    # An index that keeps dead letters is waited for no longer than a request may take.
    patient = replace(settings, retry=replace(settings.retry, deadline_seconds=receiver.request_seconds))
    letters = deadletters(patient, environ, clock, connect=wiring.sink)
    desk = Desk(keys, clock, meters, log_requests=receiver.log_requests)
    intake = Intake(settings, targets, letters, health, clock, meters)
    return Parts(clock=clock, desk=desk, intake=intake, health=health, targets=targets, letters=letters)
