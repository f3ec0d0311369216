"""A payload of a CloudWatch Logs subscription, by asynchronous invocation.

Nobody hears an answer, so what is not settled is raised: Lambda then tries twice more, and at last gives the event to the
function's on-failure destination.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from forwarder.events import LogsEvent
from forwarder.invocation import Invocation
from vpcflow.codec.framing import FramingError, members
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.pipeline.pipeline import Record
from vpcflow.types import Origin, Reason

__all__ = ["answered"]

_BASE64 = "base64"  # a reason of a dead letter


@dataclass(frozen=True, slots=True, kw_only=True)
class _Damage:
    """Why a payload will never be read."""

    reason: str
    message: str
    raw: bytes


def answered(event: LogsEvent, invocation: Invocation) -> dict[str, Any]:
    """Forward the log events; return an empty answer.

    A payload that cannot be read is one dead letter, as it came: it would fail for ever.

    Raises:
        VpcFlowError: not all of it is settled.
    """
    data, payload = _opened(event.data, invocation.max_inflated_bytes)
    if isinstance(payload, _Damage):
        _bury(payload, invocation)
    elif payload.get("messageType") == "CONTROL_MESSAGE":
        invocation.count_control()
    else:
        _forward(data, payload, invocation)
    return {}


def _forward(data: bytes, payload: Mapping[str, Any], invocation: Invocation) -> None:
    batch = invocation.batch(*_arns(payload, invocation))
    origin = Origin(name=f"lambda:{invocation.function}", arrival_ms=_latest_ms(payload))
    try:
        batch.give(0, [Record(data=data, origin=origin, position=(0, 0))])
        batch.settle()
        problem = batch.problem(0)
    finally:
        batch.close()
    invocation.report_whole(problem, batch.trouble)


def _bury(damage: _Damage, invocation: Invocation) -> None:
    """Keep the event as it came, where the function's other dead letters are. Raises VpcFlowError: nobody keeps it."""
    name = f"lambda:{invocation.function}"
    letter = DeadLetter(
        reason=damage.reason,
        message=damage.message,
        raw=damage.raw,
        source=name,
        position=-1,
        first_seen_ms=invocation.now_ms(),
        origin=Origin(name=name),
    )
    invocation.keep(letter)


def _opened(data: str, limit: int) -> tuple[bytes, Mapping[str, Any] | _Damage]:
    """Return what was packed, and what it holds; the damage where it cannot be read."""
    try:
        packed = base64.b64decode(data, validate=True)
    except ValueError as error:
        return b"", _Damage(reason=_BASE64, message=f"awslogs.data is no base64: {error}", raw=data.encode())
    try:
        content = b"".join(members(packed, limit))
        payload = orjson.loads(content)
    except FramingError as error:
        return b"", _Damage(reason=error.reason.value, message=f"awslogs.data: {error}", raw=packed)
    except orjson.JSONDecodeError as error:
        said = " ".join(str(error).split())
        return b"", _Damage(reason=Reason.ENVELOPE.value, message=f"awslogs.data is no JSON: {said}", raw=packed)
    if not isinstance(payload, dict) or not isinstance(payload.get("logEvents"), list):
        message = "awslogs.data is no payload of CloudWatch Logs: no logEvents"
        return b"", _Damage(reason=Reason.ENVELOPE.value, message=message, raw=packed)
    return content, payload


def _arns(payload: Mapping[str, Any], invocation: Invocation) -> tuple[str, str]:
    """Return the log group as inputs may name it: bare, and with what is in it, for patterns that end in `:*`."""
    owner, group, stream = (str(payload.get(name, "")) for name in ("owner", "logGroup", "logStream"))
    bare = f"arn:{invocation.partition}:logs:{invocation.region}:{owner}:log-group:{group}"
    return bare, f"{bare}:log-stream:{stream}"


def _latest_ms(payload: Mapping[str, Any]) -> int | None:
    """Return the time of the latest log event, which stands for the arrival that this way does not tell.

    CloudWatch Logs takes events that are 14 days old to 2 hours ahead, so it is the arrival to within that:
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html. And it is the same each time the
    payload comes; a clock would not be.
    """
    events = payload["logEvents"]
    times = [one.get("timestamp") for one in events if isinstance(one, dict)]
    return max((one for one in times if type(one) is int), default=None)
