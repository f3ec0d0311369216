"""`vpcflow replay`: what Firehose and Lambda left in S3 when they gave up."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from vpcflow.cli.letter_filter import ErrorTypes, Reasons, Since, Sources, Until, letter_filter
from vpcflow.clock import SystemClock
from vpcflow.deadletters.abstract import Unreadable

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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; say what would be.")] = False,  # noqa: FBT002
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Send again what Firehose and Lambda gave up and left in S3, or in files that were copied from there.

    Understood are Firehose's `processing-failed/`, `decompression-failed/`, `http-endpoint-failed/`,
    `AmazonOpenSearchService_failed/` and `elasticsearch-failed/` (a reason is the folder's name), and the records that Lambda
    writes to an on-failure destination. Objects that our transformation wrote in the mode `bulk` are sent as well, and those of
    the mode `documents` where documents carry our id. Nothing is changed there; it is safe to repeat.

    Exit code 0 if all succeeded, 65 if some failed again or could not be read, 75 if the engine was away.

    Examples:
    - `vpcflow replay --dry-run s3://bucket/processing-failed/2026/11/`

    - `vpcflow replay --error-type 'Lambda.*' --since 7d s3://bucket/ --settings vpcflow.toml`
    """
    from vpcflow.cli.replaying import replay_kept
    from vpcflow.replay.sources import SourceShelves
    from vpcflow.replay.streams import reread
    from vpcflow.settings.load import load
    from vpcflow.wiring_deadletters import aws_client

    clock = SystemClock()
    wanted = letter_filter(clock, reasons=reason, error_types=error_type, sources=source, since=since, until=until)
    loaded = load(settings, os.environ).settings

    @cache
    def client(service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        return aws_client(service, loaded, os.environ)

    def read_again(batch: Mapping[str, Any]) -> Iterator[tuple[str, bytes, int] | Unreadable]:
        return reread(client("kinesis"), batch, clock)

    kept = SourceShelves(
        sources,
        s3=lambda: client("s3"),
        arn=firehose_arn,
        max_bytes=loaded.limits.max_inflated_bytes,
        reread=read_again,
    )
    raise typer.Exit(replay_kept(loaded, kept, wanted, dry_run=dry_run))
