"""`vpcflow replay`: what Firehose and Lambda left in S3 when they gave up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from vpcflow.cli.letter_filter import ErrorTypes, Reasons, Since, Sources, Until, letter_filter
from vpcflow.clock import SystemClock
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import EX_USAGE, VpcFlowError

__all__ = ["replay"]


def replay(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="s3://BUCKET/PREFIX, files or folders.")],
    firehose_arn: Annotated[
        str, typer.Option(help="ARN of the delivery stream, for `aws.firehose.arn`. [default: only its name is known]")
    ] = "",
    reason: Reasons = None,
    error_type: ErrorTypes = None,
    source: Sources = None,
    since: Since = "",
    until: Until = "",
    first: Annotated[
        str,
        typer.Option("--from", metavar="DATE", help="Backfill: flow logs in S3 from this date or ISO time on, UTC."),
    ] = "",
    end: Annotated[
        str,
        typer.Option("--to", metavar="DATE", help="Until this date, all of it, or up to this ISO time. [default: now]"),
    ] = "",
    account: Annotated[list[str] | None, typer.Option(help="Only of this account. Repeatable.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only of this region. Repeatable.")] = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes of a backfill. 0: one for each CPU.")] = 0,
    state: Annotated[
        Path | None, typer.Option(help="File with what is settled: a backfill goes on where it was.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; say what would be.")] = False,  # noqa: FBT002
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Send again what Firehose and Lambda gave up and left in S3, or in files that were copied from there.

    Understood are Firehose's `processing-failed/`, `decompression-failed/`, `http-endpoint-failed/`,
    `AmazonOpenSearchService_failed/` and `elasticsearch-failed/` (a reason is the folder's name), and the records that Lambda
    writes to an on-failure destination; the S3 objects that these name are read again. Objects that our transformation wrote in
    the mode `bulk` are sent as well, and those of the mode `documents` where documents carry our id. Nothing is changed there;
    it is safe to repeat.

    With `--from` the source is a bucket of flow logs, or a prefix in it: the objects of these days are forwarded, as if S3 told
    of them now. What the search engine has is not sent.

    Exit code 0 if all succeeded, 65 if some failed again or could not be read, 75 if the engine was away.

    Examples:
    - `vpcflow replay --dry-run s3://bucket/processing-failed/2026/11/`

    - `vpcflow replay --error-type 'Lambda.*' --since 7d s3://bucket/ --settings vpcflow.toml`

    - `vpcflow replay s3://bucket/flows --from 2026-11-01 --to 2026-11-08 --state backfill.db`
    """
    if first:
        others = {
            "--reason": reason,
            "--error-type": error_type,
            "--source": source,
            "--since": since,
            "--until": until,
        }
        raise typer.Exit(
            _backfilled(
                sources,
                {**others, "--firehose-arn": firehose_arn},
                first=first,
                end=end,
                accounts=account or (),
                regions=region or (),
                workers=workers,
                state=state,
                dry_run=dry_run,
                settings=settings,
            )
        )
    _refuse(
        {"--to": end, "--account": account, "--region": region, "--workers": workers, "--state": state}, "needs --from"
    )
    raise typer.Exit(
        _replayed(
            sources,
            letter_filter(
                SystemClock(), reasons=reason, error_types=error_type, sources=source, since=since, until=until
            ),
            arn=firehose_arn,
            dry_run=dry_run,
            settings=settings,
        )
    )


def _refuse(options: Mapping[str, object], why: str) -> None:
    """Refuse options that were given and mean nothing here."""
    for name, value in options.items():
        if value:
            raise VpcFlowError(f"replay: {name} {why}", exit_code=EX_USAGE)


def _backfilled(sources: Sequence[str], others: Mapping[str, object], **asked: Any) -> int:  # noqa: ANN401 - of `Asked`
    from vpcflow.cli.backfilling import Asked, backfill

    _refuse(others, "means nothing with --from")
    if len(sources) != 1:
        raise VpcFlowError("replay: --from takes one source, s3://BUCKET/PREFIX", exit_code=EX_USAGE)
    return backfill(Asked(source=sources[0], **asked))


def _replayed(
    sources: Sequence[str], wanted: Callable[[DeadLetter], bool], *, arn: str, dry_run: bool, settings: Path | None
) -> int:
    from vpcflow.cli.replaying import replay_kept
    from vpcflow.replay.sources import SourceShelves
    from vpcflow.replay.streams import reread
    from vpcflow.settings.load import load, say_unused
    from vpcflow.wiring_deadletters import aws_client

    clock = SystemClock()
    found = load(settings, os.environ)
    say_unused(found)
    loaded = found.settings

    @cache
    def client(service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        return aws_client(service, loaded, os.environ)

    def read_again(batch: Mapping[str, Any]) -> Iterator[tuple[str, bytes, int] | Unreadable]:
        return reread(client("kinesis"), batch, clock)

    kept = SourceShelves(
        sources,
        s3=lambda: client("s3"),
        arn=arn,
        max_bytes=loaded.limits.max_inflated_bytes,
        reread=read_again,
    )
    return replay_kept(loaded, kept, wanted, dry_run=dry_run)
