"""Several consumers on one stream: who holds which shard, who leads, and how long a shard stands still when one dies."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from consumer.process import Process
from consumer.run_folder import RunFolder
from tests.e2e.conftest import Scene, payload, until
from vpcflow.stack import Stack
from vpcflow.stack.streams import client

HASH_KEYS = 2**128
PARTS = 8  # of the range of hash keys; each gets a record at each turn, so that no shard is ever idle
TRIES = 20
FLOWS = 1  # a record: all that is put must fit into one answer of the engine, 10,000 documents
QUICK = {
    "VPCFLOW_CONSUMER__FAILOVER_MILLISECONDS": "3000",
    # The leader balances at each third of these. Were that sooner than a shard that was moved has shown its load, it would be
    # taken for one without any, and moved again and again.
    "VPCFLOW_CONSUMER__LEASE_ASSIGNMENT_MILLISECONDS": "8000",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Put:
    """Where a record went, and when."""

    shard: str
    flows: range
    at: float
    data: bytes


class Feed:
    """Puts records into every shard, all the time, whatever shards there are."""

    def __init__(self, streams: Stack, stream: str, pause: float) -> None:
        self._streams, self._stream, self._pause = streams, stream, pause
        self._end = threading.Event()
        self._failed: BaseException | None = None
        self.puts: list[Put] = []
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what went wrong."""
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Put no more; raise what went wrong."""
        self._end.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), "the feed does not end"
        self.check()

    def _run(self) -> None:
        try:
            with client("kinesis", self._streams.kinesis_url) as kinesis:
                while not self._end.wait(self._pause):
                    self._turn(kinesis)
        except BaseException as error:
            self._failed = error

    def _turn(self, kinesis: Any) -> None:  # noqa: ANN401 - boto3 has no types
        for part in range(PARTS):
            flows = range(self.sent, self.sent + FLOWS)
            data = payload(flows.start, FLOWS)
            shard = self._put(kinesis, part, data)
            self.sent = flows.stop
            self.puts.append(Put(shard, flows, time.monotonic(), data))

    def _put(self, kinesis: Any, part: int, data: bytes) -> str:  # noqa: ANN401
        """Put a record, again where no answer came: should it be there twice, it is the same event."""
        from botocore.exceptions import BotoCoreError, ClientError

        for left in reversed(range(TRIES)):
            try:
                reply = kinesis.put_record(
                    StreamName=self._stream,
                    PartitionKey=str(part),
                    ExplicitHashKey=str(HASH_KEYS // PARTS * part),
                    Data=data,
                )
            except (BotoCoreError, ClientError):
                if not left or self._end.wait(self._pause):
                    raise
            else:
                return str(reply["ShardId"])
        raise AssertionError("unreachable")


class Fleet(Scene):
    """One stream, and workers that share its shards."""

    def __init__(self, engine: Stack, streams: Stack, folder: Path, *, quick: bool = True) -> None:
        """quick: timings of the KCL for tests; else those that it has by default."""
        super().__init__(
            engine,
            streams,
            folder,
            QUICK if quick else {},
        )
        self.write(short=quick)
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.feed: Feed | None = None

    def awaited(self, condition: Callable[[], Any], seconds: float, what: str) -> float:
        """Wait as `until` does; say how the leases were where it was in vain."""
        try:
            return until(condition, seconds, what)
        except AssertionError as error:
            error.add_note(f"workers {sorted(self.workers)}, leader {self.leader()}, leases {self.leases()}")
            raise

    # --- workers

    def join(self, *workers: str) -> None:
        for worker in workers:
            self.workers[worker] = self.start(worker)

    def living(self) -> list[Process]:
        """Return all processes of all workers that there ever were."""
        runs = [RunFolder(path) for path in (self.folder / "run folder").glob("*")]
        notes = [run.daemon() for run in runs] + [note.process for run in runs for note in run.children()]
        supervisors = [Process.of(one.pid) for one in self.started if one.poll() is None]
        return [one for one in (*notes, *supervisors) if one is not None and one.alive()]

    def tree(self, worker: str) -> list[Process]:
        """Return all processes of a worker that live: supervisor, daemon, children."""
        run = self.run_of(worker)
        found = [Process.of(self.workers[worker].pid), run.daemon(), *(note.process for note in run.children())]
        return [one for one in found if one is not None and one.alive()]

    def kill(self, worker: str) -> float:
        """Kill -9 all of a worker; return when."""
        tree = self.tree(worker)
        assert len(tree) > 1, f"{worker} has nothing to kill: {tree}"
        at = time.monotonic()
        for one in tree:
            one.signal(signal.SIGKILL)
        self.workers.pop(worker).wait(60)
        until(lambda: not any(one.alive() for one in tree), 10, f"the end of {worker}")
        return at

    def leave(self, worker: str) -> float:
        """Stop a worker as an operator does; return when that was asked."""
        at = time.monotonic()
        self.stop(self.workers.pop(worker))
        return at

    # --- leases

    def leases(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the lease table, by shard; none may be in the middle of a hand-off, which may never end."""
        with client("dynamodb", self.streams.dynamodb_url) as dynamodb:
            items = dynamodb.scan(TableName=self.name, ConsistentRead=True)["Items"]
        assert not [item for item in items if "checkpointOwner" in item]
        return {item["leaseKey"]["S"]: item for item in items if item["leaseKey"]["S"].startswith("shardId-")}

    def owners(self) -> dict[str, str]:
        """Return who holds each shard that is not read to its end; "" for nobody."""
        return {
            shard: item.get("leaseOwner", {"S": ""})["S"]
            for shard, item in self.leases().items()
            if item["checkpoint"]["S"] != "SHARD_END"
        }

    def held(self, worker: str) -> set[str]:
        return {shard for shard, owner in self.owners().items() if owner == worker}

    def spread(self) -> bool:
        """Tell whether all shards are held, by live workers, and each of these has some."""
        return set(self.owners().values()) == set(self.workers)

    def leader(self) -> str:
        """Return which worker leads, as the table of the coordinator says: it alone gives leases out. "" while none does."""
        with client("dynamodb", self.streams.dynamodb_url) as dynamodb:
            if f"{self.name}-CoordinatorState" not in dynamodb.list_tables()["TableNames"]:
                return ""
            items = dynamodb.scan(TableName=f"{self.name}-CoordinatorState", ConsistentRead=True)["Items"]
        return next((str(item["ownerName"]["S"]) for item in items if "ownerName" in item), "")

    # --- shards

    def shards(self) -> list[dict[str, Any]]:
        """Return the shards that are open, by their hash keys."""
        with client("kinesis", self.streams.kinesis_url) as kinesis:
            found = kinesis.list_shards(StreamName=self.name)["Shards"]
        open_ones = [one for one in found if "EndingSequenceNumber" not in one["SequenceNumberRange"]]
        return sorted(open_ones, key=lambda one: int(one["HashKeyRange"]["StartingHashKey"]))

    def reshard(self, call: str, **arguments: Any) -> None:  # noqa: ANN401 - as boto3 takes them
        with client("kinesis", self.streams.kinesis_url) as kinesis:
            getattr(kinesis, call)(StreamName=self.name, **arguments)

    def read_to_end(self, shards: set[str]) -> bool:
        """Tell whether shards were read to their end, and their leases say so or are gone."""
        leases = self.leases()
        return all(shard not in leases or leases[shard]["checkpoint"]["S"] == "SHARD_END" for shard in shards)

    # --- records

    def feed_all(self, pause: float = 1.0) -> None:
        self.feed = Feed(self.streams, self.name, pause)

    def stop_feeding(self) -> None:
        assert self.feed is not None
        self.feed.stop()
        self.sent = self.feed.sent

    def records(self) -> list[bytes]:
        assert self.feed is not None
        return [one.data for one in self.feed.puts]

    def arrived_of(self, shards: set[str], since: float) -> set[str]:
        """Return of which shards something is in the index that was put after a time."""
        assert self.feed is not None
        self.feed.check()
        put = {one.flows.start: one.shard for one in self.feed.puts[:] if one.at > since and one.shard in shards}
        if not put or not self.sink.request("POST", f"/{self.target}/_refresh").ok:
            return set()
        query = {"size": 10_000, "query": {"terms": {"network.bytes": list(put)}}, "_source": ["network.bytes"]}
        reply: Any = self.sink.search(self.target, query)
        return {put[hit["_source"]["network"]["bytes"]] for hit in reply["hits"]["hits"]}

    def taken_over(self, shards: set[str], since: float, seconds: float) -> tuple[float, float]:
        """Wait until something of each shard was settled that was put after `since`; return when the first was, and the last.

        Who was killed then cannot have sent it: what is found is another one's.
        """
        first = 0.0
        while (found := self.arrived_of(shards, since)) != shards:
            now = time.monotonic() - since
            first = first or (now if found else 0.0)
            assert now < seconds, f"of {shards} only {found} within {seconds:.0f} s; leases: {self.owners()}"
            time.sleep(0.2)
        last = time.monotonic() - since
        return first or last, last

    def dead_letters(self) -> list[Path]:
        return list((self.folder / "dead letters").glob("*.jsonl"))

    # --- the end

    def close(self) -> None:
        left = self.living()
        try:
            if self.feed is not None:
                self.feed.stop()
        finally:
            super().close()
        assert not [one for one in left if one.alive()], "processes are left behind"
