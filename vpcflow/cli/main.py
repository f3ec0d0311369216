"""The `vpcflow` command: registers the commands, and turns every error into one line and an exit code.

Commands import what they need when they run: `vpcflow --help` must not wait for a client library.
"""

from __future__ import annotations

import os
import sys
import traceback

import click
import typer

from vpcflow import __version__
from vpcflow.cli.decode import decode
from vpcflow.cli.demo import demo
from vpcflow.cli.doctor import doctor
from vpcflow.cli.generate import generate
from vpcflow.cli.settings import settings
from vpcflow.cli.setup import setup
from vpcflow.errors import EX_CONFIG, EX_SOFTWARE, EX_USAGE, VpcFlowError

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    name="vpcflow",
    help="AWS VPC Flow Logs, decoded in flight and indexed into Elasticsearch or OpenSearch.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 good, 64 usage, 65 data, 66 no such input, 70 a fault of ours, 75 try again later, 77 credentials, "
    "78 settings. VPCFLOW_DEBUG=1 shows tracebacks.",
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"vpcflow {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),  # noqa: FBT001
) -> None:
    """AWS VPC Flow Logs, decoded in flight and indexed into Elasticsearch or OpenSearch."""


for _command in (demo, decode, generate, setup, settings, doctor):
    app.command()(_command)


def main() -> int:
    """Run a command; return its exit code."""
    try:
        code = app(standalone_mode=False)
    except click.exceptions.Abort:
        return _INTERRUPTED
    except click.UsageError as error:
        error.show()
        return EX_USAGE
    except click.ClickException as error:
        error.show()
        return EX_CONFIG
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except BrokenPipeError:
        # The reader (head, less) has had enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except VpcFlowError as error:
        typer.echo(f"vpcflow: {error}", err=True)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last handler of this program
        if os.environ.get("VPCFLOW_DEBUG"):
            traceback.print_exc()
        typer.echo(f"vpcflow: a fault of this program: {error!r}; VPCFLOW_DEBUG=1 shows where", err=True)
        return EX_SOFTWARE
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
