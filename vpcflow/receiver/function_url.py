"""The door for AWS Lambda: `vpcflow.receiver.function_url.handler` behind a function URL.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, payload format 2.0. A request may have 6 MB, and Lambda
itself answers 413 to a larger one, which is final for Firehose: docs/receiver.md says what that demands of the delivery stream.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vpcflow.clock import SystemClock
from vpcflow.logs import configure
from vpcflow.metrics import emf
from vpcflow.metrics.catalog import Counter, Gauge, Histogram
from vpcflow.metrics.meters import Tally
from vpcflow.receiver.desk import Visit, unauthorized
from vpcflow.receiver.parts import Parts, assemble
from vpcflow.receiver.protocol import AWAY, BAD_REQUEST, Refusal, read_head
from vpcflow.receiver.room import Room, Share
from vpcflow.settings.load import load, say_unused
from vpcflow.settings.model import Settings

__all__ = ["handler"]

_MARGIN_SECONDS = 3.0  # the answer must be out before the function is ended
_NOT_ALLOWED = 405


class _Meters:
    """Meters that begin anew with each invocation."""

    def __init__(self) -> None:
        self._tally = Tally(keep=emf.KEPT)

    def count(self, metric: Counter, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter."""
        self._tally.count(metric, amount, **labels)

    def set(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Say what a gauge shows now."""
        self._tally.set(metric, value, **labels)

    def observe(self, metric: Histogram, value: float, /, **labels: str) -> None:
        """Add an observation to a histogram."""
        self._tally.observe(metric, value, **labels)

    def write(self, namespace: str, now: int) -> None:
        """Write what was measured since the last time, for CloudWatch."""
        before, self._tally = self._tally, Tally(keep=emf.KEPT)
        emf.write(before.snapshot(), namespace=namespace, environ=os.environ, timestamp_ms=now)


@cache
def _parts() -> tuple[Settings, Parts, _Meters]:
    path = os.environ.get("VPCFLOW_SETTINGS")
    loaded = load(Path(path) if path else None, os.environ)
    settings = loaded.settings
    configure(settings.logs.level)
    say_unused(loaded)
    meters = _Meters()
    return settings, assemble(settings, os.environ, SystemClock(), meters), meters


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own object
    """Answer one request.

    Raises:
        ConfigError: wrong settings; Firehose gets 502 from Lambda, and comes again.
    """
    settings, parts, meters = _parts()
    head, _ = read_head(_headers(event))
    visit = parts.desk.arrive(head)
    until = visit.begun + min(settings.receiver.request_seconds, _seconds(context))
    refusal: Refusal | None = None
    try:
        visit.records = _serve(event, settings, parts, visit, until)
    except Refusal as error:
        refusal = error
    answer = parts.desk.leave(visit, refusal)
    meters.write(settings.metrics.namespace, parts.clock.wall_ms())
    return {
        "statusCode": answer.status,
        "headers": {"content-type": "application/json"},
        "body": answer.body.decode(),
        "isBase64Encoded": False,
    }


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}


def _seconds(context: Any) -> float:  # noqa: ANN401
    """Return how long this invocation may take."""
    left = float(context.get_remaining_time_in_millis()) / 1000 - _MARGIN_SECONDS
    return max(0.0, left)


def _serve(event: Mapping[str, Any], settings: Settings, parts: Parts, visit: Visit, until: float) -> int:
    method = ((event.get("requestContext") or {}).get("http") or {}).get("method", "POST")
    if method != "POST":
        raise Refusal(_NOT_ALLOWED, "elsewhere", "Firehose sends POST requests")
    keys, key = parts.desk.keys, visit.head.access_key
    if not (keys.accept(key) or (key and keys.refresh() and keys.accept(key))):
        raise unauthorized()
    problem = read_head(_headers(event))[1]
    if problem is not None:
        raise problem
    body = _body(event)
    visit.size = len(body)
    limit = settings.receiver.max_request_bytes
    if len(body) > limit:
        raise Refusal(AWAY, "too_large", f"{len(body)} bytes, over receiver.max_request_bytes ({limit})")
    share = Share(Room(settings.receiver.max_buffered_bytes))
    share.take(len(body))
    return parts.intake.settle(visit.head, body, share, until)


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(text).encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Refusal(BAD_REQUEST, "invalid", f"the body of the event is no base64: {error}") from None
