"""`vpcflow setup`: what the target needs before the first document comes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from vpcflow.errors import EX_USAGE

__all__ = ["setup"]


def setup(
    template: Annotated[bool, typer.Option("--template", help="Put the index template of the target.")] = False,  # noqa: FBT002
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be put; ask nobody.")] = False,  # noqa: FBT002
    product: Annotated[
        Literal["elasticsearch", "opensearch"] | None, typer.Option(help="Whose template; needed for --dry-run only.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Prepare the search engine. Safe to repeat: it says created, updated or unchanged.

    Example: `vpcflow setup --template --settings vpcflow.toml`
    """
    from vpcflow import wiring
    from vpcflow.codec.template import index_template
    from vpcflow.settings.load import load, reserved_path

    loaded = load(settings or reserved_path(os.environ), os.environ).settings
    if not template:
        typer.echo("vpcflow setup: nothing asked for; --template puts the index template", err=True)
        raise typer.Exit(EX_USAGE)
    if dry_run:
        _, body = index_template(product or "elasticsearch", wiring.codec_options(loaded))
        typer.echo(json.dumps(body, indent=2))
        return
    engine = wiring.sink(loaded)
    name, body = wiring.template(loaded, engine)
    change = engine.ensure_template(name, body)
    typer.echo(f"index template {name}: {change} ({', '.join(body['index_patterns'])})")  # type: ignore[arg-type]
