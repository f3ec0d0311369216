"""`vpcflow settings`: what is in force, and where it came from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from vpcflow.settings.secrets import Secret

__all__ = ["settings"]


def _shown(value: object) -> str:
    if isinstance(value, Secret):
        return '"***"' if value else '""'
    if isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
        return json.dumps([msgspec.structs.asdict(one) for one in value], ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def settings(
    path: Annotated[Path | None, typer.Option("--settings", help="Settings file (TOML).")] = None,
) -> None:
    """Print the effective settings, and where each value came from. Secrets are hidden.

    Example: `VPCFLOW_BULK__MAX_BYTES=1000000 vpcflow settings --settings vpcflow.toml`
    """
    from vpcflow.settings.decoding import codec_options
    from vpcflow.settings.load import load, reserved_path

    loaded = load(path or reserved_path(os.environ), os.environ)
    codec_options(loaded.settings)  # formats and patterns are checked as the programs check them
    for section in msgspec.structs.fields(loaded.settings):
        typer.echo(f"[{section.name}]")
        table = getattr(loaded.settings, section.name)
        for key in msgspec.structs.fields(table):
            text = f"{key.name} = {_shown(getattr(table, key.name))}"
            typer.echo(f"{text:<60} # {loaded.origins[f'{section.name}.{key.name}']}")
        typer.echo()
