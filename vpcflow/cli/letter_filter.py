"""Which dead letters are meant: the options that `vpcflow deadletters` and `vpcflow replay` share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from vpcflow.clock import Clock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import EX_USAGE, VpcFlowError

__all__ = ["ErrorTypes", "LetterFilter", "Reasons", "Since", "Sources", "Until", "letter_filter"]

_AGO = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Reasons = Annotated[
    list[str] | None, typer.Option("--reason", help="Only this reason, e.g. columns, rejected. May be repeated.")
]
ErrorTypes = Annotated[
    list[str] | None,
    typer.Option("--error-type", help="Only this error.type of the engine (`*`, `?`). May be repeated."),
]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only this source (`*`, `?`). May be repeated.")]
Since = Annotated[str, typer.Option(help="First seen at this time or later: 2026-11-25T08:00Z, or 24h for a day ago.")]
Until = Annotated[str, typer.Option(help="First seen before this time; as --since.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Patterns and milliseconds since 1970; what is empty or None lets everything through."""

    reasons: tuple[str, ...] = ()
    error_types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None

    def __call__(self, letter: DeadLetter) -> bool:
        """Return whether a letter is meant."""
        return (
            _one_of(letter.reason, self.reasons)
            and _one_of(letter.error_type, self.error_types)
            and _one_of(letter.source, self.sources)
            and (self.since_ms is None or letter.first_seen_ms >= self.since_ms)
            and (self.until_ms is None or letter.first_seen_ms < self.until_ms)
        )


def letter_filter(
    clock: Clock,
    *,
    reasons: list[str] | None,
    error_types: list[str] | None,
    sources: list[str] | None,
    since: str,
    until: str,
) -> LetterFilter:
    """Return the filter of a command's options. Raises VpcFlowError for a time that is none (exit 64)."""
    return LetterFilter(
        reasons=tuple(reasons or ()),
        error_types=tuple(error_types or ()),
        sources=tuple(sources or ()),
        since_ms=_milliseconds("--since", since, clock),
        until_ms=_milliseconds("--until", until, clock),
    )


def _one_of(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


def _milliseconds(option: str, text: str, clock: Clock) -> int | None:
    if not text:
        return None
    ago = _AGO.fullmatch(text)
    if ago:
        return clock.wall_ms() - int(timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds() * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "give one like 2026-11-25T08:00Z, 2026-11-25, or 24h"
        raise VpcFlowError(f"{option}: {text} is no time; {hint}", exit_code=EX_USAGE) from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
