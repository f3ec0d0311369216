"""The `vpcflow` command: registers the commands, and turns every error into one line and an exit code.

A command's module is imported when it is called or listed; what is heavy in it, when it runs: `vpcflow --help` must not wait
for a client library.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from vpcflow import __version__
from vpcflow.errors import EX_CONFIG, EX_OK, EX_SOFTWARE, EX_USAGE, VpcFlowError

__all__ = ["app", "main"]

_INTERRUPTED = 130
_COMMANDS = (
    *("demo", "decode", "generate", "setup", "settings", "doctor", "deadletters", "replay", "forward", "serve"),
    *("formats", "labels", "migrate"),
)
# Older typers import click, newer ones carry it inside: its classes are reached through the one that both export.
_UsageError, _ClickError = cast("tuple[type[Exception], type[Exception]]", typer.BadParameter.__mro__[1:3])


class _Commands(TyperGroup):
    """Knows the commands' names; the function or group of a name is `vpcflow.cli.<name>.<name>`."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - click's class moves, see above
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in self.commands:
            found = getattr(import_module(f"vpcflow.cli.{cmd_name}"), cmd_name)
            if not isinstance(found, typer.Typer):  # a command; the other kind is a group of them
                one = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
                one.command(cmd_name)(found)
                found = one
            self.commands[cmd_name] = typer.main.get_command(found)
        return self.commands[cmd_name]


app = typer.Typer(
    cls=_Commands,
    name="vpcflow",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 good, 64 usage, 65 data, 66 no such input, 70 a fault of ours, 75 try again later, 77 credentials, "
    "78 settings.",
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"vpcflow {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: ARG001, FBT002 - its callback does the work; typer wants it so
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[  # noqa: FBT002
        bool, typer.Option("--debug", help="Show the traceback of a fault. Also VPCFLOW_DEBUG=1.")
    ] = False,
) -> None:
    """AWS VPC Flow Logs, decoded in flight and indexed into Elasticsearch or OpenSearch."""
    if debug:
        os.environ["VPCFLOW_DEBUG"] = "1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    Args:
        arguments: those of the process where None.
    """
    try:
        code = app(None if arguments is None else list(arguments), prog_name="vpcflow", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - the last handler of this program
        return _ended_by(error)
    return code if isinstance(code, int) else EX_OK


def _ended_by(error: BaseException) -> int:
    """Say what is wrong, in one line on stderr, and return the exit code."""
    # typer answers a broken pipe with an exit of its own.
    pipe = error.__context__ if isinstance(error, SystemExit) else error
    if isinstance(pipe, BrokenPipeError):
        # The reader (head, less) has had enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EX_OK
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else EX_SOFTWARE
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return _INTERRUPTED
    if isinstance(error, _ClickError):
        return _refused(error)
    if isinstance(error, VpcFlowError):
        typer.echo(f"vpcflow: {error}", err=True)
        return error.exit_code
    if os.environ.get("VPCFLOW_DEBUG"):
        traceback.print_exception(error)
    shown = " ".join(f"{type(error).__name__}: {error}".split())
    typer.echo(f"vpcflow: a fault of this program: {shown}; `vpcflow --debug …` shows where", err=True)
    return EX_SOFTWARE


def _refused(error: Any) -> int:  # noqa: ANN401 - one of click's, wherever that lives
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # its help is printed already, or is its message
        typer.echo(error.format_message(), err=True, nl=bool(error.format_message()))
        return EX_USAGE
    message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    where = context.command_path if context is not None else "vpcflow"
    typer.echo(f"{where}: {message}; see {where} --help", err=True)
    return EX_USAGE if isinstance(error, _UsageError) else EX_CONFIG


if __name__ == "__main__":
    sys.exit(main())
