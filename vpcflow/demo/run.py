"""The demo's steps, in order."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.deadletters.file_shelves import read_entries
from vpcflow.demo.consumer import ConsumerProcess
from vpcflow.demo.evidence import Evidence
from vpcflow.demo.keep import write_stop
from vpcflow.demo.options import (
    APPLICATION,
    STREAM,
    DemoOptions,
    consumer_environ,
    engine_environ,
    settings_of,
)
from vpcflow.demo.proof import Found, verdicts
from vpcflow.demo.screen import Screen
from vpcflow.errors import EX_OK, EX_TEMPFAIL, VpcFlowError
from vpcflow.generate import FORMATS, Generator, GeneratorOptions
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.sink.engine import EngineSink
from vpcflow.stack import Stack
from vpcflow.stack.streams import client, create_stream, put_records, seed_leases

__all__ = ["Demo"]

_SHARDS = 2
_PUT_TOGETHER = 50
_LOOK_SECONDS = 0.5
_SHOWN = 8
_FAILED = 1


@dataclass(slots=True)
class _Times:
    """Moments on the clock, in seconds."""

    begun: float
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str, now: float) -> None:
        self.marks.setdefault(name, now - self.begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What runs while the documents come in."""

    stack: Stack
    work: Path
    settings: Settings
    path: Path
    engine: EngineSink
    evidence: Evidence


class Demo:
    """One run. `environ` is the process's environment: credentials for `--url` come from its VPCFLOW_ variables.

    `leaving` is called before anything is ended: from then on, an interrupt would only leave something behind.
    """

    def __init__(
        self,
        options: DemoOptions,
        screen: Screen,
        clock: Clock,
        environ: Mapping[str, str],
        leaving: Callable[[], None] = lambda: None,
    ) -> None:
        """Start nothing yet."""
        self._options, self._screen, self._clock, self._environ = options, screen, clock, environ
        self._leaving = leaving
        self._proven = False
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
        if options.url:
            self._ask_own_cluster()
        screen.title("Starting the stack: Kinesis, the consumer's lease table, a search engine")
        with ExitStack() as exits:
            exits.enter_context(stack := Stack(options.engine_to_start, kinesis=True, progress=screen.say))
            self._mark("servers ready")
            work = self._work_folder(exits)
            parts = self._prepared(stack, work)
            exits.callback(parts.engine.close)
            consumer = ConsumerProcess(
                parts.path, work / "consumer.log", consumer_environ(options, self._environ), work=work
            )
            exits.enter_context(consumer)
            exits.callback(self._stopping)
            last = self._put(stack)
            self._watch(parts, consumer, last)
            code = self._prove(parts)
            if options.keep:
                self._leave(exits, parts, consumer)
        return code

    def _stopping(self) -> None:
        self._leaving()
        self._screen.say("")
        self._screen.say("stopping the consumer, which settles and checkpoints what it has, then the servers")

    def _mark(self, name: str) -> None:
        self._times.mark(name, self._clock.monotonic())

    def _ask_own_cluster(self) -> None:
        """Find out before anything is started that the cluster answers."""
        text = f"[elasticsearch]\nhosts = [{json.dumps(self._options.url)}]\n"
        with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            settings = load(Path(file.name), engine_environ(self._options, self._environ)).settings
        engine = wiring.sink(settings)
        try:
            self._screen.title(f"Your own cluster: {engine.identify()} at {self._options.url}")
        finally:
            engine.close()
        self._screen.say(
            "it gets an index template and the data stream logs-aws.vpcflow-demo; nothing in it is removed"
        )

    def _work_folder(self, exits: ExitStack) -> Path:
        """Return a folder for settings, log and dead letters: removed with what is in it, unless it is still of use."""
        path = Path(tempfile.mkdtemp(prefix="vpcflow-demo-"))

        def end(kind: type[BaseException] | None, _error: object, _traceback: object) -> bool:
            if kind is not None and issubclass(kind, Exception):  # an interrupt is none
                self._screen.say(f"the consumer's log, its settings and the dead letters are kept in {path}")
            elif kind is not None or self._proven:
                shutil.rmtree(path, ignore_errors=True)
            return False

        exits.push(end)
        return path

    def _prepared(self, stack: Stack, work: Path) -> _Parts:
        """Make the stream, the lease table and the index template."""
        screen = self._screen
        screen.title("Preparing")
        create_stream(stack.kinesis_url, STREAM, _SHARDS)
        screen.say(f"stream {STREAM} with {_SHARDS} shards")
        seed_leases(stack.dynamodb_url, APPLICATION, stack.kinesis_url, STREAM)
        screen.say(
            "lease table filled beforehand: the Kinesis Client Library takes up to two minutes for that by itself"
        )
        path = work / "vpcflow.toml"
        path.write_text(settings_of(self._options, stack, work), encoding="utf-8")
        settings = load(path, engine_environ(self._options, self._environ)).settings
        engine = wiring.sink(settings)
        name, body = wiring.template(settings, engine)
        screen.say(f"index template {name}: {engine.ensure_template(name, body)}")
        evidence = Evidence(engine, wiring.codec_options(settings, with_labels=False).target, self._log_group)
        self._mark("stream, leases and template ready")
        return _Parts(stack=stack, work=work, settings=settings, path=path, engine=engine, evidence=evidence)

    def _put(self, stack: Stack) -> dict[str, int]:
        """Generate and put; return the last sequence number of each shard."""
        screen, options = self._screen, self._options
        screen.title("Putting flow logs into Kinesis, as CloudWatch Logs would (the consumer starts meanwhile)")
        last: dict[str, int] = {}
        payloads = enumerate(self._generator.payloads())
        while some := list(islice(payloads, _PUT_TOGETHER)):
            places = put_records(stack.kinesis_url, STREAM, [(str(number), payload) for number, payload in some])
            for shard, sequence in places:
                last[shard] = max(last.get(shard, 0), int(sequence))
        planted = self._generator.manifest
        screen.say(f"{options.events:,} events in {planted.payloads:,} gzip payloads; planted among them:")
        screen.say(
            f"{planted.duplicates:,} are delivered a second time, as AWS does now and then: must not be counted twice"
        )
        screen.say(f"{len(planted.broken_lines):,} cannot be decoded: must be kept aside, and cost no other line")
        screen.say(
            f"{planted.without_traffic:,} say that there was no traffic: documents, too; 1 control message: none"
        )
        self._mark("everything put")
        return last

    def _watch(self, parts: _Parts, consumer: ConsumerProcess, last: Mapping[str, int]) -> None:
        """Wait until the lease table says that all is settled."""
        self._screen.title("The consumer reads, decodes, indexes, and only then checkpoints")
        total = self._generator.manifest.documents
        end = self._clock.monotonic() + self._options.time_limit
        done = 0
        with self._screen.progress(total) as bar:
            while True:
                settled = self._checkpointed(parts.stack, last)
                counted = parts.evidence.documents()
                done = done if counted is None else counted
                now = self._clock.monotonic()
                bar.update(done, now)
                if done:
                    self._mark("first documents found")
                if done >= total:
                    self._mark("all documents found")
                if settled and counted is not None:
                    break
                consumer.check()
                if now > end:
                    raise VpcFlowError(
                        f"{done:,} of {total:,} documents after {self._options.time_limit:.0f} s"
                        f"{consumer.last_words()}; --time-limit gives it longer",
                        exit_code=EX_TEMPFAIL,
                    )
                self._clock.sleep(_LOOK_SECONDS)
        self._mark("everything checkpointed")

    def _checkpointed(self, stack: Stack, last: Mapping[str, int]) -> bool:
        """Return whether the lease table says that every shard is settled up to the last record put."""
        with client("dynamodb", stack.dynamodb_url) as dynamodb:
            leases = {item["leaseKey"]["S"]: item for item in dynamodb.scan(TableName=APPLICATION)["Items"]}
        for shard, sequence in last.items():
            kept = leases.get(shard, {}).get("checkpoint", {}).get("S", "")
            if not kept.isdecimal() or int(kept) < sequence:
                return False
        return True

    def _prove(self, parts: _Parts) -> int:
        screen = self._screen
        held = parts.evidence.found()
        folder = parts.work / "deadletters"
        dead = [entry.raw.decode(errors="replace") for entry in read_entries(folder)] if folder.exists() else []
        results = verdicts(self._generator.manifest, held, dead)
        self._mark("everything proven")
        screen.title("The proof: what was planted against what the search engine itself says")
        screen.verdicts(results)
        self._proven = all(one.good for one in results)
        if self._proven:
            screen.title("Nothing lost, nothing doubled")
            screen.say(
                "Nothing lost: the consumer checkpoints a record only when each of its lines is in the engine, or on"
            )
            screen.say("disk as a dead letter. Whatever ends it before that, it reads the record again.")
            screen.say(
                "Nothing doubled: an event's _id is made of what the event is. When it comes again, by whatever way,"
            )
            screen.say("it has the same _id, and the engine refuses to create that twice.")
        else:
            screen.title("Something is off")
            screen.say(f"the consumer's log, its settings and the dead letters are kept in {parts.work}")
        self._findings(held)
        self._durations()
        self._further(parts)
        return EX_OK if self._proven else _FAILED

    def _findings(self, held: Found) -> None:
        self._screen.title("Rejected flows, as the engine counts them")
        ports = {str(port): count for port, count in held.rejected_ports.items()}
        for name, counts in (("by destination port", ports), ("by source", held.rejected_sources)):
            top = sorted(counts.items(), key=lambda one: -one[1])[:_SHOWN]
            self._screen.counts(name, dict(top))

    def _durations(self) -> None:
        self._screen.title("Where the time went")
        before = 0.0
        for name, moment in sorted(self._times.marks.items(), key=lambda one: one[1]):
            self._screen.say(f"{moment:6.1f} s  {name} (+{moment - before:.1f})")
            before = moment

    def _further(self, parts: _Parts) -> None:
        screen = self._screen
        screen.title("How to look further")
        if self._options.keep or self._options.url:
            where = f"{parts.settings.elasticsearch.hosts[0]}/{parts.evidence.target}"
            by_port = {"size": 0, "aggs": {"ports": {"terms": {"field": "destination.port"}}}}
            screen.say(f"curl '{where}/_search?q=event.outcome:failure&size=1&pretty'")
            screen.say(f"curl '{where}/_count?q=destination.port:3389&pretty'")
            screen.say(f"curl '{where}/_search?pretty' -H content-type:application/json -d '{json.dumps(by_port)}'")
        else:
            screen.say(
                "make demo DEMO=--keep (or: vpcflow demo --keep) leaves everything running, and says how to ask it"
            )
        screen.say("vpcflow generate --out - --output text | vpcflow decode - | head -1")

    def _leave(self, exits: ExitStack, parts: _Parts, consumer: ConsumerProcess) -> None:
        """Let go of everything, and say how to end it."""
        pid, work = consumer.pid, parts.work
        (work / "manifest.json").write_text(json.dumps(self._generator.manifest.to_json(), indent=2), encoding="utf-8")
        self._leaving()
        consumer.detach()
        stop = write_stop(work, pid=pid, pids=parts.stack.detach())
        parts.engine.close()
        exits.pop_all()
        screen = self._screen
        screen.title("Left running")
        screen.say(f"search engine {parts.settings.elasticsearch.hosts[0]}; Kinesis {parts.stack.kinesis_url}")
        screen.say(f"consumer, process {pid}; its settings {parts.path}, its log {work / 'consumer.log'}")
        screen.say(f"what was planted: {work / 'manifest.json'}")
        screen.say(f"to end all of it: {stop}")
