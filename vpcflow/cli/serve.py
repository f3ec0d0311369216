"""`vpcflow serve firehose`: receive what Amazon Data Firehose sends to an HTTP endpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from vpcflow.errors import ConfigError

__all__ = ["serve"]


def serve(
    what: Annotated[Literal["firehose"], typer.Argument(help="`firehose`: its HTTP endpoint destination.")],  # noqa: ARG001
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Answer Firehose's requests: 200 once each of their lines is indexed, or kept as a dead letter.

    It runs until SIGTERM or SIGINT, then lets requests under way finish. Logs are JSON lines on stderr.

    Example: `vpcflow serve firehose --settings vpcflow.toml`
    """
    from vpcflow import logs
    from vpcflow.settings.load import load, say_unused

    try:
        from vpcflow.receiver.server import serve as run
    except ImportError as error:
        missing = f"the package {error.name} is not installed"
        raise ConfigError(f"serve: {missing}; pip install 'vpcflow-stream[receiver]'") from error
    loaded = load(settings, os.environ)
    logs.configure(loaded.settings.logs.level)
    say_unused(loaded)
    run(loaded.settings, os.environ)
