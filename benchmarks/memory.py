"""Memory of a consumer whose engine hangs while its stream is full, and whether it goes on by itself afterwards.

    python benchmarks/memory.py                     one minute
    python benchmarks/memory.py --seconds 600       ten minutes
    python benchmarks/memory.py --bound 200         fail beyond 200 MB a shard

A real consumer (KCL daemon and one child for each shard) reads an emulated Kinesis stream that holds many times what a child
may hold. The engine takes requests and answers none of them, as one that is out of memory does; after the time given it answers
again, and everything must arrive, each event once. Printed: the largest resident set of a child, of the daemon and of the
supervisor while the engine hung, and how much of it came in the second half of that time. Exit code 1: beyond the bound, or
something is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from vpcflow import wiring
from vpcflow.clock import SystemClock
from vpcflow.demo.consumer import ConsumerProcess, settings_text
from vpcflow.generate import FORMATS, Generator, GeneratorOptions
from vpcflow.settings.load import load
from vpcflow.stack import Stack
from vpcflow.stack.streams import CREDENTIALS, create_stream, put_records, seed_leases

CLOCK = SystemClock()
NAME = "memory"
SHARDS = 2
EVENTS_PER_RECORD = 1_000


class Gate:
    """A way to the engine. Shut, it takes connections and reads what comes, and says nothing."""

    def __init__(self, url: str) -> None:
        host, _, port = url.rpartition("//")[2].partition(":")
        self._target = (host, int(port))
        self._open = threading.Event()
        self._open.set()
        self._held: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()
        for held in self._held:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            near, _ = self._server.accept()
            far = socket.create_connection(self._target)
            self._held.append(near)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if self._open.is_set():
                    target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


def resident(pid: int) -> float:
    """Return the resident set of a process in MB; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def family(root: int) -> dict[str, list[int]]:
    """Return the processes below the supervisor, by what they are."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    daemons = [pid for pid, parent in parents.items() if parent == root]
    children = [pid for pid, parent in parents.items() if parent in daemons]
    return {"supervisor": [root], "daemon": daemons, "child": children}


def sampled(root: int, seconds: float) -> Iterator[tuple[float, dict[str, float]]]:
    """Yield the time and the largest process of each kind, twice a second."""
    begun = CLOCK.monotonic()
    while (now := CLOCK.monotonic() - begun) < seconds:
        yield now, {kind: max(map(resident, pids), default=0.0) for kind, pids in family(root).items()}
        CLOCK.sleep(0.5)


def settings_of(stack: Stack, url: str, work: Path) -> str:
    """Return the settings: the product's defaults, but for short KCL timings and a short request timeout."""
    return settings_text(
        {
            "kinesis": {
                "stream": NAME,
                "application": NAME,
                "region": CREDENTIALS["AWS_REGION"],
                "kinesis_endpoint": stack.kinesis_url,
                "dynamodb_endpoint": stack.dynamodb_url,
                "idle_milliseconds": 250,
            },
            "elasticsearch": {"hosts": [url], "request_timeout_seconds": 10.0},
            "retry": {"max_seconds": 2.0},
            "document": {"namespace": NAME},
            "deadletters": {"path": str(work / "deadletters"), "accept_loss": True},
            "metrics": {"listen": ""},
            "consumer": {
                "worker_id": NAME,
                "run_folder": str(work / "run"),
                "java": str(stack.java),
                "checkpoint_seconds": 1.0,
                "failover_milliseconds": 2000,
                "lease_assignment_milliseconds": 1000,
                "shard_sync_milliseconds": 1000,
                "parent_poll_milliseconds": 1000,
            },
        }
    )


def fill(stack: Stack, events: int, each: int = EVENTS_PER_RECORD) -> int:
    """Make the stream and its leases, put the events; return how many documents they make."""
    generator = Generator(
        GeneratorOptions(
            events=events,
            start=CLOCK.wall_ms() // 1000 - 1200,
            columns=FORMATS["v2"],
            payload_events=each,
            broken=0.0,
        )
    )
    create_stream(stack.kinesis_url, NAME, SHARDS)
    seed_leases(stack.dynamodb_url, NAME, stack.kinesis_url, NAME)
    payloads = enumerate(generator.payloads())
    while some := list(islice(payloads, 50)):
        put_records(stack.kinesis_url, NAME, [(str(number), payload) for number, payload in some])
    return generator.manifest.documents


def hang(root: int, seconds: float) -> tuple[dict[str, float], float]:
    """Watch for so long; return the largest sizes, and a child's largest in the second half."""
    peaks, late = dict.fromkeys(("supervisor", "daemon", "child"), 0.0), 0.0
    for at, sizes in sampled(root, seconds):
        peaks = {kind: max(peaks[kind], sizes[kind]) for kind in peaks}
        late = max(late, sizes["child"]) if at > seconds / 2 else late
    return peaks, late


def start(exits: ExitStack, stack: Stack, url: str, work: Path) -> tuple[ConsumerProcess, Callable[[], int]]:
    """Start a consumer that reaches the engine at `url`; return it, and what counts the documents, past any gate."""
    path = work / "vpcflow.toml"
    path.write_text(settings_of(stack, url, work), encoding="utf-8")
    settings = load(path, {"VPCFLOW_ELASTICSEARCH__HOSTS": stack.engine_url}).settings
    engine = wiring.sink(settings)
    exits.callback(engine.close)
    engine.ensure_template(*wiring.template(settings, engine))
    target = wiring.codec_options(settings).target

    def count() -> int:
        engine.refresh(target)
        return engine.count(target)

    environ = {name: value for name, value in os.environ.items() if not name.startswith(("VPCFLOW_", "AWS_"))}
    return exits.enter_context(ConsumerProcess(path, work / "log", {**environ, **CREDENTIALS})), count


def run(options: argparse.Namespace) -> int:
    """Run it; return the exit code."""
    with ExitStack() as exits:
        stack = exits.enter_context(Stack("elasticsearch", kinesis=True, progress=print))
        work = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        gate = Gate(stack.engine_url)
        wanted = fill(stack, options.events)
        consumer, count = start(exits, stack, gate.url, work)
        # The consumer may look at its target and begin to write; then nothing is answered any more.
        until(lambda: count() > 0, 120, "nothing arrived")
        gate.shut()
        before = count()
        print(
            f"{wanted:,} events are in the stream, {before:,} were taken; now the engine hangs: {options.seconds:.0f} s"
        )
        peaks, late = hang(consumer.pid, options.seconds)
        held = count()
        gate.open()
        begun = CLOCK.monotonic()
        until(lambda: count() >= wanted, 300, "not everything arrived")
        found = count()
    print("largest resident sets while it hung:")
    print(f"  child {peaks['child']:.0f} MB, in the second half {late:.0f} MB; bound {options.bound:.0f} MB")
    print(f"  daemon {peaks['daemon']:.0f} MB, supervisor {peaks['supervisor']:.0f} MB")
    print(f"afterwards: {found:,} of {wanted:,} documents within {CLOCK.monotonic() - begun:.0f} s")
    if held > wanted // 2:
        print("the stream was not full any more when the engine hung: give more --events")
        return 1
    return 0 if found == wanted and 0 < peaks["child"] <= options.bound else 1


def until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait for something.

    Raises:
        SystemExit: it does not happen in time.
    """
    end = CLOCK.monotonic() + seconds
    while not condition():
        if CLOCK.monotonic() > end:
            sys.exit(otherwise)
        CLOCK.sleep(0.25)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the engine hangs (60)")
    parser.add_argument("--events", type=int, default=400_000, help="in the stream (400,000)")
    parser.add_argument("--bound", type=float, default=200.0, help="MB a child may have (200)")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
