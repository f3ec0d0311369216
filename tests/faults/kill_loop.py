"""Kills at random over a long run, then counts: python -m tests.faults.kill_loop --events 1000000 --seed 7 --minutes 10.

Events go into a stream while children, daemon and supervisor are killed, and connections to the engine reset. At the end every
event must be in the engine, each once. It prints one line, and exits with 1 on any difference.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.conftest import until
from tests.faults.process.scene import FaultScene, line, record
from vpcflow.faults.connection import ResetAfter, ResetBefore, ResetMid
from vpcflow.faults.proxy import FaultProxy
from vpcflow.stack import Stack
from vpcflow.stack.streams import put_records

PUT = 10  # records of one put
PAGE = 10_000
RESETS = 0.05  # part of the requests whose connection is reset, three ways
EARLY = 0.25  # part of the kills that do not wait until the consumer is up again
UP_SECONDS = 60.0
STILL_SECONDS = 300.0  # after the last kill: no new document for so long means that some will never come


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much, and how it is killed.

    minutes: of kills at most, whatever is missing then.
    kills: at least so many.
    apart: seconds between two of them, at least and at most.
    flows: events of a record, and documents of a body.
    ahead: events that may wait in the stream; the emulator is slow where many do.
    """

    events: int
    seed: int
    minutes: float = 10.0
    kills: int = 0
    apart: tuple[float, float] = (2.0, 20.0)
    flows: int = 1_000
    ahead: int = 100_000


@dataclass(slots=True)
class Tally:
    """What was done to it, and what came of that."""

    found: int = 0
    missing: int = 0
    twice: int = 0
    strange: int = 0
    resets: int = 0
    seconds: float = 0.0
    exit_code: int | None = None
    kills: Counter[str] = field(default_factory=Counter)
    evidence: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not (self.missing or self.twice or self.strange) and self.exit_code == 0

    def __str__(self) -> str:
        killed = ", ".join(f"{count} {name}" for name, count in sorted(self.kills.items())) or "none"
        return (
            f"{'good' if self.good else 'BAD'}: {self.found} documents, {self.missing} missing, {self.twice} twice, "
            f"{self.strange} strange; killed: {killed}; {self.resets} resets; {self.seconds:.0f} s; exit {self.exit_code}"
        )


class Loop:
    """One run."""

    def __init__(self, scene: FaultScene, proxy: FaultProxy, plan: Plan) -> None:
        self.scene, self.proxy, self.plan = scene, proxy, plan
        self.tally = Tally()
        self._pick = random.Random(plan.seed)
        self._fed = 0
        self._seen = 0
        self._broken: list[BaseException] = []

    def run(self) -> Tally:
        began = time.monotonic()
        self.scene.stream(shards=2)
        self.scene.start()
        feeder = threading.Thread(target=self._feed, name="feeder", daemon=True)
        feeder.start()
        self._kill()
        feeder.join()
        if self._broken:
            raise self._broken[0]
        self._wait()
        # A process that was only just started has no handler for SIGTERM yet; once it has logged something, it has.
        log = self.scene.folder / f"log-{len(self.scene.started) - 1}"
        until(lambda: log.stat().st_size, UP_SECONDS, "a word of the last supervisor")
        self.scene.stop()
        self.tally.exit_code = self.scene.started[-1].returncode
        self._count()
        self.tally.resets = len(self.proxy.journal.lines())
        self.tally.seconds = time.monotonic() - began
        return self.tally

    def _feed(self) -> None:
        try:
            at = int(time.time())
            events, flows = self.plan.events, self.plan.flows
            for first in range(0, events, flows * PUT):
                while first - self._count_now() > self.plan.ahead:
                    time.sleep(0.5)
                data = []
                for start in range(first, min(first + flows * PUT, events), flows):
                    rows = [line(number, at) for number in range(start, min(start + flows, events))]
                    data.append((str(start // flows), record(rows, f"{self.plan.seed}-{start}", at)))
                put_records(self.scene.streams.kinesis_url, self.scene.name, data)
                self._fed = min(first + flows * PUT, events)
        except BaseException as error:
            self._broken.append(error)

    def _kill(self) -> None:
        """Kill until all was fed and found, or the time is over; then leave it alone."""
        end = time.monotonic() + self.plan.minutes * 60
        faults: list[tuple[str, Callable[[], str]]] = [
            ("child", self._kill_child),
            ("daemon", self._kill_daemon),
            ("supervisor", self._kill_supervisor),
        ]
        # A daemon that is killed before it has a lease leaves the leader's lock behind: two minutes in which nothing happens.
        self._sleep_until(self.scene.children, end)
        while time.monotonic() < end and not self._broken:
            enough = self.tally.kills.total() >= self.plan.kills
            if enough and self._fed >= self.plan.events and self._count_now() >= self.plan.events:
                return
            if self._pick.random() >= EARLY:
                self._sleep_until(self.scene.children, min(end, time.monotonic() + UP_SECONDS))
            wait = self._pick.uniform(*self.plan.apart)
            self._sleep_until(lambda: False, min(end, time.monotonic() + wait))
            name, kill = self._pick.choices(faults, weights=[3, 1, 1])[0]
            with contextlib.suppress(ProcessLookupError):  # it was just about to be started again
                self.tally.evidence.append(kill())
                self.tally.kills[name] += 1

    def _sleep_until(self, done: Callable[[], object], end: float) -> None:
        while time.monotonic() < end and not done() and not self._broken:
            time.sleep(0.1)

    def _kill_child(self) -> str:
        children = self.scene.children()
        if not children:
            raise ProcessLookupError
        return self.scene.kill(self._pick.choice(children).process, "child")

    def _kill_daemon(self) -> str:
        daemon = self.scene.run.daemon()
        if daemon is None:
            raise ProcessLookupError
        return self.scene.kill(daemon, "daemon")

    def _kill_supervisor(self) -> str:
        said = self.scene.lose(self.scene.started[-1])
        self.scene.start()
        return said

    def _count_now(self) -> int:
        reply = self.scene.sink.request("GET", f"/{self.scene.target}/_count?ignore_unavailable=true")
        body: Any = reply.body
        if reply.ok and body:
            self._seen = int(body["count"])
        return self._seen

    def _wait(self) -> None:
        last, since = -1, time.monotonic()
        while (now := self._count_now()) < self.plan.events and time.monotonic() - since < STILL_SECONDS:
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(1.0)

    def _count(self) -> None:
        """Count every event in the engine, page by page."""
        self.scene.sink.refresh(self.scene.target)
        wanted = set(range(self.plan.events))
        for number, count in self._buckets():
            self.tally.found += count
            self.tally.twice += count - 1
            if number in wanted:
                wanted.discard(number)
            else:
                self.tally.strange += 1
        self.tally.missing = len(wanted)

    def _buckets(self) -> Iterator[tuple[int, int]]:
        after: dict[str, Any] = {}
        while True:
            sources = [{"number": {"terms": {"field": "network.bytes"}}}]
            body = {"size": 0, "aggs": {"all": {"composite": {"size": PAGE, "sources": sources, **after}}}}
            reply: Any = self.scene.sink.search(self.scene.target, body)
            page = reply["aggregations"]["all"]
            yield from ((bucket["key"]["number"], bucket["doc_count"]) for bucket in page["buckets"])
            if "after_key" not in page:
                return
            after = {"after": page["after_key"]}


def run(plan: Plan, engine: Stack, streams: Stack, folder: Path) -> Tally:
    """Run it on these servers; everything that it started is gone afterwards."""
    rules = [
        kind(path="/_bulk", probability=RESETS / 3, name=kind.__name__) for kind in (ResetBefore, ResetMid, ResetAfter)
    ]
    with FaultProxy(engine.engine_url, rules, seed=plan.seed) as proxy:
        environ = {"VPCFLOW_ELASTICSEARCH__HOSTS": proxy.url, "VPCFLOW_BULK__MAX_ACTIONS": str(plan.flows)}
        scene = FaultScene(engine, streams, folder, seed=plan.seed, environ=environ)
        try:
            return Loop(scene, proxy, plan).run()
        finally:
            scene.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kill_loop", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=10.0, help="of kills at most")
    options = parser.parse_args()
    plan = Plan(events=options.events, seed=options.seed, minutes=options.minutes)
    with tempfile.TemporaryDirectory() as folder, Stack("elasticsearch", kinesis=True, heap="1g") as stack:
        tally = run(plan, stack, stack, Path(folder))
    print(tally)
    print(json.dumps({"injections": len(tally.evidence), "first": tally.evidence[:1]}), file=sys.stderr)
    return 0 if tally.good else 1


if __name__ == "__main__":
    sys.exit(main())
