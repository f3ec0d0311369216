"""Our forwarder on simulated time, between the emulated event sources and an engine."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

from msgspec.structs import replace as copied

from forwarder.process import Process
from forwarder.program import Program
from tests.eventsources.scene import Handler
from vpcflow.clock import FakeClock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.metrics.meters import UNMETERED
from vpcflow.pipeline.pipeline import Record
from vpcflow.settings.load import Loaded

MARGIN_SECONDS = 20


def our_handler(
    clock: FakeClock,
    environ: Mapping[str, str],
    *,
    block_bytes: int | None = None,
    after_run: Callable[[Record], None] | None = None,
) -> Handler:
    """Return the forwarder.

    Args:
        clock: its time.
        environ: settings; dead letters go to the bucket `letters`.
        block_bytes: runs of lines smaller than settings allow.
        after_run: called after each run of lines that was given to the outputs.
    """
    variables = {
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "forwarder",
        "VPCFLOW_DEADLETTERS__KIND": "s3",
        "VPCFLOW_DEADLETTERS__BUCKET": "letters",
        **environ,
    }
    process = _Watched(variables, clock)
    process.block_bytes, process.after_run = block_bytes, after_run

    def handler(event: object, context: object) -> object:
        program, _ = process.program(context)
        return program.answer(event, context, UNMETERED)

    return handler


class _Watched(Process):
    """Its programs say what they give to the outputs."""

    block_bytes: int | None
    after_run: Callable[[Record], None] | None

    def _made(self, loaded: Loaded, context: object) -> Program:
        size = self.block_bytes
        if size is not None:
            routes = loaded.routes.changed(lambda one: copied(one, objects=copied(one.objects, block_bytes=size)))
            loaded = replace(loaded, routes=routes)
        program = super()._made(loaded, context)
        if (after_run := self.after_run) is not None:
            opened = program.open
            watched: Any = lambda *arguments: _WatchedFan(opened(*arguments), after_run)  # noqa: E731
            program.open = watched  # type: ignore[method-assign]
        return program


class _WatchedFan:
    def __init__(self, fan: Any, after_run: Callable[[Record], None]) -> None:  # noqa: ANN401
        self._fan, self._after_run = fan, after_run

    def __getattr__(self, name: str) -> object:
        return getattr(self._fan, name)

    def submit(self, record: Record) -> None:
        self._fan.submit(record)
        self._after_run(record)


def put(s3: Any, files: Iterable[tuple[str, bytes]]) -> list[str]:  # noqa: ANN401 - boto3 has no types
    """Put objects into the bucket `flows`; return the notification of each."""
    return [notification(key, s3.put_object(Bucket="flows", Key=key, Body=body)["ETag"]) for key, body in files]


def notification(key: str, etag: str, *, event: str = "ObjectCreated:Put") -> str:
    """Return a notification: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html."""
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-09-21T14:13:20.000Z",
        "eventName": event,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "flows", "arn": "arn:aws:s3:::flows"},
            "object": {
                "key": quote_plus(key, safe="/"),
                "size": 1,
                "eTag": etag.strip('"'),
                "sequencer": "0055AED6DCD9",
            },
        },
    }
    return json.dumps({"Records": [record]})


def subscription(payload: bytes) -> dict[str, Any]:
    """Return the event of CloudWatch Logs."""
    return {"awslogs": {"data": base64.b64encode(payload).decode()}}


def letters(s3: Any) -> list[DeadLetter]:  # noqa: ANN401
    """Return what is kept in the bucket `letters`."""
    found = []
    for row in s3.list_objects_v2(Bucket="letters").get("Contents", []):
        body = s3.get_object(Bucket="letters", Key=row["Key"])["Body"].read()
        found += [DeadLetter.from_json(line) for line in body.splitlines()]
    return found


def keys(s3: Any, bucket: str) -> list[str]:  # noqa: ANN401
    """Return the keys in a bucket."""
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
