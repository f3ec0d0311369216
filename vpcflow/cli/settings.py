"""`vpcflow settings`: what is in force, and where it came from."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from vpcflow.settings.load import Loaded

__all__ = ["settings"]

_PASSWORD = re.compile("//[^/]*@")


def _leaves(loaded: Loaded) -> Iterator[tuple[tuple[str, ...], str, Any, str]]:
    """Yield the table, key, value without secrets, origin: the base, then what each input and output says."""
    import msgspec

    for section, table in msgspec.structs.asdict(loaded.settings).items():
        for key, value in msgspec.structs.asdict(table).items():
            yield (section,), key, _shown(key, value), loaded.origins[f"{section}.{key}"]
    for entry in loaded.profiles:
        yield entry.table, entry.key, _shown(entry.key, entry.value), entry.origin


def _shown(key: str, value: object) -> Any:  # noqa: ANN401 - any setting
    import msgspec

    from vpcflow.settings.secrets import Secret

    if isinstance(value, Secret):
        return "***" if value else ""
    shown = msgspec.to_builtins(value)
    return [_PASSWORD.sub("//***@", host) for host in shown] if key == "hosts" else shown


def settings(
    path: Annotated[Path | None, typer.Option("--settings", help="Settings file (TOML).")] = None,
    output: Annotated[
        Literal["toml", "json"],
        typer.Option("--format", help="`toml`: a settings file with comments. `json`: for programs."),
    ] = "toml",
) -> None:
    """Print the effective settings, and where each value came from. Secrets are hidden.

    Of inputs and outputs that is shown which they say themselves; all else of them is as the base settings have it.

    Example: `VPCFLOW_BULK__MAX_BYTES=1000000 vpcflow settings --settings vpcflow.toml`
    """
    from vpcflow.settings.decoding import checked_options, codec_options
    from vpcflow.settings.load import load
    from vpcflow.settings.toml import bare_or_quoted, toml

    loaded = load(path, os.environ)
    codec_options(loaded.settings, with_labels=False)  # formats and patterns are checked as the programs check them
    checked_options(loaded.routes, with_labels=False)
    if output == "json":
        tree: dict[str, Any] = {}
        for table, key, value, origin in _leaves(loaded):
            within = tree
            for name in table:
                within = within.setdefault(name, {})
            within[key] = {"value": value, "origin": origin}
        typer.echo(json.dumps(tree, indent=2, ensure_ascii=False))
        return
    last: tuple[str, ...] = ()
    for table, key, value, origin in _leaves(loaded):
        if table != last:
            head = f"[{'.'.join(map(bare_or_quoted, table))}]"
            typer.echo(f"\n{head}" if last else head)
            last = table
        typer.echo(f"{f'{key} = {toml(value)}':<60} # {origin}")
