"""`vpcflow deadletters`: what was set aside, and another try for it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpcflow.cli.group import group
from vpcflow.cli.letter_filter import ErrorTypes, LetterFilter, Reasons, Since, Sources, Until, letter_filter
from vpcflow.clock import SystemClock
from vpcflow.deadletters.abstract import Kept, Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import EX_DATAERR, EX_USAGE, DataError, VpcFlowError

if TYPE_CHECKING:
    from vpcflow.settings.model import Settings

__all__ = ["deadletters"]

_EX_NOINPUT = 66
_SHORT = 12
_HEX_ROW = 16

Place = Annotated[
    str,
    typer.Option("--at", help="A folder, s3://BUCKET/PREFIX, a queue's URL, or index:NAME. [default: the settings]"),
]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="Settings file (TOML).")]

deadletters = group("deadletters", "Look at what could not be decoded or was rejected, and try it again.")


def _open(settings: Path | None, place: str) -> tuple[Settings, Kept]:
    from vpcflow import wiring, wiring_deadletters
    from vpcflow.settings.load import load, say_unused

    found = load(settings, os.environ)
    say_unused(found)
    loaded = found.settings
    if place:
        loaded = wiring_deadletters.at_place(loaded, place)
    return loaded, wiring_deadletters.kept(loaded, os.environ, SystemClock(), connect=wiring.sink)


def _all(kept: Kept) -> Iterator[DeadLetter | Unreadable]:
    with closing(kept):
        for shelf in kept.shelves():
            for _, letter in shelf.letters():
                yield letter


@deadletters.command("list")
def list_letters(
    at: Place = "",
    reason: Reasons = None,
    error_type: ErrorTypes = None,
    source: Sources = None,
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=1, help="Stop after so many. [default: all]")] = sys.maxsize,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line; counts on stderr.")] = False,  # noqa: FBT002
    counts: Annotated[bool, typer.Option("--counts", help="Only the counts by reason.")] = False,  # noqa: FBT002
    settings: SettingsFile = None,
) -> None:
    """List dead letters, and count them by reason. Changes nothing.

    Exit code 65 if something among them cannot be read.

    Examples:
    - `vpcflow deadletters list --settings vpcflow.toml`

    - `vpcflow deadletters list --at s3://bucket/deadletters --reason rejected --since 24h`

    - `vpcflow deadletters list --json | jq .raw`
    """
    wanted = letter_filter(
        SystemClock(), reasons=reason, error_types=error_type, sources=source, since=since, until=until
    )
    _, kept = _open(settings, at)
    found, unreadable = _listed(kept, wanted, limit, as_json=as_json, quiet=counts)
    if not (as_json or counts) and found:
        typer.echo("")
    for name, count in found.most_common():
        typer.echo(f"{name}: {count:,}", err=as_json)
    typer.echo(f"{found.total():,} dead letters", err=as_json)
    if unreadable:
        raise typer.Exit(EX_DATAERR)


def _listed(kept: Kept, wanted: LetterFilter, limit: int, *, as_json: bool, quiet: bool) -> tuple[Counter[str], int]:
    """Print what is wanted; return counts by reason, and how many cannot be read."""
    found: Counter[str] = Counter()
    unreadable = 0
    for letter in _all(kept):
        if isinstance(letter, Unreadable):
            unreadable += 1
            typer.echo(f"unreadable: {letter.where}: {letter.message}", err=True)
        elif wanted(letter):
            if as_json:
                sys.stdout.write(f'{{"id":"{letter.id}",{letter.to_json().decode()[1:]}')
            elif not quiet:
                if not found:
                    typer.echo(_row("id", "first seen", "reason", "error type", "source", "at", "message"))
                typer.echo(_row_of(letter))
            found[letter.reason] += 1
            if found.total() >= limit:
                break
    return found, unreadable


@deadletters.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="Of `list`; its beginning is enough.")],
    at: Place = "",
    raw: Annotated[bool, typer.Option("--raw", help="Write the original bytes, and nothing else, to stdout.")] = False,  # noqa: FBT002
    settings: SettingsFile = None,
) -> None:
    """Show all of one dead letter: where it came from, why it failed, and its original bytes.

    Examples:
    - `vpcflow deadletters show 5f0c2a`

    - `vpcflow deadletters show 5f0c2a --raw | vpcflow decode -`
    """
    _, kept = _open(settings, at)
    found = {one.id: one for one in _all(kept) if isinstance(one, DeadLetter) and one.id.startswith(name.lower())}
    if not found:
        raise DataError(f"{name}: no such dead letter; see `vpcflow deadletters list`", exit_code=_EX_NOINPUT)
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        raise VpcFlowError(
            f"{name}: {len(found)} dead letters begin so: {some}, …; give more of it", exit_code=EX_USAGE
        )
    [letter] = found.values()
    if raw:
        sys.stdout.buffer.write(letter.raw)
        sys.stdout.buffer.flush()
        return
    for label, value in _facts(letter):
        typer.echo(f"{label + ':':<13} {_clean(value)}")
    typer.echo("raw:")
    typer.echo(_raw_text(letter.raw))


@deadletters.command("replay")
def replay_letters(
    at: Place = "",
    reason: Reasons = None,
    error_type: ErrorTypes = None,
    source: Sources = None,
    since: Since = "",
    until: Until = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send and change nothing; say what would be.")] = False,  # noqa: FBT002
    settings: SettingsFile = None,
) -> None:
    """Decode dead letters again with today's settings, and send what they give.

    What the engine has then is taken away from the dead letters; what fails again stays, with one attempt more. It is safe to
    repeat. Exit code 0 if all succeeded, 65 if some failed again, 75 if the engine was away.

    Examples:
    - `vpcflow deadletters replay --dry-run`

    - `vpcflow deadletters replay --reason format --source 'kinesis:*' --settings vpcflow.toml`
    """
    from vpcflow.cli.replaying import replay_kept

    wanted = letter_filter(
        SystemClock(), reasons=reason, error_types=error_type, sources=source, since=since, until=until
    )
    loaded, kept = _open(settings, at)
    raise typer.Exit(replay_kept(loaded, kept, wanted, dry_run=dry_run))


def _row_of(letter: DeadLetter) -> str:
    place = "-" if letter.position < 0 else str(letter.position)
    when = _time(letter.first_seen_ms)
    return _row(letter.id[:_SHORT], when, letter.reason, letter.error_type, letter.source, place, letter.message)


def _row(name: str, when: str, reason: str, kind: str, source: str, place: str, message: str) -> str:
    columns = f"{name:<{_SHORT}}  {when:<20}  {_clean(reason):<13}  {_clean(kind) or '-':<26}"
    return f"{columns}  {_clean(source):<24}  {place:>5}  {_clean(message)}".rstrip()


def _facts(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    yield "id", letter.id
    yield "reason", letter.reason
    yield "error type", letter.error_type or "-"
    yield "message", letter.message
    yield "source", letter.source
    yield "position", "the record as a whole" if letter.position < 0 else str(letter.position)
    yield "first seen", _time(letter.first_seen_ms)
    yield "attempts", str(letter.attempts)
    yield "format", str(letter.format_version)
    if letter.document_id:
        yield "document _id", letter.document_id
    if letter.origin is not None and letter.origin.arrival_ms is not None:
        yield "arrived", _time(letter.origin.arrival_ms)
    for name, value in {**letter.identity, **letter.context}.items():
        yield name, str(value)


def _time(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def _clean(text: str) -> str:
    """Return text that a terminal shows as it is: what is in a log line may be anything."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _raw_text(raw: bytes) -> str:
    """Return text as it is, with what cannot be printed escaped; anything else as a hex dump."""
    try:
        return "\n".join(f"  {_clean(line)}" for line in raw.decode().splitlines())
    except UnicodeDecodeError:
        rows = (raw[at : at + _HEX_ROW] for at in range(0, len(raw), _HEX_ROW))
        return "\n".join(
            f"  {number * _HEX_ROW:08x}  {row.hex(' '):<{_HEX_ROW * 3}} {_ascii(row)}"
            for number, row in enumerate(rows)
        )


def _ascii(row: bytes) -> str:
    return "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in row)  # noqa: PLR2004 - printable ASCII
