"""CPU time of a consumer for an event, by process: what a worker needs, without the emulator that feeds it.

    python benchmarks/consumer.py
    python benchmarks/consumer.py --events 400000 --each 1000

A real consumer (KCL daemon and one child for each of two shards) reads an emulated Kinesis stream and writes into a real
engine. The emulator is slow with large records, so events a second say nothing here; CPU seconds do, also on a busy machine.
Counted is from the first documents to the last: start-up is left out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from memory import family, fill, start, until

from vpcflow.stack import Stack

KINDS = ("child", "daemon", "supervisor")


def used(root: int) -> dict[str, float]:
    """Return the CPU seconds that each kind of process has used."""
    found = dict.fromkeys(KINDS, 0.0)
    for kind, pids in family(root).items():
        for pid in pids:
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                found[kind] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def main() -> None:
    """Read the command line, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=100, help="events in a record (100)")
    options = parser.parse_args()
    with ExitStack() as exits:
        stack = exits.enter_context(Stack("elasticsearch", kinesis=True, progress=print))
        work = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        wanted = fill(stack, options.events, options.each)
        consumer, count = start(exits, stack, stack.engine_url, work)
        until(lambda: count() > 0, 300, "nothing arrived")
        first, before = used(consumer.pid), count()
        until(lambda: count() >= wanted, 900, "not everything arrived")
        last = used(consumer.pid)
    seen = wanted - before
    print(f"{seen:,} v2 events in records of {options.each:,}; load {os.getloadavg()[0]:.0f}")
    for kind in KINDS:
        print(f"  {kind:10} {(last[kind] - first[kind]) / seen * 1e6:5.1f} µs of CPU an event")
    total = sum(last[kind] - first[kind] for kind in KINDS)
    print(f"  together   {total / seen * 1e6:5.1f} µs: {seen / total:,.0f} events for each CPU second")


if __name__ == "__main__":
    main()
