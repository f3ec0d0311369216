"""What a laptop needs around the consumer: a stream on an emulator, and flow logs on it. See compose.yaml.

laptop.py prepare     make the stream and the consumer's lease table, unless they are there
laptop.py generate    put flow logs on the stream, round after round, until SIGTERM or SIGINT
laptop.py alive       exit code 0 if the last round was not long ago

Where the emulator is, and the stream's name, is taken from the consumer's own settings.
"""

# ruff: noqa: INP001, T201 - a script, for people who look at its log

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from vpcflow.clock import SystemClock
from vpcflow.errors import EX_CONFIG, EX_OK, EX_TEMPFAIL, VpcFlowError
from vpcflow.settings.load import load
from vpcflow.settings.model import Kinesis

_SPAN_SECONDS = 900
_LATE_SECONDS = 120
_ALIVE = Path(tempfile.gettempdir()) / "laptop.alive"


def prepare(kinesis: Kinesis, shards: int) -> None:
    """Make what the consumer would wait for: without a lease table its first start takes 100 seconds."""
    from botocore.exceptions import ClientError

    from vpcflow.stack.streams import create_stream, seed_leases

    application = kinesis.application or f"vpcflow-{kinesis.stream}"
    for what, make in (
        (f"stream {kinesis.stream}", lambda: create_stream(kinesis.kinesis_endpoint, kinesis.stream, shards)),
        (
            f"lease table {application}",
            lambda: seed_leases(kinesis.dynamodb_endpoint, application, kinesis.kinesis_endpoint, kinesis.stream),
        ),
    ):
        try:
            make()
            print(f"{what}: created")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
            print(f"{what}: unchanged")


def generate(kinesis: Kinesis, *, events: int, every: float, rounds: int) -> None:
    """Put one round of flows of the last quarter of an hour after the other; rounds: 0 never ends."""
    from vpcflow.generate import Generator, GeneratorOptions, columns
    from vpcflow.stack.streams import put_records

    clock, number = SystemClock(), 0
    while not rounds or number < rounds:
        number += 1
        now = clock.wall_ms() // 1000
        generator = Generator(
            GeneratorOptions(events=events, seed=now, start=now - _SPAN_SECONDS - 60, columns=columns("v2"))
        )
        put_records(
            kinesis.kinesis_endpoint,
            kinesis.stream,
            ((f"{number}-{each}", payload) for each, payload in enumerate(generator.payloads())),
        )
        told = generator.manifest.to_json()
        print(json.dumps({"documents": told["documents"], "broken": len(told["broken_lines"])}), flush=True)
        _ALIVE.touch()
        if not rounds or number < rounds:
            clock.sleep(every)


def alive() -> int:
    """Tell whether `generate` put something lately."""
    if _ALIVE.exists() and SystemClock().wall_ms() / 1000 - _ALIVE.stat().st_mtime < _LATE_SECONDS:
        return EX_OK
    print(f"no flow logs were put within {_LATE_SECONDS} seconds")
    return 1


def main(arguments: list[str] | None = None) -> int:
    """Do one of the three; return the exit code."""
    parser = argparse.ArgumentParser(description="A stream on an emulator, and flow logs on it.")
    parser.add_argument("command", choices=["prepare", "generate", "alive"])
    parser.add_argument("--shards", type=int, default=2, help="of a new stream; default: 2")
    parser.add_argument("--events", type=int, default=1000, help="of a round; default: 1000")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between rounds; default: 10")
    parser.add_argument("--rounds", type=int, default=0, help="how many; default: 0, without end")
    chosen = parser.parse_args(arguments)
    if chosen.command == "alive":
        return alive()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(EX_OK))
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        kinesis = load(None, os.environ).settings.kinesis
        if not (kinesis.stream and kinesis.kinesis_endpoint and kinesis.dynamodb_endpoint):
            print(
                "error: kinesis.stream, kinesis.kinesis_endpoint and kinesis.dynamodb_endpoint must be set",
                file=sys.stderr,
            )
            return EX_CONFIG
        if chosen.command == "prepare":
            prepare(kinesis, chosen.shards)
        else:
            generate(kinesis, events=chosen.events, every=chosen.every, rounds=chosen.rounds)
    except VpcFlowError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EX_TEMPFAIL
    return EX_OK


if __name__ == "__main__":
    sys.exit(main())
