"""Put faults between your programs and a search engine, and see what they do about them.

The first line on stdout is the address to use instead of the server's. Ends with Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from vpcflow.errors import EX_OK, EX_USAGE, VpcFlowError
from vpcflow.faults.journal import Journal
from vpcflow.faults.proxy import FaultProxy
from vpcflow.faults.script import ACTIONS, load_script

_EXAMPLE = """\
a script:
  [[rule]]                    # the answer to the second bulk is lost after it was applied
  action = "reset_after"
  path = "/_bulk"
  nth = 2

  [[rule]]                    # later, a tenth of all bulks is refused for now
  action = "status"
  path = "/_bulk"
  first = 3
  probability = 0.1
  code = 429
  body = '{"error":{"type":"es_rejected_execution_exception","reason":"busy"},"status":429}'
  answer_headers = { Retry-After = "1" }

  [[rule]]                    # a write block for one item in ten
  action = "item_errors"
  share = 0.1
  status = 403
  type = "cluster_block_exception"

  python -m vpcflow.faults --to http://127.0.0.1:9200 --script faults.toml --log injections.jsonl --seed 7

actions:
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EX_USAGE, f"{self.format_usage()}error: {message}\n")


def _arguments() -> argparse.ArgumentParser:
    actions = "\n".join(f"  {action.__struct_config__.tag:20}{_first_line(action.__doc__)}" for action in ACTIONS)
    parser = _Parser(
        prog="python -m vpcflow.faults",
        description=__doc__,
        epilog=f"{_EXAMPLE}{actions}\n\nEvery key is explained in docs/faults.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--to", required=True, metavar="URL", help="the server behind")
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules, TOML; none: everything passes")
    parser.add_argument("--log", type=Path, metavar="FILE", help="one JSON line for each fault is appended there")
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT", help="127.0.0.1:0")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything that is drawn; 0")
    parser.add_argument("--ca-certs", default="", metavar="FILE", help="CA of an https server; the system's")
    return parser


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        return parts.hostname or "127.0.0.1", parts.port or 0
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; return the exit code."""
    chosen = _arguments().parse_args(arguments)
    try:
        rules = load_script(chosen.script) if chosen.script else ()
        proxy = FaultProxy(
            chosen.to,
            rules,
            listen=chosen.listen,
            seed=chosen.seed,
            journal=Journal(chosen.log),
            ca_certs=chosen.ca_certs,
        )
    except VpcFlowError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the threads, which inherit it
    with proxy:
        sys.stdout.write(f"{proxy.url}\n")
        sys.stdout.flush()
        signal.sigwait(signals)
    proxy.journal.close()
    return EX_OK


if __name__ == "__main__":
    sys.exit(main())
