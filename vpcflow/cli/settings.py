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


def _leaves(loaded: Loaded) -> Iterator[tuple[str, str, Any, str]]:
    """Yield section, key, value without secrets, origin."""
    import msgspec

    from vpcflow.settings.secrets import Secret

    for section, table in msgspec.structs.asdict(loaded.settings).items():
        for key, value in msgspec.structs.asdict(table).items():
            shown = ("***" if value else "") if isinstance(value, Secret) else msgspec.to_builtins(value)
            if key == "hosts":
                shown = [_PASSWORD.sub("//***@", host) for host in shown]
            yield section, key, shown, loaded.origins[f"{section}.{key}"]


def _toml(value: object) -> str:
    """Return a value as TOML: JSON, apart from tables."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def settings(
    path: Annotated[Path | None, typer.Option("--settings", help="Settings file (TOML).")] = None,
    output: Annotated[
        Literal["toml", "json"],
        typer.Option("--format", help="`toml`: a settings file with comments. `json`: for programs."),
    ] = "toml",
) -> None:
    """Print the effective settings, and where each value came from. Secrets are hidden.

    Example: `VPCFLOW_BULK__MAX_BYTES=1000000 vpcflow settings --settings vpcflow.toml`
    """
    from vpcflow.settings.decoding import codec_options
    from vpcflow.settings.load import load

    loaded = load(path, os.environ)
    codec_options(loaded.settings, with_labels=False)  # formats and patterns are checked as the programs check them
    if output == "json":
        tree: dict[str, dict[str, object]] = {}
        for section, key, value, origin in _leaves(loaded):
            tree.setdefault(section, {})[key] = {"value": value, "origin": origin}
        typer.echo(json.dumps(tree, indent=2, ensure_ascii=False))
        return
    last = ""
    for section, key, value, origin in _leaves(loaded):
        if section != last:
            typer.echo(f"\n[{section}]" if last else f"[{section}]")
            last = section
        typer.echo(f"{f'{key} = {_toml(value)}':<60} # {origin}")
