"""`python -m tests.integration.localstack available`: can tests have a LocalStack here? `fetch`: what one of our own needs.

`available` exits with 0 or 1, the reason on standard error. It is had where one is given that answers, too.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.integration.localstack import part
from tests.integration.localstack.endpoint import given
from tests.integration.localstack.host import answers
from vpcflow.errors import EX_OK
from vpcflow.stack.cache import Cache
from vpcflow.stack.errors import StackError


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.localstack", description=__doc__)
    parser.add_argument("command", choices=["available", "fetch"])
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "available" and (url := given(os.environ)) and answers(url):
            return EX_OK
        python = part.find_python()
        if chosen.command == "fetch":
            sys.stdout.write(f"{part.environment(python, Cache(), _say)}\n{part.agent(Cache(), _say)}\n")
    except StackError as error:
        _say(str(error))
        return 1
    return EX_OK


if __name__ == "__main__":
    sys.exit(main())
