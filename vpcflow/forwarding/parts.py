"""Settings → the parts of `vpcflow forward` and of a backfill."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vpcflow.aws import client
from vpcflow.clock import Clock
from vpcflow.errors import VpcFlowError
from vpcflow.forwarding.messages import Messages, OpenFan
from vpcflow.forwarding.reading import Reader
from vpcflow.forwarding.work import Deadline
from vpcflow.logs import get_logger
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.objects.fetching import s3_client
from vpcflow.objects.reference import ObjectRef
from vpcflow.settings.model import Settings

if TYPE_CHECKING:
    from vpcflow.forwarding.outputs import Branches, Outputs

__all__ = ["Parts", "waits"]

log = get_logger(__name__)

_SQS_READ_SECONDS = 20.0  # longer than a long poll


class Parts:
    """Live as long as the process: outputs, and a client for each service, region and endpoint."""

    def __init__(
        self,
        settings: Settings,
        outputs: Outputs,
        clock: Clock,
        *,
        on_wait: Callable[[str, float], None],
        meters: Meters = UNMETERED,
    ) -> None:
        """Keep the parts; nothing is connected.

        Args:
            settings: without those of inputs and outputs.
            outputs: of all inputs.
            clock: for waits and times.
            on_wait: told the reason and the seconds before each wait for an engine.
            meters: told what outputs do.
        """
        self._settings = settings
        self._outputs = outputs
        self._clock = clock
        self._on_wait = on_wait
        self._meters = meters
        self._clients: dict[tuple[str, str], Any] = {}

    def sqs(self) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return a client for the queues."""
        forwarder = self._settings.forwarder
        return client(
            "sqs",
            region=forwarder.region,
            endpoint=forwarder.sqs_endpoint,
            read_seconds=_SQS_READ_SECONDS,
            error=VpcFlowError,
        )

    def s3(self, settings: Settings, region: str = "") -> Any:  # noqa: ANN401
        """Return the client for the objects of an input; it is made once for each region."""
        objects = settings.objects
        key = (objects.region or region, objects.s3_endpoint)
        if key not in self._clients:
            self._clients[key] = s3_client(region=key[0], endpoint=key[1], read_seconds=objects.read_seconds)
        return self._clients[key]

    def reader(self, settings: Settings, should_stop: Callable[[], bool]) -> Reader:
        """Return what opens the objects of an input."""
        return Reader(
            lambda region: self.s3(settings, region),
            settings.objects,
            settings.limits,
            self._clock,
            should_stop=should_stop,
        )

    def messages(
        self,
        deadline: Deadline,
        send: Callable[[ObjectRef], None] | None,
        *,
        on_open: Callable[[OpenFan], object] = lambda _fan: None,
    ) -> Messages:
        """Return what works on a batch; its fans are opened when they are needed first, and told of to `on_open`."""

        def open_fan(branches: Branches) -> OpenFan:
            fan = branches.open(should_stop=deadline.is_over, on_wait=self._on_wait, meters=self._meters)
            on_open(fan)
            return fan

        return Messages(
            route=self._outputs.route,
            open_fan=open_fan,
            reads=lambda branches: self.reader(branches.settings, deadline.is_over),
            send=send,
            deadline=deadline,
            clock=self._clock,
            max_continuations=self._settings.forwarder.max_continuations,
        )

    def close(self) -> None:
        """Let the outputs go."""
        self._outputs.close()


def waits(reason: str, seconds: float) -> None:
    """Log that an engine is waited for."""
    log.warning("waiting for the search engine", extra={"fields": {"reason": reason, "seconds": round(seconds, 3)}})
