"""Commands that have commands of their own."""

from __future__ import annotations

import typer

__all__ = ["group"]


def group(name: str, description: str) -> typer.Typer:
    """Return a group without commands; it stays one also when it has a single command."""
    made = typer.Typer(
        name=name,
        help=description,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_nothing)
    return made


def _nothing() -> None:
    return
