"""`vpcflow forward`: S3 objects that a queue tells of, forwarded by a process that runs for long."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpcflow.cli.status import StatusLine
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.forwarding.worker import Totals

__all__ = ["forward"]


def forward(
    queue_url: Annotated[str, typer.Option(help="URL of the queue. [default: forwarder.queue_url]")] = "",
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Receive S3 notifications from an SQS queue, and forward the objects that they name, until SIGTERM or SIGINT.

    The same as the Lambda does for S3 and SQS, for those who do not use Lambda. A message is deleted once every output has
    settled all of it; one that fails is seen again later. A search engine that is away is waited for without limit, and
    messages stay hidden meanwhile (SQS: for 12 hours at most). Several of these may share a queue.

    At a stop, what is not settled after `forwarder.grace_seconds` is handed over to the queue with the place to go on at, or
    given back. Logs are JSON lines on stderr, counts among them every `metrics.log_seconds`; on a terminal, a line of progress
    and warnings.

    Exit code 0 after a stop, 77 or 78 if the queue, the credentials or the settings must be put right.

    Example: `VPCFLOW_FORWARDER__QUEUE_URL=https://sqs.eu-central-1.amazonaws.com/1/flows vpcflow forward`
    """
    from vpcflow import logs
    from vpcflow.clock import SystemClock
    from vpcflow.forwarding.counting import CountLines
    from vpcflow.forwarding.handover import sender
    from vpcflow.forwarding.outputs import Outputs
    from vpcflow.forwarding.parts import Parts, waits
    from vpcflow.forwarding.queue import Queue
    from vpcflow.forwarding.worker import Halt, Worker
    from vpcflow.metrics.meters import Tally
    from vpcflow.settings.load import load

    loaded = load(settings, os.environ)
    forwarder = loaded.settings.forwarder
    url = queue_url or forwarder.queue_url
    if not url:
        raise ConfigError("forwarder.queue_url: not set; give the URL of the queue that S3 notifies, or --queue-url")
    clock = SystemClock()
    status = StatusLine(clock)
    logs.configure("warning" if status.shown else loaded.settings.logs.level)
    halt = Halt(clock, forwarder.grace_seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: halt.ask())
    tally = Tally()
    parts = Parts(loaded.settings, Outputs(loaded.routes, os.environ, clock), clock, on_wait=waits, meters=tally)
    with closing(parts), CountLines(tally, loaded.settings.metrics.log_seconds):
        sqs = parts.sqs()
        send = sender(sqs, forwarder.continue_queue_url or url)
        worker = Worker(
            Queue(sqs, url, clock, visibility_seconds=forwarder.visibility_seconds),
            make=lambda deadline: parts.messages(deadline, send),
            halt=halt,
            clock=clock,
            messages=forwarder.messages,
            on_progress=lambda totals: status.tell(partial(_words, totals)),
            meters=tally,
        )
        try:
            worker.run()
        finally:
            status.clear()


def _words(totals: Totals) -> str:
    words = f"{totals.settled:,} messages settled, {totals.objects:,} objects, {totals.lines:,} lines"
    return f"{words}, {totals.failed:,} went back"
