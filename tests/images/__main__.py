"""`python -m tests.images available`: can this machine run a container engine? Exit code 0, or 1 and why not."""

from __future__ import annotations

import sys

from tests.images.engine import Engine
from vpcflow.errors import EX_USAGE
from vpcflow.stack.errors import StackError


def main(arguments: list[str]) -> int:
    if arguments != ["available"]:
        print("usage: python -m tests.images available", file=sys.stderr)
        return EX_USAGE
    try:
        with Engine(progress=lambda line: print(line, file=sys.stderr)):
            return 0
    except StackError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
