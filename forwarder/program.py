"""What lives as long as the function's process: outputs, and clients of AWS, made when they are needed first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from forwarder import cloudwatch, kinesis, s3, sqs
from forwarder.events import Event, KinesisEvent, LogsEvent, ObjectEvent, QueueEvent, parse_event
from forwarder.invocation import Invocation
from forwarder.times import Times, hand_over_seconds, request_seconds
from vpcflow.aws import client
from vpcflow.clock import Clock
from vpcflow.errors import VpcFlowError
from vpcflow.forwarding.handover import queue_url, sender
from vpcflow.forwarding.messages import Messages, OpenFan
from vpcflow.forwarding.reading import Reader
from vpcflow.logs import get_logger
from vpcflow.metrics.meters import Meters
from vpcflow.objects.reference import ObjectRef
from vpcflow.settings.model import Settings

if TYPE_CHECKING:
    from vpcflow.forwarding.outputs import Branches, Outputs

__all__ = ["Program"]

log = get_logger("forwarder")

_CONNECT_SECONDS = 5.0
_REGION_PART = 3  # arn:partition:service:region:account:resource
_URL_REGION = re.compile(r"https://sqs\.([a-z0-9-]+)\.")


class Program:
    """Answers events, one at a time."""

    def __init__(self, settings: Settings, outputs: Outputs, environ: Mapping[str, str], clock: Clock) -> None:
        """Keep the parts; nothing is connected before it is needed.

        Args:
            settings: without those of inputs and outputs: `forwarder`, `limits`, `objects`.
            outputs: of all inputs.
            environ: the process's; tells the function's name and region.
            clock: for deadlines.
        """
        self._settings = settings
        self._outputs = outputs
        self._environ = environ
        self._clock = clock
        self._clients: dict[tuple[str, str, str], Any] = {}

    def answer(self, event: object, context: object, meters: Meters) -> dict[str, Any]:
        """Answer one event; see `forwarder.handler.handler`."""
        times = Times(self._clock, context, self._settings.forwarder.deadline_margin_seconds)
        known = parse_event(event)
        invocation = Invocation(
            self,
            times,
            meters,
            self._clock,
            context=context,
            region=self._environ.get("AWS_REGION", ""),
            name=self._environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        )
        return _answered(known, invocation)

    def close(self) -> None:
        """Let outputs and clients go."""
        try:
            self._outputs.close()
        finally:
            for one in self._clients.values():
                one.close()
            self._clients.clear()

    @property
    def max_inflated_bytes(self) -> int:
        """Return what a payload may expand to."""
        return self._settings.limits.max_inflated_bytes

    def route(self, *arns: str) -> Branches:
        """Return the branches of a source, by the names that it has. Raises UnknownSource."""
        return self._outputs.route(*arns)

    def open(self, branches: Branches, times: Times, meters: Meters) -> OpenFan:
        """Open the fan of branches. Raises VpcFlowError."""
        return branches.open(should_stop=times.is_over, on_wait=_waits, meters=meters)

    def messages(self, queue_arn: str, times: Times, meters: Meters) -> Messages:
        """Return what works on messages that name objects."""

        def reads(branches: Branches) -> Reader:
            settings = branches.settings
            return Reader(
                lambda region: self._s3(region, settings, times),
                settings.objects,
                settings.limits,
                self._clock,
                should_stop=times.is_over,
            )

        return Messages(
            route=self.route,
            open_fan=lambda branches: self.open(branches, times, meters),
            reads=reads,
            send=self._send(queue_arn, times),
            deadline=times,
            clock=self._clock,
            max_continuations=self._settings.forwarder.max_continuations,
        )

    def _s3(self, region: str, settings: Settings, times: Times) -> Any:  # noqa: ANN401 - boto3 has no types
        seconds = request_seconds(times.margin, settings.objects.read_seconds)
        return self._client("s3", region, settings.objects.s3_endpoint, seconds)

    def _send(self, queue_arn: str, times: Times) -> Callable[[ObjectRef], None] | None:
        """Return what hands over what is left of an object; None: no queue is known."""
        forwarder = self._settings.forwarder
        if not forwarder.continue_queue_url and not queue_arn:
            return None

        def send(ref: ObjectRef) -> None:
            longest = hand_over_seconds(times.margin)
            if times.left < longest:
                raise VpcFlowError("no time is left for it; raise forwarder.deadline_margin_seconds")
            named = _URL_REGION.match(forwarder.continue_queue_url)
            region = forwarder.region or (
                named[1] if named else queue_arn.split(":")[_REGION_PART] if queue_arn else ""
            )
            queue = self._client("sqs", region, forwarder.sqs_endpoint, longest / 2)
            sender(queue, forwarder.continue_queue_url or queue_url(queue, queue_arn))(ref)

        return send

    def _client(self, service: str, region: str, endpoint: str, read_seconds: float) -> Any:  # noqa: ANN401
        """Return the client for a service and region; it is made once."""
        region = region or self._environ.get("AWS_REGION", "")  # boto3 looks for AWS_DEFAULT_REGION only
        key = (service, region, endpoint)
        if key not in self._clients:
            self._clients[key] = client(
                service,
                region=region,
                endpoint=endpoint,
                read_seconds=read_seconds,
                connect_seconds=min(_CONNECT_SECONDS, read_seconds),
                attempts=1,
            )
        return self._clients[key]


def _answered(event: Event, invocation: Invocation) -> dict[str, Any]:
    match event:
        case QueueEvent():
            return sqs.answered(event, invocation)
        case KinesisEvent():
            return kinesis.answered(event, invocation)
        case LogsEvent():
            return cloudwatch.answered(event, invocation)
        case ObjectEvent():
            return s3.answered(event, invocation)


def _waits(reason: str, seconds: float) -> None:
    log.warning("waiting for the search engine", extra={"fields": {"reason": reason, "seconds": round(seconds, 3)}})
