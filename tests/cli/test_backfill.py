"""Options of `vpcflow replay` that belong to a backfill, and those that do not. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "2026-11-01"], "--to needs --from"),
        (["--account", "1"], "--account needs --from"),
        (["--region", "eu-west-1"], "--region needs --from"),
        (["--workers", "2"], "--workers needs --from"),
        (["--state", "x"], "--state needs --from"),
        (["--from", "2026-11-01", "--reason", "x"], "--reason means nothing with --from"),
        (["--from", "2026-11-01", "--firehose-arn", "x"], "--firehose-arn means nothing with --from"),
        (["--from", "2026-11-01", "s3://other"], "takes one source"),
        (["--from", "yesterday"], "'yesterday' is no date"),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "--from 2026-11-02: not before --to 2026-11-01"),
    ],
)
def test_options_that_mean_nothing_are_refused_in_one_line(run: Run, arguments: list[str], words: str) -> None:
    ran = run("replay", "s3://bucket/", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (64, "", 1)
    assert words in ran.err


def test_a_backfill_is_of_a_bucket(run: Run) -> None:
    ran = run("replay", "folder", "--from", "2026-11-01")
    assert (ran.code, ran.err) == (66, "vpcflow: folder: not in S3; with --from and --to give s3://BUCKET/PREFIX\n")


def test_forward_needs_a_queue(run: Run) -> None:
    ran = run("forward")
    assert (ran.code, ran.err.count("\n")) == (78, 1)
    assert "forwarder.queue_url: not set" in ran.err
