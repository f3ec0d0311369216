"""`vpcflow setup`: what the target needs before the first document comes."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from vpcflow.errors import EX_USAGE, VpcFlowError

__all__ = ["setup"]


def setup(
    template: Annotated[bool, typer.Option("--template", help="Put the index template of the target.")] = False,  # noqa: FBT002
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", "--print", help="Print what would be put; ask nobody.")
    ] = False,
    product: Annotated[
        Literal["elasticsearch", "opensearch"] | None,
        typer.Option(help="Whose template. [default: elasticsearch.product, else what the engine says]"),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Prepare the search engine. Safe to repeat: it says created, updated or unchanged.

    Example: `vpcflow setup --template --settings vpcflow.toml`
    """
    from vpcflow import wiring
    from vpcflow.codec.template import index_template
    from vpcflow.settings.load import load

    if not template:
        raise VpcFlowError("setup: nothing asked for; --template puts the index template", exit_code=EX_USAGE)
    loaded = load(settings, os.environ).settings
    options = wiring.codec_options(loaded, with_labels=False)
    if product is None and loaded.elasticsearch.product != "auto":
        product = loaded.elasticsearch.product
    if dry_run:
        name, body = index_template(product or "elasticsearch", options)
        typer.echo(f"PUT /_index_template/{name}", err=True)
        typer.echo(json.dumps(body, indent=2))
        return
    with closing(wiring.sink(loaded)) as engine:
        name, body = index_template(product, options) if product else wiring.template(loaded, engine)
        change = engine.ensure_template(name, body)
    typer.echo(f"index template {name}: {change} ({', '.join(body['index_patterns'])})")  # type: ignore[arg-type]
