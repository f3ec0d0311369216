"""How long a shard stands still when its worker is killed, stopped, or started again: the table of `docs/scaling.md`.

    python benchmarks/takeover.py                          each case, with the KCL's timings of the tests
    python benchmarks/takeover.py --production follower leader      with its defaults: failoverTimeMillis 10000, …
    python benchmarks/takeover.py --together 2 --rounds 3

Real consumers (KCL daemon and one child for each shard) share four busy shards of an emulated stream. Measured is the time
from the signal to the first document of the lost shards that came into the stream after it: nobody but another worker can
have sent that. A worker that is asked to stop goes on for a moment: there it is counted from its end. The KCL alone moves
leases. A record comes each second for each eighth of the hash keys, which is how exact this is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # what the tests use of consumers in numbers

if TYPE_CHECKING:
    from tests.e2e.fleet import Fleet

SHARDS = 4
CAP = 900.0
Times = tuple[float, float]


def begin(fleet: Fleet, *workers: str) -> None:
    fleet.stream(SHARDS)
    fleet.feed_all()
    fleet.join(*workers)
    fleet.awaited(fleet.spread, CAP, "shards for each worker")
    fleet.awaited(lambda: fleet.leader() in fleet.workers, CAP, "a leader")
    # Each shard is served, not only owned: what is lost is a shard that was read.
    fleet.taken_over(set(fleet.owners()), time.monotonic(), CAP)


def gone(fleet: Fleet, *, leads: bool, stopped: bool) -> Times:
    """Have one of three workers killed or stopped: the leader, or another one."""
    begin(fleet, "w0", "w1", "w2")
    worker = next(one for one in fleet.workers if (one == fleet.leader()) is leads)
    shards = fleet.held(worker)
    if stopped:
        fleet.leave(worker)
        return fleet.taken_over(shards, time.monotonic(), CAP)
    return fleet.taken_over(shards, fleet.kill(worker), CAP)


def again(fleet: Fleet, worker: str) -> Times:
    """Kill the only worker, and start one at once."""
    begin(fleet, "w0")
    shards = fleet.held("w0")
    at = fleet.kill("w0")
    fleet.join(worker)
    return fleet.taken_over(shards, at, CAP)


CASES: dict[str, tuple[str, Callable[[Fleet], Times]]] = {
    "follower": ("SIGKILL of one of three, not the leader", lambda fleet: gone(fleet, leads=False, stopped=False)),
    "leader": ("SIGKILL of one of three, the leader", lambda fleet: gone(fleet, leads=True, stopped=False)),
    "stop": ("SIGTERM of one of three, not the leader", lambda fleet: gone(fleet, leads=False, stopped=True)),
    "stop-leader": ("SIGTERM of one of three, the leader", lambda fleet: gone(fleet, leads=True, stopped=True)),
    "same-id": ("SIGKILL of the only one, started again with its id", lambda fleet: again(fleet, "w0")),
    "other-id": ("SIGKILL of the only one, started again with another id", lambda fleet: again(fleet, "w1")),
}


def measure(case: str, fleet: Fleet) -> str:
    """Return a row of the table."""
    title, run = CASES[case]
    try:
        first, last = run(fleet)
        fleet.stop_feeding()
        fleet.arrived(CAP)
    finally:
        fleet.close()
    return f"| {title} | {first:.0f} s | {last:.0f} s | {os.getloadavg()[0]:.0f} |"


def main() -> None:
    """Read the command line, measure."""
    from tests.e2e.fleet import Fleet
    from vpcflow.stack import Stack

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--production", action="store_true", help="the KCL's default timings")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--together", type=int, default=1, help="cases at a time, each with a stream of its own")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")

    with Stack("elasticsearch") as engine, Stack(kinesis=True) as streams, tempfile.TemporaryDirectory() as work:

        def fleet_of(case: str, number: int) -> Fleet:
            folder = Path(work) / f"{case}-{number}"
            folder.mkdir()
            return Fleet(engine, streams, folder, quick=not options.production)

        wanted = [(case, number) for number in range(options.rounds) for case in options.cases or CASES]
        fleets = [(case, fleet_of(case, number)) for case, number in wanted]
        print(
            f"{time.strftime('%Y-%m-%d')}, {'production' if options.production else 'test'} timings, {os.cpu_count()} cores"
        )
        print("| Case | first shard | all its shards | load |\n|---|---|---|---|", flush=True)
        with ThreadPoolExecutor(options.together) as pool:
            for row in pool.map(lambda one: measure(*one), fleets):
                print(row, flush=True)


if __name__ == "__main__":
    main()
