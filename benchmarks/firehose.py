"""The Firehose Lambda: import, cold start, peak memory, speed, for each answer mode.

    python benchmarks/firehose.py [--rounds 5] [--limit 0.3]

Every figure comes from a fresh interpreter; of several rounds the best one counts, because everything else on the machine
only makes it slower. All times are CPU time: importing the handler; from there to the first answer (with it: the cold start);
then events a second, of CloudWatch payloads that fit into one reply. The buffer is 1 MB of gzip, AWS's default: most of it
has no room and is put into the stream in parts, here into nothing. In `deliver` the engine is one that takes everything.
Exits with 1 when the import takes longer than --limit seconds in a mode that does not deliver.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODES = ("documents", "bulk", "document", "deliver")
ARN = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/flows"
BUFFER_BYTES = 1_000_000
FIT_EVENTS = 2_000  # their documents have room in one reply


def event(records: list[bytes]) -> dict[str, Any]:
    rows = [{"recordId": str(n), "data": base64.b64encode(data).decode()} for n, data in enumerate(records)]
    return {"invocationId": "i", "deliveryStreamArn": ARN, "region": "eu-central-1", "records": rows}


def small(mode: str) -> list[bytes]:
    """Return records that one reply has room for: payloads, or in the mode `document` single lines."""
    from payloads import payloads

    made = payloads("v2", FIT_EVENTS, each=100)
    if mode != "document":
        return made
    import gzip

    return [row["message"].encode() for one in made for row in json.loads(gzip.decompress(one))["logEvents"]]


def large() -> list[bytes]:
    from payloads import payloads

    records: list[bytes] = []
    for record in payloads("v2", 40_000):
        if sum(map(len, records)) + len(record) > BUFFER_BYTES:
            break
        records.append(record)
    return records


def delivering() -> Callable[[Any], object]:
    """Return the mode `deliver` before an engine that takes everything."""
    from firehose_transform.deliver import Deliverer
    from firehose_transform.events import parse_request
    from firehose_transform.program import FIREHOSE_SECONDS
    from firehose_transform.rules import Rules
    from vpcflow.clock import SystemClock
    from vpcflow.codec import Decoder
    from vpcflow.deadline import Deadline
    from vpcflow.settings.model import Settings
    from vpcflow.types import Answer, Bulk, Outcome

    class Taker:
        def write(self, bulk: Bulk) -> Answer:
            return Answer(outcomes=[Outcome.CREATED] * bulk.count)

        def close(self) -> None:
            pass

    clock, decoder = SystemClock(), Decoder()
    made = Deliverer(Settings(), Rules(mode="deliver"), Taker(), None, clock=clock)
    return lambda sent: made.answers(
        parse_request(sent), decoder, Deadline(clock, None, 5.0, cap_seconds=FIREHOSE_SECONDS)
    )


def transforming() -> Callable[[Any], object]:
    """Return the handler, with a stream that takes everything."""
    from firehose_transform import doors
    from firehose_transform.handler import handler

    class Nowhere:
        def put(self, parts: list[doors.Part]) -> list[str]:
            return [""] * len(parts)

    doors.door = lambda _: Nowhere()  # type: ignore[assignment, return-value]
    return lambda sent: handler(sent, None)


def child(mode: str, size: str) -> dict[str, float]:
    """Measure in this process."""
    begun = time.process_time()
    import firehose_transform.handler

    assert firehose_transform.handler
    if mode == "deliver":
        import firehose_transform.deliver
    imported = time.process_time() - begun
    sys.path.insert(0, str(Path(__file__).parent))
    sent = event(small(mode) if size == "small" else large())
    begun = time.process_time()
    work = delivering() if mode == "deliver" else transforming()
    work(sent)
    first = time.process_time() - begun
    begun = time.process_time()
    work(sent)
    again = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"import": imported, "first": first, "again": again, "peak": peak}


def measured(mode: str, size: str, rounds: int) -> dict[str, float]:
    """Return the best of each figure."""
    command = [sys.executable, __file__, "--child", mode, size]
    environ = {**os.environ, "VPCFLOW_FIREHOSE__MODE": mode, "VPCFLOW_LOGS__LEVEL": "error"}
    runs = []
    for _ in range(rounds):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: min(run[name] for run in runs) for name in runs[0]}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--limit", type=float, default=0.3)
    arguments.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.child:
        print(json.dumps(child(*options.child)))
        return 0
    slow = False
    print("mode       import s  first answer s  events/s  peak MB  peak MB, 1 MB of gzip  its CPU s")
    for mode in MODES:
        fits, full = measured(mode, "small", options.rounds), measured(mode, "large", 1)
        speed = FIT_EVENTS / fits["again"]
        print(
            f"{mode:10} {fits['import']:8.3f}  {fits['first']:14.3f}  {speed:8,.0f}  {fits['peak']:7.0f}"
            f"  {full['peak']:21.0f}  {full['again']:9.2f}"
        )
        slow = slow or (mode != "deliver" and fits["import"] > options.limit)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
