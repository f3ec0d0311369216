"""Settings → what keeps dead letters, and what reads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from vpcflow.aws import client, explained
from vpcflow.clock import Clock
from vpcflow.deadletters.abstract import DeadLetters, Kept
from vpcflow.deadletters.documents import Asks, DocumentDeadLetters, DocumentShelves
from vpcflow.deadletters.ephemeral import check_storage
from vpcflow.deadletters.file_shelves import FileShelves
from vpcflow.deadletters.files import FileDeadLetters
from vpcflow.deadletters.objects import ObjectDeadLetters, ObjectShelves
from vpcflow.deadletters.queue import QueueDeadLetters
from vpcflow.deadletters.queue_shelves import QueueShelves
from vpcflow.errors import EX_USAGE, DeadLetterError, SinkUnavailable, VpcFlowError
from vpcflow.retry import RetryPolicy
from vpcflow.settings.model import Settings

__all__ = ["at_place", "aws_client", "check", "deadletters", "kept", "probe"]

Connect = Callable[[Settings], Asks]


def deadletters(
    settings: Settings,
    environ: Mapping[str, str],
    clock: Clock,
    *,
    connect: Connect,
    should_stop: Callable[[], bool] = lambda: False,
    on_wait: Callable[[str, float], None] = lambda _reason, _seconds: None,
) -> DeadLetters:
    """Return what keeps dead letters.

    Args:
        settings: `deadletters`, and `elasticsearch` and `retry` where they go to an index.
        environ: the process's.
        clock: for names, waits and deadlines.
        connect: `vpcflow.wiring.sink`.
        should_stop: asked while an index is waited for.
        on_wait: told the reason and the seconds before each such wait.

    Raises:
        ConfigError: a folder that does not last, see `vpcflow.deadletters.ephemeral.check_storage`.
        DeadLetterError: a folder that cannot be written to; no boto3.
    """
    letters = settings.deadletters
    check(settings, environ)
    if letters.kind == "file":
        return FileDeadLetters(Path(letters.path), clock=clock, max_file_bytes=letters.max_file_bytes)
    if letters.kind == "s3":
        return ObjectDeadLetters(aws_client("s3", settings, environ), letters.bucket, letters.prefix)
    if letters.kind == "sqs":
        return _queue(settings, environ, clock)
    retry = settings.retry
    policy = RetryPolicy(
        initial_seconds=retry.initial_seconds, max_seconds=retry.max_seconds, deadline_seconds=retry.deadline_seconds
    )

    def patiently(attempt: Callable[[], None]) -> None:
        policy.run(attempt, again_on=SinkUnavailable, clock=clock, should_stop=should_stop, on_wait=on_wait)

    return DocumentDeadLetters(connect(_engine_settings(settings)), letters.index, patiently=patiently)


def check(settings: Settings, environ: Mapping[str, str]) -> None:
    """Refuse a folder that does not last. Raises ConfigError."""
    letters = settings.deadletters
    if letters.kind == "file":
        check_storage(Path(letters.path), environ, accept_loss=letters.accept_loss)


def probe(settings: Settings, environ: Mapping[str, str], *, connect: Connect) -> str:
    """Return in words where dead letters go, once that was looked at; nothing is written.

    Raises:
        ConfigError: a folder that does not last.
        DeadLetterError: a bucket or a queue that is not there, or not for us.
        SinkUnavailable, SinkRefused: from the engine.
    """
    letters = settings.deadletters
    check(settings, environ)
    if letters.kind == "file":
        folder = Path(letters.path).absolute()
        there = next(one for one in (folder, *folder.parents) if one.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise DeadLetterError(f"{there} is not a folder that this user may write to; set deadletters.path")
        return f"files in {folder}"
    if letters.kind == "index":
        with closing(connect(_engine_settings(settings))) as engine:
            made = engine.request("GET", f"/{quote(letters.index, safe='')}").status == HTTPStatus.OK
        return f"index {letters.index}{'' if made else ', made with the first of them'}"
    text = ""
    if letters.kind == "sqs":
        with (
            closing(aws_client("sqs", settings, environ)) as sqs,
            explained(letters.queue_url, "deadletters.queue_url"),
        ):
            sqs.get_queue_attributes(QueueUrl=letters.queue_url, AttributeNames=["QueueArn"])
        text = f"queue {letters.queue_url}, large ones in " if letters.bucket else f"queue {letters.queue_url}"
    if letters.bucket:
        with closing(aws_client("s3", settings, environ)) as s3, explained(letters.bucket, "deadletters.bucket"):
            s3.head_bucket(Bucket=letters.bucket)
        text += f"s3://{letters.bucket}/{letters.prefix}"
    return text


def kept(settings: Settings, environ: Mapping[str, str], clock: Clock, *, connect: Connect) -> Kept:
    """Return what reads the dead letters that `deadletters` keeps. Arguments as there.

    Raises:
        DeadLetterError: no boto3.
    """
    letters = settings.deadletters
    if letters.kind == "file":
        return FileShelves(Path(letters.path))
    if letters.kind == "index":
        return DocumentShelves(connect(_engine_settings(settings)), letters.index)
    if letters.kind == "s3":
        s3 = aws_client("s3", settings, environ)
        return ObjectShelves(s3, letters.bucket, letters.prefix, max_bytes=settings.limits.max_inflated_bytes)
    return QueueShelves(
        aws_client("sqs", settings, environ),
        letters.queue_url,
        bucket=letters.bucket,
        s3=lambda: aws_client("s3", settings, environ),
        sender=_queue(settings, environ, clock),
    )


def at_place(settings: Settings, place: str) -> Settings:
    """Return the settings with the dead letters at another place.

    Args:
        settings: whatever else holds.
        place: a folder, `s3://bucket/prefix`, the URL of an SQS queue, or `index:NAME`.

    Raises:
        VpcFlowError: no such place can be (exit 64).
    """
    letters = settings.deadletters
    if place.startswith("s3://"):
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        if not bucket:
            raise VpcFlowError(f"{place}: no bucket; give s3://BUCKET/PREFIX", exit_code=EX_USAGE)
        return replace(settings, deadletters=replace(letters, kind="s3", bucket=bucket, prefix=prefix))
    if place.startswith(("http://", "https://")):
        return replace(settings, deadletters=replace(letters, kind="sqs", queue_url=place))
    if place.startswith("index:"):
        return replace(settings, deadletters=replace(letters, kind="index", index=place.removeprefix("index:")))
    return replace(settings, deadletters=replace(letters, kind="file", path=place))


def aws_client(service: str, settings: Settings, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return the client for `s3`, `sqs` or `kinesis`. Raises DeadLetterError."""
    letters, kinesis = settings.deadletters, settings.kinesis
    endpoint = {"s3": letters.s3_endpoint, "sqs": letters.sqs_endpoint, "kinesis": kinesis.kinesis_endpoint}[service]
    region = (
        letters.region or kinesis.region or environ.get("AWS_REGION", "")
    )  # boto3 looks for AWS_DEFAULT_REGION only
    return client(service, region=region, endpoint=endpoint)


def _queue(settings: Settings, environ: Mapping[str, str], clock: Clock) -> QueueDeadLetters:
    letters = settings.deadletters
    large = None
    if letters.bucket:
        large = ObjectDeadLetters(aws_client("s3", settings, environ), letters.bucket, letters.prefix)
    return QueueDeadLetters(
        aws_client("sqs", settings, environ),
        letters.queue_url,
        max_message_bytes=letters.max_message_bytes,
        large=large,
        clock=clock,
    )


def _engine_settings(settings: Settings) -> Settings:
    """Return the settings of a connection without a target: each action names the index of the dead letters."""
    index = replace(settings.index, mode="pattern", name="", pipeline="_none")
    return replace(settings, index=index)
