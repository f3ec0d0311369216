"""`python -m vpcflow.stack`: fetch what will be needed, check the KCL's jars, end servers left running."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vpcflow.errors import EX_OK, VpcFlowError
from vpcflow.stack import jars, parts, pids
from vpcflow.stack.cache import Cache, Progress
from vpcflow.stack.errors import StackError

USUAL = ["java", "node", "kinesis", "dynamodb", "elasticsearch", "opensearch"]


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vpcflow.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="bring parts into the cache and print where they are")
    fetch.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(parts.PARTS)}; none: {', '.join(USUAL)}"
    )
    wheels = commands.add_parser(
        "wheels", help="bring the packages of a lock file into the cache and print where they are"
    )
    wheels.add_argument("lock", type=Path)
    check = commands.add_parser("check-jars", help="compare the KCL's jars with their sums")
    check.add_argument("folder", nargs="?", type=Path, help="default: those of the installed amazon_kclpy")
    stop = commands.add_parser("stop", help="end servers that were left running")
    stop.add_argument("pidfile", type=Path)
    return parser


def fetch(names: list[str], cache: Cache, progress: Progress) -> list[Path]:
    """Bring the named parts into the cache, side by side."""
    if unknown := [name for name in names if name not in parts.PARTS]:
        raise StackError(f"no part is called {unknown[0]!r}: there are {', '.join(parts.PARTS)}")
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda name: parts.PARTS[name](cache, progress), names))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    chosen = _arguments().parse_args(arguments)
    try:
        if chosen.command == "fetch":
            for path in fetch(chosen.parts or USUAL, Cache(), _say):
                sys.stdout.write(f"{path}\n")
        elif chosen.command == "wheels":
            sys.stdout.write(f"{parts.wheels(chosen.lock, Cache(), _say)}\n")
        elif chosen.command == "check-jars":
            folder = chosen.folder or jars.installed()
            if folder is None:
                raise StackError("amazon_kclpy is not installed here, so there are no jars to check")
            jars.require(folder)
        else:
            pids.stop(chosen.pidfile)
    except VpcFlowError as error:
        _say(f"error: {error}")
        return error.exit_code
    return EX_OK


if __name__ == "__main__":
    sys.exit(main())
