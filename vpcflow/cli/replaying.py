"""What `vpcflow deadletters replay` and `vpcflow replay` share: the parts, the progress, the report, the exit code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from functools import cache, partial
from typing import Any

import orjson
import typer
from msgspec.structs import replace

from vpcflow import wiring
from vpcflow.cli.status import StatusLine
from vpcflow.clock import Clock, SystemClock
from vpcflow.codec import CodecOptions, Decoder
from vpcflow.codec.stamps import index_namer
from vpcflow.deadletters.abstract import Kept
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import EX_DATAERR, EX_OK, SinkUnavailable
from vpcflow.forwarding.reading import Reader
from vpcflow.objects.fetching import s3_client
from vpcflow.replay.existing import ExistingIds
from vpcflow.replay.replayer import Replayer
from vpcflow.replay.report import Report
from vpcflow.settings.model import Settings

__all__ = ["replay_kept"]

_DEADLINE_SECONDS = 300.0  # people wait


def _words(report: Report) -> str:
    done = report.created + report.duplicate + report.there + report.diverted + report.would_send
    return f"{done:,} documents, {report.tried:,} letters done, {report.failed.total():,} failed again"


def replay_kept(settings: Settings, kept: Kept, wanted: Callable[[DeadLetter], bool], *, dry_run: bool) -> int:
    """Replay, print the report on stdout, and return the exit code: 0, or 65 if something failed again.

    Raises:
        VpcFlowError: what stopped it, after the report so far is printed.
    """
    if not settings.retry.deadline_seconds:
        settings = replace(settings, retry=replace(settings.retry, deadline_seconds=_DEADLINE_SECONDS))
    clock = SystemClock()
    status = StatusLine(clock)

    def wait(reason: str, seconds: float) -> None:
        status.say(f"waiting {seconds:.0f} s: {reason[:120]}")

    options = wiring.codec_options(settings)
    policy = wiring.retry_policy(settings)
    patiently = partial(policy.run, again_on=SinkUnavailable, clock=clock, on_wait=wait)
    stream = options.index_mode == "data_stream"
    with closing(wiring.sink(settings)) as engine, closing(kept):
        patiently(engine.check_target)
        replayer = Replayer(
            decoder=Decoder(options),
            delivery=wiring.delivery(settings, engine, should_stop=lambda: False, on_wait=wait, clock=clock),
            existing=ExistingIds(engine, options.target, patiently=patiently) if stream else None,
            max_bytes=settings.bulk.max_bytes,
            max_actions=settings.bulk.max_actions,
            reject_diverted=settings.index.failure_store == "dead_letter",
            dry_run=dry_run,
            finish=(lambda body: body) if stream else partial(_with_index, options),
            on_progress=lambda report: status.tell(partial(_words, report)),
            opens=_reader(settings, clock).open,
        )
        try:
            report = replayer.run(kept, wanted)
        finally:
            status.clear()
            for line in replayer.report.lines():
                typer.echo(line)
    return EX_OK if report.all_well else EX_DATAERR


def _reader(settings: Settings, clock: Clock) -> Reader:
    """Return what reads the S3 objects that letters name. Nothing is asked before one does."""
    objects = settings.objects

    @cache
    def client(region: str) -> Any:  # noqa: ANN401 - boto3 has no types
        return s3_client(region=region, endpoint=objects.s3_endpoint, read_seconds=objects.read_seconds)

    return Reader(client, objects, settings.limits, clock)


def _with_index(options: CodecOptions, item: bytes) -> bytes:
    """Name the index of a document that is no line of ours: the pattern, for its own time."""
    action, document, _ = item.split(b"\n")
    moment = datetime.fromisoformat(orjson.loads(document)["@timestamp"])
    name = orjson.loads(action)["create"]["_id"]
    return b"%b\n%b\n" % (
        orjson.dumps({"create": {"_index": index_namer(options.target)(moment), "_id": name}}),
        document,
    )
