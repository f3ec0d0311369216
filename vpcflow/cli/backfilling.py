"""`vpcflow replay --from --to`: the flow logs of some days that lie in a bucket."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from msgspec.structs import replace

from vpcflow.cli.status import StatusLine
from vpcflow.clock import SystemClock
from vpcflow.errors import EX_DATAERR, EX_OK, EX_USAGE, DataError, SinkUnavailable, VpcFlowError

if TYPE_CHECKING:
    from vpcflow.forwarding.backfill import BackfillReport
    from vpcflow.forwarding.backfilling import MakesBatch
    from vpcflow.forwarding.messages import Messages
    from vpcflow.forwarding.work import Deadline
    from vpcflow.pipeline.counts import Counts
    from vpcflow.pipeline.flights import Delivers
    from vpcflow.settings.load import Loaded
    from vpcflow.settings.model import Settings
    from vpcflow.settings.routes import Routes
    from vpcflow.sink.engine import EngineSink

__all__ = ["Asked", "backfill"]

_EX_NOINPUT = 66
_DEADLINE_SECONDS = 300.0  # people wait
_MOST_WORKERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options say. first, end: as they were typed; end '': until now."""

    source: str
    first: str
    end: str
    accounts: Sequence[str] = ()
    regions: Sequence[str] = ()
    workers: int = 0
    state: Path | None = None
    dry_run: bool = False
    settings: Path | None = None


def backfill(asked: Asked) -> int:
    """Forward what is asked for, print the report on stdout, and return the exit code: 0, or 65 if something failed.

    Raises:
        VpcFlowError: what stopped it, after the report so far is printed.
    """
    from vpcflow.aws import client
    from vpcflow.forwarding.backfill import Backfill
    from vpcflow.forwarding.backfilling import executor, work
    from vpcflow.forwarding.listing import Listing, Span, bucket_and_prefix, moment
    from vpcflow.forwarding.progress import Progress
    from vpcflow.settings.decoding import checked_options
    from vpcflow.settings.load import load

    clock = SystemClock()
    bucket, prefix = bucket_and_prefix(asked.source)
    end_ms = moment("--to", asked.end, is_end=True) if asked.end else clock.wall_ms()
    span = Span(first_ms=moment("--from", asked.first), end_ms=end_ms)
    if span.first_ms >= span.end_ms:
        raise VpcFlowError(f"--from {asked.first}: not before --to {asked.end or 'now'}", exit_code=EX_USAGE)
    loaded = load(asked.settings, os.environ)
    checked_options(loaded.routes, with_labels=True)  # what is wrong in them is said once, before anything begins
    objects = loaded.settings.objects
    s3 = client("s3", region=objects.region, endpoint=objects.s3_endpoint, error=VpcFlowError)
    workers = min(asked.workers or os.cpu_count() or 1, _MOST_WORKERS)
    bound = {
        "source": f"s3://{bucket}/{prefix}",
        "from": asked.first,
        "to": asked.end,
        "accounts": ",".join(sorted(asked.accounts)),
        "regions": ",".join(sorted(asked.regions)),
        "target": _target(loaded.routes),
    }
    status = StatusLine(clock)
    with closing(Progress(asked.state, bound)) as progress:
        pool, stop = executor(_Opener(asked.settings), workers)
        run = Backfill(
            Listing(s3, bucket, prefix, span, accounts=asked.accounts, regions=asked.regions),
            progress,
            pool,
            work,
            workers=workers,
            clock=clock,
            stop=stop,
            on_progress=lambda report: status.tell(report.line_for_people),
        )
        with _sigterm_is_ctrl_c(), pool, _reported(run.report, status):
            report = run.count() if asked.dry_run else run.run()
    if not report.folders:
        raise DataError(f"{asked.source}: no folders of flow logs for {span}", exit_code=_EX_NOINPUT)
    return EX_OK if report.all_well else EX_DATAERR


@contextmanager
def _sigterm_is_ctrl_c() -> Iterator[None]:
    """Let both end it with what is settled written down, and the report."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _reported(report: BackfillReport, status: StatusLine) -> Iterator[None]:
    """Print the report, however it ends."""
    try:
        yield
    finally:
        status.clear()
        if report.folders:
            for line in report.lines_for_people():
                typer.echo(line)


def _target(routes: Routes) -> str:
    """Return what tells one set of targets from another, and nothing of its secrets."""
    found = {
        name: [sorted(one.elasticsearch.hosts), one.elasticsearch.cloud_id, one.index.mode, one.index.name]
        for name, one in sorted(_outputs(routes).items())
    }
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:12]


def _outputs(routes: Routes) -> Mapping[str, Settings]:
    return {f"{route.input}/{name}": one for route in routes for name, one in route.outputs.items()}


@dataclass(frozen=True, slots=True)
class _Opener:
    """Opens the parts of one process. Goes to it as it is."""

    settings: Path | None

    def __call__(self) -> MakesBatch:
        """Return what makes batches there."""
        from vpcflow import logs
        from vpcflow.settings.load import load

        logs.configure("error")
        return _Batches(load(self.settings, os.environ))


class _Batches:
    """Makes the messages of each task, over outputs that stay."""

    def __init__(self, loaded: Loaded) -> None:
        from vpcflow.forwarding.outputs import Outputs
        from vpcflow.forwarding.parts import Parts

        self._outputs = Outputs(_patient(loaded.routes), os.environ, SystemClock(), around=_only_missing)
        self._parts = Parts(loaded.settings, self._outputs, SystemClock(), on_wait=_unheard)

    def __call__(self, deadline: Deadline) -> tuple[Messages, Callable[[], Mapping[str, Counts]]]:
        fans: list[Any] = []
        batch = self._parts.messages(deadline, None, on_open=fans.append)
        return batch, lambda: _summed(fans)


def _patient(routes: Routes) -> Routes:
    """Return the same with an end to waiting: nobody looks at a command for hours."""

    def patient(settings: Settings) -> Settings:
        if settings.retry.deadline_seconds:
            return settings
        return replace(settings, retry=replace(settings.retry, deadline_seconds=_DEADLINE_SECONDS))

    return routes.changed(patient)


def _only_missing(settings: Settings, engine: EngineSink, delivery: Delivers) -> Delivers:
    """Ask a data stream for ids first: in it an id is unique in one backing index only."""
    from vpcflow import wiring
    from vpcflow.replay.existing import ExistingIds
    from vpcflow.replay.missing import OnlyMissing

    options = wiring.codec_options(settings)
    if options.index_mode != "data_stream":
        return delivery
    patiently = partial(wiring.retry_policy(settings).run, again_on=SinkUnavailable, clock=SystemClock())
    return OnlyMissing(delivery, ExistingIds(engine, options.target, patiently=patiently))


def _summed(fans: Sequence[Any]) -> Mapping[str, Counts]:
    from vpcflow.forwarding.backfill import add_counts

    sums: dict[str, Counts] = {}
    for fan in fans:
        add_counts(sums, fan.counts)
    return sums


def _unheard(_reason: str, _seconds: float) -> None:
    return None
