"""`vpcflow demo`: watch it work, and be shown that it does."""

from __future__ import annotations

import os
import signal
from typing import Annotated, Literal

import typer

__all__ = ["demo"]


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
    Library, and compares the engine's own sums with what was planted. Nothing outside this machine is touched.

    Examples:
    - `vpcflow demo`

    - `vpcflow demo --engine opensearch --events 100000`

    - `vpcflow demo --url https://search.example.com:9200` (documents go to the data stream logs-aws.vpcflow-demo)
    """
    from vpcflow.clock import SystemClock
    from vpcflow.demo import Demo, DemoOptions
    from vpcflow.demo.screen import Screen

    options = DemoOptions(events=events, seed=seed, engine=engine, url=url, keep=keep, time_limit=time_limit)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    code = Demo(options, Screen(), SystemClock(), os.environ).run()
    if code:
        raise typer.Exit(code)
