"""One index, one input, and pipelines with the product's own settings that bring the one into the other through faults."""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.e2e.conftest import until
from tests.faults.ledger import Ledger, Mode, Row, Where, product_of
from vpcflow import wiring
from vpcflow.clock import SystemClock
from vpcflow.errors import VpcFlowError
from vpcflow.faults import FaultProxy, Journal, parse_script
from vpcflow.pipeline.counts import Counts
from vpcflow.pipeline.pipeline import Pipeline, Record
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.types import Origin

__all__ = ["BULK", "FLOWS", "RECORDS", "WATCH", "Scene"]

RECORDS, FLOWS, BULK = 40, 10, 50  # 400 documents in eight bulks
TOO_MANY = 100_000  # packets that the index of these tests does not take
_PATIENCE_SECONDS = 300.0
_FIRST_END = int(dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC).timestamp())
_NAMES = itertools.count()
WATCH = '[[rule]]\naction = "watch"\npath = "/_bulk"\n'


class Scene:
    """Documents are told apart by their `network.bytes`: 0, 1, 2, …; in pattern mode they go to two days."""

    def __init__(
        self, url: str, mode: Mode, folder: Path, seed: int, closing: ExitStack, *, records: int = RECORDS
    ) -> None:
        self.url, self.mode, self.folder, self.seed = url, mode, folder, seed
        self.product = product_of(url)
        self.name = f"{next(_NAMES)}-{uuid.uuid4().hex[:8]}"
        stream = mode == "data_stream"
        self.index = f"logs-aws.vpcflow-f{self.name}" if stream else f"faults-{self.name}-{{yyyy.MM.dd}}"
        self.target = self.index if stream else f"faults-{self.name}-*"
        self.records = [self._record(number) for number in range(records)]
        self.proxy: FaultProxy | None = None
        self.waits: list[str] = []
        self.error: VpcFlowError | None = None
        self.counts = Counts()
        self._settled: tuple[int, int] | None = None
        self._closing = closing
        self.sink = wiring.sink(self.settings(direct=True))
        closing.callback(self.sink.close)
        name, body = wiring.template(self.settings(direct=True), self.sink)
        self._template = (name, body)
        self._template_properties["network"]["properties"]["packets"] = {"type": "short"}
        self.sink.ensure_template(name, body)

    @property
    def _template_properties(self) -> dict[str, Any]:
        body: Any = self._template[1]
        properties: dict[str, Any] = body["template"]["mappings"]["properties"]
        return properties

    # --- what goes in

    def _record(self, number: int, packets: Mapping[int, int] | None = None) -> Record:
        chance = random.Random(f"{self.seed}/{number}")
        events = []
        for flow in range(number * FLOWS, (number + 1) * FLOWS):
            end = _FIRST_END + flow % 2 * 86_400
            source = f"10.{chance.randrange(256)}.{chance.randrange(256)}.1 10.0.0.2 {chance.randrange(65_536)} 443"
            many = (packets or {}).get(flow, 10)
            line = f"2 123456789012 eni-0a1b2c3d {source} 6 {many} {flow} {end - 60} {end} ACCEPT OK"
            events.append({"id": f"{flow:056d}", "timestamp": end * 1000, "message": line})
        body = {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "vpc",
            "logStream": "eni-0a1b2c3d-all",
            "subscriptionFilters": ["all"],
            "logEvents": events,
        }
        origin = Origin(identity=b"%d" % number, name="kinesis:faults")
        return Record(data=gzip.compress(json.dumps(body).encode(), 1), origin=origin, position=(number + 1, 0))

    def spoil(self, *flows: int) -> None:
        """Give these documents a value that the index does not take."""
        for flow in flows:
            number = flow // FLOWS
            mine = {each: TOO_MANY for each in flows if each // FLOWS == number}
            self.records[number] = self._record(number, mine)

    @property
    def sent(self) -> int:
        return len(self.records) * FLOWS

    # --- the product

    def environ(self, more: Mapping[str, object] | None = None, *, direct: bool = False) -> dict[str, str]:
        """Return settings of a run as variables; `bulk__max_actions` is VPCFLOW_BULK__MAX_ACTIONS. `direct`: past the proxy."""
        values = {
            "elasticsearch__hosts": self.url if direct or self.proxy is None else self.proxy.url,
            "index__mode": self.mode,
            "index__name": self.index,
            "bulk__max_actions": BULK,
            "retry__initial_seconds": 0.05,
            "retry__max_seconds": 0.2,
            "deadletters__path": self.folder / "dead letters",
            "deadletters__accept_loss": "true",
            **(more or {}),
        }
        return {f"VPCFLOW_{key.upper()}": str(value) for key, value in values.items()}

    def settings(self, more: Mapping[str, object] | None = None, *, direct: bool = False) -> Settings:
        """Return settings of a run, see `environ`."""
        return load(None, self.environ(more, direct=direct)).settings

    def before(self, script: str) -> FaultProxy:
        """Put a proxy before the engine, with the rules of a script."""
        journal = Journal(self.folder / "injections.jsonl")
        self._closing.callback(journal.close)
        self.proxy = FaultProxy(self.url, parse_script(script), seed=self.seed, journal=journal)
        self._closing.enter_context(self.proxy)
        return self.proxy

    def run(
        self,
        *,
        upto: int | None = None,
        on_first_wait: Callable[[], object] | None = None,
        between: Mapping[int, Callable[[], object]] | None = None,
        again: bool = False,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """Deliver what is not settled yet, as a consumer does that starts at its last checkpoint.

        Args:
            upto: only the records before this one.
            on_first_wait: called once, when the pipeline waits for the engine first.
            between: called before these records are submitted.
            again: begin with the first record, as one does whose checkpoint was lost.
            settings: see `settings`.
        """
        self.error = None
        if again:
            self._settled = None
        patience = time.monotonic() + _PATIENCE_SECONDS
        first = threading.Lock()

        def on_wait(reason: str, _seconds: float) -> None:
            self.waits.append(reason)
            if on_first_wait is not None and first.acquire(blocking=False):
                on_first_wait()

        pipeline: Pipeline | None = None
        try:
            pipeline = wiring.pipeline(
                self.settings(settings),
                should_stop=lambda: time.monotonic() > patience,
                on_wait=on_wait,
                clock=SystemClock(),
            )
            for number, record in enumerate(self.records[:upto]):
                if self._settled is None or record.position > self._settled:
                    (between or {}).get(number, lambda: None)()
                    pipeline.submit(record)
            pipeline.flush()
        except VpcFlowError as error:
            self.error = error
        finally:
            if pipeline is not None:
                self.counts = pipeline.counts
                self._settled = pipeline.settled or self._settled
                pipeline.close()

    @property
    def settled(self) -> int:
        """Return how many records may be checkpointed."""
        return self._settled[0] if self._settled else 0

    # --- what came out

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Ask the engine itself, past the proxy."""
        return self.sink.ask(method, path, body)

    def indices(self) -> list[str]:
        """Return the indices behind the target."""
        return sorted(self.ask("GET", f"/{self.target}/_settings?filter_path=*.settings.index.uuid"))

    def found(self) -> Counter[int]:
        """Return how often each document is there."""
        self.sink.refresh(self.target)
        reply: Any = self.sink.search(self.target, {"size": 10_000, "_source": ["network.bytes"]})
        return Counter(hit["_source"]["network"]["bytes"] for hit in reply["hits"]["hits"])

    def letters(self) -> list[dict[str, Any]]:
        """Return the dead letters, as they are on disk."""
        files = sorted((self.folder / "dead letters").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def ended(self) -> None:
        """Wait until what was delayed has reached the engine: only then is it told whether it is there twice."""
        assert self.proxy is not None
        journal = self.proxy.journal

        def under_way() -> set[int]:
            lines = [json.loads(line) for kind in ("delay", "drip") for line in journal.lines(kind)]
            done = {line["request"] for line in lines if line.get("ended")}
            return {line["request"] for line in lines} - done

        until(lambda: not under_way(), 30, "end of the fault")

    def evidence(self, action: str) -> str:
        """Return the first line of the injection log with this action, empty where it did not fire."""
        assert self.proxy is not None
        return next(iter(self.proxy.journal.lines(action)), "")

    def seen(self, error: str) -> str:
        """Return the first line of the injection log that shows this error of the engine's own."""
        assert self.proxy is not None
        return next((line for line in self.proxy.journal.lines("watch") if error in line), "")

    def record(
        self,
        ledger: Ledger,
        fault: str,
        where: Where,
        evidence: str,
        promise: str,
        *,
        exit_code: int | None = None,
        duplicates: int = 0,
        dead: int = 0,
        elsewhere: int = 0,
    ) -> None:
        """Hold the row's promise against the index and the disk, and write it down.

        Args:
            ledger: where it is written.
            fault, where, evidence, promise: see `Row`.
            exit_code: of the error that ended the first run.
            duplicates: documents beyond the expected, exactly.
            dead: dead letters, exactly; each is one document that is not in the index.
            elsewhere: documents that the failure store is said to have.
        """
        found, letters = self.found(), self.letters()
        beyond = found.total() - len(found)
        buried = {int(letter["raw"].split()[9]) for letter in letters}
        expected = set(range(self.sent)) - buried
        missing = sorted(expected - set(found))
        assert len(missing) == elsewhere, f"seed {self.seed}: not there: {missing[:20]}"
        assert not set(found) - expected, f"seed {self.seed}: there, and should not be"
        assert (beyond, len(letters)) == (duplicates, dead), f"seed {self.seed}: {self.waits[:5]}"
        assert self.settled == len(self.records), f"seed {self.seed}: settled {self.settled}"
        ledger.record(
            Row(
                fault=fault,
                where=where,
                product=self.product,
                mode=self.mode,
                seed=self.seed,
                sent=self.sent - dead - elsewhere,
                found=len(found),
                duplicates=beyond,
                dead_letters=len(letters),
                exit_code=exit_code,
                evidence=evidence,
                promise=promise,
            )
        )
