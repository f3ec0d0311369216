"""`vpcflow migrate`: the configuration of another forwarder, turned into ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vpcflow.cli.group import group
from vpcflow.errors import DataError, VpcFlowError

__all__ = ["migrate"]

_EX_NOINPUT = 66
_MAX_BYTES = 10_000_000

migrate = group("migrate", "Turn the configuration of another forwarder into settings of ours.")


@migrate.command()
def esf(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="Their configuration file (YAML); - for standard input.")
    ],
    output: Annotated[Path | None, typer.Option(help="Write the settings there. [default: standard output]")] = None,
) -> None:
    """Turn a configuration file of the Elastic Serverless Forwarder into settings (TOML).

    What has no equal is said on standard error, one line each, by its place in their file. Secrets that stand there in clear
    are not copied.

    Examples:
    - `vpcflow migrate esf sarconfig.yaml --output vpcflow.toml`

    - `aws s3 cp s3://bucket/sarconfig.yaml - | vpcflow migrate esf -`
    """
    from vpcflow.migrate.esf import migrated
    from vpcflow.settings.toml import tables

    done = migrated(_parsed(_text(config), config))
    text = "\n".join(tables(done.settings))
    if output is None:
        typer.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise DataError(f"{output}: {error.strerror}; give another file with --output") from error
    for path, said in done.notes:
        typer.echo(f"{path}: {said}", err=True)


def _text(config: str) -> str:
    try:
        data = sys.stdin.buffer.read(_MAX_BYTES + 1) if config == "-" else Path(config).read_bytes()
        if len(data) > _MAX_BYTES:
            raise DataError(f"{config}: over {_MAX_BYTES} bytes; no configuration is so large")
        return data.decode()
    except OSError as error:
        raise VpcFlowError(f"{config}: {error.strerror}; give the path of a file", exit_code=_EX_NOINPUT) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{config}: no UTF-8 text") from error


def _parsed(text: str, where: str) -> object:
    try:
        import yaml
    except ImportError as error:
        raise VpcFlowError("migrate: PyYAML is not installed; pip install pyyaml", exit_code=78) from error
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise DataError(f"{where}{line}: not YAML: {problem}") from error
