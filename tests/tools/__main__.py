"""`python -m tests.tools fetch [NAME…]`: bring tools into the cache and print where they are."""

from __future__ import annotations

import argparse
import sys

from tests.tools import NAMES, ToolMissing, fetch


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("fetch", help="bring tools into the cache and print where they are")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; none: all of them")
    chosen = parser.parse_args(arguments)
    try:
        for name in chosen.names or NAMES:
            sys.stdout.write(f"{fetch(name, _say)}\n")
    except ToolMissing as error:
        _say(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
