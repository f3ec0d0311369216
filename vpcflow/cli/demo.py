"""`vpcflow demo`: watch it work, and be shown that it does."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from vpcflow.errors import ConfigError

__all__ = ["demo"]

_NEEDED = ("boto3", "rich", "elasticsearch", "amazon_kclpy", "jgo")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def demo(
    events: Annotated[int, typer.Option(min=1, help="Flow-log events.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the generator.")] = 7,
    engine: Annotated[
        Literal["elasticsearch", "opensearch"], typer.Option(help="Which engine to start.")
    ] = "elasticsearch",
    url: Annotated[
        str, typer.Option(help="Use this cluster instead; credentials by VPCFLOW_ELASTICSEARCH__… variables.")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running, and say how to end it.")] = False,  # noqa: FBT002
    time_limit: Annotated[float, typer.Option(min=1, help="Seconds for the documents to arrive.")] = 300.0,
) -> None:
    """Run the whole path on this machine, and prove that nothing was lost and nothing doubled.

    Starts a Kinesis API, a lease table and a search engine from packages, runs the real consumer on the real Kinesis Client
    Library, and compares what the engine says with what was planted. Nothing outside this machine is touched, except for the
    cluster of `--url`: that gets an index template and the data stream logs-aws.vpcflow-demo, and nothing in it is removed.

    Exit codes: 0 all proven, 1 something is off, 75 not within the time limit. Ctrl-C ends everything.

    Examples:
    - `vpcflow demo`

    - `vpcflow demo --engine opensearch --events 100000`

    - `vpcflow demo --keep`

    - `vpcflow demo --url https://search.example.com:9200`
    """
    _require()
    from vpcflow.clock import SystemClock
    from vpcflow.demo import Demo, DemoOptions
    from vpcflow.demo.screen import Screen

    options = DemoOptions(events=events, seed=seed, engine=engine, url=url, keep=keep, time_limit=time_limit)

    def interrupted(*_: object) -> None:
        _deaf()
        raise KeyboardInterrupt

    for one in _SIGNALS:
        signal.signal(one, interrupted)
    code = Demo(options, Screen(), SystemClock(), os.environ, leaving=_deaf).run()
    if code:
        raise typer.Exit(code)


def _deaf() -> None:
    """Let nobody interrupt the cleaning up: it would leave servers behind."""
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_IGN)


def _require() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the demo needs {', '.join(missing)}: run `make demo` in a clone, or pip install 'vpcflow-stream[cli,kcl,stack]'"
        )
    if not Path("/proc/self/stat").exists():
        raise ConfigError("the demo runs the real consumer, which needs Linux with /proc; run it in a container or VM")
