"""The demo's steps, in order."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.demo.consumer import ConsumerProcess, settings_text
from vpcflow.demo.proof import Found, aggregations, found, verdicts
from vpcflow.demo.screen import Screen
from vpcflow.errors import EX_OK, EX_TEMPFAIL, VpcFlowError
from vpcflow.generate import FORMATS, Generator, GeneratorOptions
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.sink.deadletters import read_entries
from vpcflow.sink.engine import EngineSink
from vpcflow.stack import Stack
from vpcflow.stack.streams import CREDENTIALS, client, create_stream, put_records, seed_leases

__all__ = ["Demo", "DemoOptions"]

_STREAM, _APPLICATION = "vpcflow-demo", "vpcflow-demo"
_SHARDS = 2
_FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """url: a cluster of one's own, '' for the embedded engine. time_limit: seconds for the documents to arrive."""

    events: int = 20_000
    seed: int = 7
    engine: Literal["elasticsearch", "opensearch"] = "elasticsearch"
    keep: bool = False
    url: str = ""
    time_limit: float = 300.0


@dataclass(slots=True)
class _Times:
    """Moments on the clock, in seconds."""

    begun: float
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str, now: float) -> None:
        self.marks.setdefault(name, now - self.begun)


class Demo:
    """One run. `environ` is the process's environment: credentials for `--url` come from its VPCFLOW_ variables."""

    def __init__(self, options: DemoOptions, screen: Screen, clock: Clock, environ: Mapping[str, str]) -> None:
        """Start nothing yet."""
        self._options, self._screen, self._clock, self._environ = options, screen, clock, environ
        self._log_group = f"vpcflow-demo-{clock.wall_ms()}"
        self._times = _Times(clock.monotonic())
        # Flows of the last quarter of an hour, so that they lie inside the window that a consumer accepts.
        self._generator = Generator(
            GeneratorOptions(
                events=options.events,
                seed=options.seed,
                start=clock.wall_ms() // 1000 - 1200,
                columns=FORMATS["v2"],
                log_group=self._log_group,
            )
        )

    def run(self) -> int:
        """Run all of it; return 0 if everything was proven."""
        screen, options = self._screen, self._options
        screen.title("Starting the stack: Kinesis, the consumer's lease table, a search engine")
        with ExitStack() as exits:
            stack = Stack(None if options.url else options.engine, kinesis=True, progress=screen.say)
            exits.enter_context(stack)
            self._mark("stack ready")
            work = exits.enter_context(self._work_folder())
            settings, path = self._settings(stack, work)
            engine = wiring.sink(settings)
            exits.callback(engine.close)
            self._prepare(stack, settings, engine)
            consumer = ConsumerProcess(path, work / "consumer.log", self._consumer_environ())
            exits.enter_context(consumer)
            last = self._put(stack)
            self._watch(settings, engine, consumer, stack, last)
            code = self._prove(settings, engine, work)
            if options.keep:
                self._leave(exits, stack, consumer, settings, work)
        return code

    def _mark(self, name: str) -> None:
        self._times.mark(name, self._clock.monotonic())

    @contextmanager
    def _work_folder(self) -> Iterator[Path]:
        """Give a folder for settings, log and dead letters: removed with what is in it, unless all is kept."""
        path = Path(tempfile.mkdtemp(prefix="vpcflow-demo-"))
        try:
            yield path
        finally:
            if not self._options.keep:
                shutil.rmtree(path, ignore_errors=True)

    def _settings(self, stack: Stack, work: Path) -> tuple[Settings, Path]:
        url = self._options.url or stack.engine_url
        tables: dict[str, dict[str, object]] = {
            "kinesis": {
                "stream": _STREAM,
                "application": _APPLICATION,
                "region": CREDENTIALS["AWS_REGION"],
                "kinesis_endpoint": stack.kinesis_url,
                "dynamodb_endpoint": stack.dynamodb_url,
                "idle_milliseconds": 250,
            },
            "elasticsearch": {"hosts": [url]},
            "document": {"namespace": "demo", "event_original": True},
            "deadletters": {"path": str(work / "deadletters")},
            "consumer": {
                "worker_id": "demo",
                "run_folder": str(work / "run"),
                "java": str(stack.java),
                "checkpoint_seconds": 1.0,
                "failover_milliseconds": 2000,
                "lease_assignment_milliseconds": 1000,
                "shard_sync_milliseconds": 1000,
                "parent_poll_milliseconds": 1000,
            },
        }
        path = work / "vpcflow.toml"
        path.write_text(settings_text(tables), encoding="utf-8")
        return load(path, self._engine_environ()).settings, path

    def _engine_environ(self) -> dict[str, str]:
        """Return the variables that may be meant for us: those for one's own cluster, none for the embedded one."""
        wanted = "VPCFLOW_ELASTICSEARCH__" if self._options.url else "\0"
        return {
            name: value
            for name, value in self._environ.items()
            if name.startswith(wanted) and not name.endswith("__HOSTS")
        }

    def _consumer_environ(self) -> dict[str, str]:
        plain = {name: value for name, value in self._environ.items() if not name.startswith(("VPCFLOW_", "AWS_"))}
        return {**plain, **CREDENTIALS, **self._engine_environ(), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    def _prepare(self, stack: Stack, settings: Settings, engine: EngineSink) -> None:
        screen = self._screen
        screen.title("Preparing")
        create_stream(stack.kinesis_url, _STREAM, _SHARDS)
        screen.say(f"stream {_STREAM} with {_SHARDS} shards")
        seed_leases(stack.dynamodb_url, _APPLICATION, stack.kinesis_url, _STREAM)
        screen.say(
            "lease table seeded beforehand: the library's own first start takes about two minutes, a demo should not"
        )
        name, body = wiring.template(settings, engine)
        screen.say(f"index template {name}: {engine.ensure_template(name, body)}")
        self._mark("prepared")

    def _put(self, stack: Stack) -> dict[str, int]:
        """Generate and put; return the last sequence number of each shard."""
        screen, options = self._screen, self._options
        screen.title("Putting flow logs into Kinesis, as CloudWatch Logs would")
        last: dict[str, int] = {}
        payloads = enumerate(self._generator.payloads())
        while some := list(islice(payloads, 50)):
            places = put_records(stack.kinesis_url, _STREAM, [(str(number), payload) for number, payload in some])
            for shard, sequence in places:
                last[shard] = max(last.get(shard, 0), int(sequence))
        planted = self._generator.manifest
        screen.say(
            f"{options.events:,} events in {planted.payloads:,} payloads; planted among them: {planted.duplicates:,} delivered "
            f"twice, {len(planted.broken_lines):,} broken lines, {planted.without_traffic:,} without traffic, 1 control message"
        )
        self._mark("all put")
        return last

    def _watch(
        self, settings: Settings, engine: EngineSink, consumer: ConsumerProcess, stack: Stack, last: Mapping[str, int]
    ) -> None:
        screen = self._screen
        screen.title("The consumer reads, decodes, indexes, and only then checkpoints")
        total = self._generator.manifest.documents
        begun = self._clock.monotonic()
        with screen.progress(total) as bar:
            while True:
                consumer.check()
                done = self._documents(settings, engine)
                if done:
                    self._mark("first document found")
                bar.update(done, self._clock.monotonic() - begun)
                if done >= total:
                    self._mark("all documents found")
                if self._checkpointed(stack, last):
                    break
                if self._clock.monotonic() - begun > self._options.time_limit:
                    raise VpcFlowError(
                        f"{done:,} of {total:,} documents after {self._options.time_limit:.0f} s; --time-limit gives it longer",
                        exit_code=EX_TEMPFAIL,
                    )
                self._clock.sleep(0.5)
            bar.update(self._documents(settings, engine), self._clock.monotonic() - begun)
        self._mark("all checkpointed")

    def _target(self, settings: Settings) -> str:
        return wiring.codec_options(settings).target

    def _documents(self, settings: Settings, engine: EngineSink) -> int:
        target = self._target(settings)
        engine.refresh(target)
        query = {"size": 0, "track_total_hits": True, "query": {"term": {"aws.cloudwatch.log_group": self._log_group}}}
        reply: Any = engine.search(target, query)
        return int(reply["hits"]["total"]["value"])

    def _checkpointed(self, stack: Stack, last: Mapping[str, int]) -> bool:
        """Return whether the lease table says that every shard is settled up to the last record put."""
        with client("dynamodb", stack.dynamodb_url) as dynamodb:
            leases = {item["leaseKey"]["S"]: item for item in dynamodb.scan(TableName=_APPLICATION)["Items"]}
        for shard, sequence in last.items():
            kept = leases.get(shard, {}).get("checkpoint", {}).get("S", "")
            if not kept.isdecimal() or int(kept) < sequence:
                return False
        return True

    def _prove(self, settings: Settings, engine: EngineSink, work: Path) -> int:
        screen, manifest = self._screen, self._generator.manifest
        target = self._target(settings)
        engine.refresh(target)
        held = found(engine.search(target, aggregations(self._log_group)))
        folder = work / "deadletters"
        dead = [entry.raw.decode(errors="replace") for entry in read_entries(folder)] if folder.exists() else []
        results = verdicts(manifest, held, dead)
        screen.title("The proof: what was planted against the engine's own sums")
        screen.verdicts(results)
        good = all(one.good for one in results)
        if good:
            screen.say("Nothing lost, nothing doubled: an event that comes twice has the same id, and is taken once.")
        else:
            screen.say(f"Something is off. The consumer's log: {work / 'consumer.log'} (kept with --keep)")
        self._findings(held)
        self._durations()
        self._further(settings)
        return EX_OK if good else _FAILED

    def _findings(self, held: Found) -> None:
        self._screen.title("Rejected flows")
        ports = {str(port): count for port, count in sorted(held.rejected_ports.items(), key=lambda one: -one[1])[:8]}
        self._screen.counts("by destination port", ports)
        sources = dict(sorted(held.rejected_sources.items(), key=lambda one: -one[1])[:8])
        self._screen.counts("by source", sources)

    def _durations(self) -> None:
        self._screen.title("Where the time went")
        before = 0.0
        for name, moment in sorted(self._times.marks.items(), key=lambda one: one[1]):
            self._screen.say(f"{moment:6.1f} s  {name} (+{moment - before:.1f})")
            before = moment

    def _further(self, settings: Settings) -> None:
        self._screen.title("How to look further")
        if self._options.keep or self._options.url:
            host, target = settings.elasticsearch.hosts[0], self._target(settings)
            self._screen.say(f"curl '{host}/{target}/_search?q=aws.vpcflow.action:REJECT&size=1&pretty'")
            self._screen.say(f"curl '{host}/{target}/_count?q=destination.port:3389&pretty'")
        else:
            self._screen.say("make demo DEMO=--keep      leaves everything running and says how to ask")
        self._screen.say("vpcflow generate --out - --output text | vpcflow decode - | head -1")

    def _leave(self, exits: ExitStack, stack: Stack, consumer: ConsumerProcess, settings: Settings, work: Path) -> None:
        pid = consumer.pid
        consumer.detach()
        pids = stack.detach()
        exits.pop_all()
        self._screen.title("Left running")
        self._screen.say(f"search engine {settings.elasticsearch.hosts[0]}")
        self._screen.say(
            f"consumer, process {pid}; its log: {work / 'consumer.log'}; its settings: {work / 'vpcflow.toml'}"
        )
        self._screen.say(f"to end all of it: kill {pid}; python -m vpcflow.stack stop {pids}")
        (work / "manifest.json").write_text(json.dumps(self._generator.manifest.to_json(), indent=2), encoding="utf-8")
