"""A consumer with faults: mixed records, steps that kill, more workers, and a row of the ledger for each."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consumer.process import Process
from tests.e2e.conftest import Scene, until
from tests.faults.ledger import Ledger, Mode, Row, product_of
from vpcflow.stack import Stack
from vpcflow.stack.streams import client, put_records

INJECT = Path(__file__).parent / "inject"
TOO_MANY = 100_000  # packets that the index of these tests does not take
SHARD = "shardId-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """What one put held. Texts of bad lines and of rejected documents are unlike any other."""

    documents: range
    undecodable: tuple[str, ...]
    rejected: tuple[str, ...]
    places: tuple[tuple[str, str], ...]


def line(number: int, at: int, packets: int = 10) -> str:
    return f"2 123456789012 eni-0a1b2c3d 10.0.0.1 10.0.0.2 1234 443 6 {packets} {number} {at - 60} {at} ACCEPT OK"


def record(messages: list[str], name: str, at: int) -> bytes:
    """Return a subscription record; `name` makes the ids of its events."""
    body = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "vpc",
        "logStream": "eni-0a1b2c3d-all",
        "subscriptionFilters": ["all"],
        "logEvents": [
            {"id": f"{name}-{index:08}".rjust(56, "0"), "timestamp": at * 1000, "message": message}
            for index, message in enumerate(messages)
        ],
    }
    return gzip.compress(json.dumps(body).encode(), 9)


class FaultScene(Scene):
    """One stream, one index, consumers whose children can be made to die at a step."""

    def __init__(
        self,
        engine: Stack,
        streams: Stack,
        folder: Path,
        *,
        mode: Mode = "data_stream",
        seed: int = 1,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.mode: Mode = mode
        self.seed = seed
        self.product = product_of(engine.engine_url)
        self.injections = folder / "injections"
        self.injections.mkdir()
        super().__init__(
            engine,
            streams,
            folder,
            {
                "VPCFLOW_INDEX__MODE": mode,
                "VPCFLOW_CONSUMER__FAILOVER_MILLISECONDS": "10000",
                "VPCFLOW_CONSUMER__SHUTDOWN_GRACE_MILLISECONDS": "2000",
                "FAULT_INJECT": str(self.injections),
                **(environ or {}),
            },
        )
        self.modules.append(INJECT)
        template, body = self.template()
        body["template"]["mappings"]["properties"]["network"]["properties"]["packets"] = {"type": "short"}
        self.sink.ensure_template(template, body)
        self.batches: list[Mixed] = []
        self.records: list[bytes] = []

    # --- what goes in

    def mixed(self, records: int = 3, flows: int = 5) -> Mixed:
        """Put records; in each a line that nobody can decode, and one whose document the index rejects."""
        at, first, batch = int(time.time()), self.sent, len(self.batches)
        undecodable, rejected, data = [], [], []
        for number in range(records):
            bad, refused = f"not a flow {batch} {number}", line(10**9 + batch * 1000 + number, at, TOO_MANY)
            good = [line(first + number * flows + index, at) for index in range(flows)]
            undecodable.append(bad)
            rejected.append(refused)
            messages = [*good[:2], bad, *good[2:4], refused, *good[4:]]
            data.append((str(number), record(messages, f"{self.seed}-{batch}-{number}", at)))
        places = put_records(self.streams.kinesis_url, self.name, data)
        self.placed += places
        self.records += [one for _, one in data]
        self.sent += records * flows
        documents = range(first, self.sent)
        one = Mixed(documents=documents, undecodable=tuple(undecodable), rejected=tuple(rejected), places=tuple(places))
        self.batches.append(one)
        return one

    # --- faults

    def arm(self, name: str, step: int, nth: int = 1) -> None:
        """Kill the child that comes by this step next, the nth time that it does."""
        fresh = self.injections / "armed.new"
        fresh.write_text(json.dumps({"name": name, "step": step, "nth": nth}))
        fresh.replace(self.injections / "armed.json")

    def fired(self, log: str = "injections", /, **what: object) -> list[str]:
        """Return the lines of the injection log that say all this."""
        file = self.injections / f"{log}.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [one for one in lines if what.items() <= json.loads(one).items()]

    def acknowledged(self, child: Process) -> list[str]:
        """Return the sequence numbers that the daemon took from a child as checkpoints."""
        return [json.loads(one)["sequence"] for one in self.fired("checkpoints", pid=child.pid)]

    def evidence(self, seconds: float = 30, **what: object) -> str:
        until(lambda: self.fired(**what), seconds, f"the injection of {what}")
        return self.fired(**what)[0]

    def note(self, **what: object) -> str:
        """Write a line of the injection log for a fault that the test itself makes."""
        text = json.dumps({**what, "pid": os.getpid(), "monotonic_ns": time.monotonic_ns()})
        with (self.injections / "injections.jsonl").open("a") as log:
            log.write(text + "\n")
            log.flush()
            os.fsync(log.fileno())
        return text

    def terminate(self, one: subprocess.Popen[bytes], when: str) -> str:
        """SIGTERM to a supervisor: it must leave with exit code 0, within its grace and some."""
        assert one.poll() is None
        text = self.note(fault="SIGTERM", process="supervisor", target=one.pid, when=when)
        assert self.stop(one) < 30
        return text

    def kill(self, process: Process, who: str) -> str:
        """Kill -9; the line says so once the process is gone. ProcessLookupError: it was gone before."""
        if not process.alive():
            raise ProcessLookupError(f"{who} was gone before")
        os.kill(process.pid, 9)
        until(lambda: not process.alive(), 5, f"the end of the {who}")
        return self.note(fault="SIGKILL", process=who, target=process.pid)

    def lose(self, one: subprocess.Popen[bytes]) -> str:
        """Kill -9 a supervisor."""
        one.kill()
        one.wait(60)
        assert one.returncode == -9
        return self.note(fault="SIGKILL", process="supervisor", target=one.pid)

    # --- what comes out

    def dead_letters(self) -> Counter[str]:
        """Return how often each line was set aside."""
        files = (self.folder / "dead letters").glob("*.jsonl")
        lines = [text for file in files for text in file.read_text().splitlines(keepends=True)]
        return Counter(json.loads(text)["raw"] for text in lines if text.endswith("\n"))

    def indexed(self, field: str) -> dict[str, str]:
        """Return one field of each document, by its id."""
        self.sink.refresh(self.target)
        reply: Any = self.sink.search(self.target, {"size": 10_000, "_source": [field]})
        return {hit["_id"]: hit["_source"][field] for hit in reply["hits"]["hits"]}

    def bad_lines(self) -> list[str]:
        return [text for batch in self.batches for text in (*batch.undecodable, *batch.rejected)]

    def settled(self, seconds: float = 120) -> None:
        """Wait until all documents are there, each once, every bad line is kept, and the last record is checkpointed."""
        self.arrived(seconds)
        self.checkpointed(seconds)
        kept = self.dead_letters()
        assert set(kept) == set(self.bad_lines()), "each bad line is kept, and nothing else"

    def row(self, ledger: Ledger, rows: Mapping[str, str], promise: str, exit_code: int = 0) -> None:
        """Record a row for each fault with its evidence, over all that this scene has put so far."""
        found = self.flows()
        assert found == list(range(self.sent)), f"{len(found)} of {self.sent}"
        one = Row(
            fault="",
            where="process",
            product=self.product,
            mode=self.mode,
            seed=self.seed,
            sent=self.sent,
            found=len(set(found)),
            duplicates=len(found) - len(set(found)),
            dead_letters=sum(self.dead_letters().values()),
            exit_code=exit_code,
            evidence="",
            promise=promise,
        )
        for fault, evidence in rows.items():
            ledger.record(replace(one, fault=fault, evidence=evidence))

    # --- leases

    def leases(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the lease table that are leases, by shard."""
        with client("dynamodb", self.streams.dynamodb_url) as dynamodb:
            items = dynamodb.scan(TableName=self.name, ConsistentRead=True)["Items"]
        return {item["leaseKey"]["S"]: item for item in items if item["leaseKey"]["S"].startswith("shardId-")}

    def positions(self) -> dict[str, str]:
        return {shard: item["checkpoint"]["S"] for shard, item in self.leases().items()}

    def leader(self) -> str:
        """Return which worker leads: it alone gives leases out, and its place is free only 120 s after it died."""
        with client("dynamodb", self.streams.dynamodb_url) as dynamodb:
            tables = [name for name in dynamodb.list_tables()["TableNames"] if name.startswith(self.name)]
            items = [item for name in tables for item in dynamodb.scan(TableName=name, ConsistentRead=True)["Items"]]
        (owner,) = {item["ownerName"]["S"] for item in items if "ownerName" in item}
        return str(owner)

    def forget_metrics(self, worker: str) -> None:
        """Drop what a dead worker told of its load; that ages within a minute or two, and until then the leader may well
        give leases to the dead one."""
        with client("dynamodb", self.streams.dynamodb_url) as dynamodb:
            dynamodb.delete_item(TableName=f"{self.name}-WorkerMetricStats", Key={"wid": {"S": worker}})

    def take_lease(self, shard: str, owner: str) -> str:
        """Write another owner into a lease, as one does who believes that the old one is dead."""
        with client("dynamodb", self.streams.dynamodb_url) as dynamodb:
            was = dynamodb.update_item(
                TableName=self.name,
                Key={"leaseKey": {"S": shard}},
                UpdateExpression="SET leaseOwner = :owner ADD leaseCounter :more",
                ExpressionAttributeValues={":owner": {"S": owner}, ":more": {"N": "10"}},
                ReturnValues="UPDATED_OLD",
            )["Attributes"]
        return self.note(fault="lease taken", shard=shard, owner=owner, was=was["leaseOwner"]["S"])

    def give(self, shard: str, owner: str) -> str:
        """Give a lease to another owner, as the KCL's leader does when it balances: the old one finds that it is gone.

        The leader itself does it when shards are busy enough, maybe just now, maybe never: nothing to wait for in a test.
        """
        with (
            client("dynamodb", self.streams.dynamodb_url) as dynamodb,
            suppress(dynamodb.exceptions.ConditionalCheckFailedException),
        ):
            dynamodb.update_item(
                TableName=self.name,
                Key={"leaseKey": {"S": shard}},
                UpdateExpression="SET leaseOwner = :owner ADD leaseCounter :more",
                ConditionExpression="leaseOwner <> :owner",
                ExpressionAttributeValues={":owner": {"S": owner}, ":more": {"N": "1"}},
            )
        return self.note(fault="lease given", shard=shard, owner=owner)

    def order_hand_over(self, shard: str, owner: str) -> str:
        """Order a hand-off, as a leader does that runs with the KCL's defaults: the old owner is to settle, then let go."""
        with client("dynamodb", self.streams.dynamodb_url) as dynamodb:
            dynamodb.update_item(
                TableName=self.name,
                Key={"leaseKey": {"S": shard}},
                UpdateExpression="SET checkpointOwner = leaseOwner, leaseOwner = :owner",
                ConditionExpression="attribute_not_exists(checkpointOwner) AND leaseOwner <> :owner",
                ExpressionAttributeValues={":owner": {"S": owner}},
            )
        return self.note(fault="hand-off ordered", shard=shard, owner=owner)


def started(scenes: list[FaultScene], shards: int = 1) -> None:
    """Start a consumer on each, and let it do something first."""
    for scene in scenes:
        scene.stream(shards)
        scene.mixed()
        scene.start()
    for scene in scenes:
        scene.settled(60)
        assert set(scene.dead_letters().values()) == {1}
