"""What a child tells of its shard: numbers that go on with the clock, alarms, waits, the line of counts."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from amazon_kclpy import messages
from amazon_kclpy.checkpoint_error import CheckpointError

from consumer.checkpoint import Checkpoints
from consumer.child import WaitLog
from consumer.expiry import ExpiryAlarm, ExpiryBounds
from consumer.monitor import Monitor
from consumer.process import Process
from consumer.processor import ShardProcessor
from consumer.report import Report, State
from consumer.run_folder import RunFolder
from vpcflow.clock import FakeClock
from vpcflow.codec import Decoder
from vpcflow.codec.options import CodecOptions
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import SinkUnavailable
from vpcflow.metrics import catalog
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline
from vpcflow.retry import RetryPolicy
from vpcflow.sink.abstract import Sink
from vpcflow.sink.delivery import Delivery
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Answer, Bulk

SHARD = "shardId-7"
DAY = 24 * 3600.0


class Bench:
    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.folder = RunFolder(path)
        self.folder.create()
        me = Process.of(os.getpid())
        assert me is not None
        self.monitor = Monitor(
            process=me,
            folder=self.folder,
            clock=self.clock,
            bounds=ExpiryBounds(warning=21_600, critical=3_600),
            log_seconds=60,
        )

    def serve(self, retention: float | None = DAY) -> None:
        if retention is not None:
            self.folder.note_retention(retention)
        self.monitor.begins(SHARD)
        self.monitor.serves()

    def report(self) -> Report:
        self.monitor.tick()
        (written,) = self.folder.reports()
        return Report.read(written)

    def gauge(self, metric: catalog.Gauge) -> float | None:
        return self.report().snapshot.value(metric, shard=SHARD)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "run")


class Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage(), record.__dict__["fields"]))

    def of(self, words: str) -> list[tuple[str, dict[str, object]]]:
        return [(level, fields) for level, message, fields in self.lines if words in message]


@pytest.fixture
def said() -> Iterator[Said]:
    handler, root = Said(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_shard_begins_serves_and_leaves(bench: Bench) -> None:
    assert (bench.report().state, bench.report().shard) == (State.STARTING, "")
    bench.monitor.begins(SHARD)
    assert (bench.report().state, bench.report().shard) == (State.STARTING, SHARD)
    bench.monitor.serves()
    assert bench.report().state is State.SERVING
    bench.monitor.leaves()
    bench.monitor.serves()
    assert bench.report().state is State.LEAVING


def test_lag_goes_on_while_a_batch_waits(bench: Bench) -> None:
    bench.serve()
    bench.monitor.reads(60_000, records=True)
    assert bench.gauge(catalog.MILLISECONDS_BEHIND_LATEST) == 60_000
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY - 60
    bench.clock.advance(100)
    assert bench.gauge(catalog.MILLISECONDS_BEHIND_LATEST) == 160_000
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY - 160
    bench.monitor.reads(None, records=False)  # the KCL does not know: what it said last still counts
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY - 160
    bench.monitor.reads(0, records=False)
    bench.monitor.all_kept()
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY


def test_what_was_read_and_has_no_checkpoint_can_expire_too(bench: Bench) -> None:
    """A quiet shard goes on to be read while the engine is away: it is not behind, and a restart needs what it read."""
    bench.serve()
    bench.monitor.reads(5_000, records=True)
    for _ in range(100):
        bench.clock.advance(60)
        bench.monitor.reads(0, records=False)
    assert bench.gauge(catalog.MILLISECONDS_BEHIND_LATEST) == 0
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY - 5 - 6_000
    bench.monitor.checkpoint("kept")  # of a part of it
    bench.clock.advance(10)
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY - 10
    bench.monitor.all_kept()
    bench.monitor.reads(0, records=False)
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY


def test_expiry_is_absent_where_it_is_not_known(bench: Bench) -> None:
    bench.serve(retention=None)
    bench.monitor.reads(60_000, records=True)
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) is None
    assert bench.gauge(catalog.MILLISECONDS_BEHIND_LATEST) == 60_000
    assert bench.monitor.waits("away") is None
    bench.folder.note_retention(DAY)
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY - 60


def test_gauges_of_a_shard_end_with_it(bench: Bench) -> None:
    bench.serve()
    bench.monitor.reads(1_000, records=True)
    bench.monitor.meters.count(catalog.RECORDS, 3)
    bench.monitor.close()
    (written,) = bench.folder.reports()
    left = Report.read(written).snapshot
    assert left.gauges == {}
    assert left.value(catalog.RECORDS) == 3


def test_age_of_the_checkpoint(bench: Bench) -> None:
    bench.serve()
    assert bench.gauge(catalog.CHECKPOINT_AGE_SECONDS) == 0
    bench.monitor.reads(0, records=True)
    bench.clock.advance(5)
    bench.monitor.reads(0, records=True)
    assert bench.gauge(catalog.CHECKPOINT_AGE_SECONDS) == 5
    bench.monitor.checkpoint("throttled")
    assert bench.gauge(catalog.CHECKPOINT_AGE_SECONDS) == 5
    bench.monitor.checkpoint("kept")
    bench.clock.advance(2)
    assert bench.gauge(catalog.CHECKPOINT_AGE_SECONDS) == 2  # some records are still not covered
    bench.monitor.all_kept()
    bench.clock.advance(50)
    bench.monitor.reads(0, records=False)
    bench.clock.advance(5)
    assert bench.gauge(catalog.CHECKPOINT_AGE_SECONDS) == 0  # an idle shard has nothing to checkpoint
    assert bench.report().snapshot.value(catalog.CHECKPOINTS, result="kept") == 1


def test_a_wait_lasts_until_the_engine_answers(bench: Bench) -> None:
    bench.serve()
    bench.monitor.meters.count(catalog.BULK_REQUESTS, result="answered")
    bench.monitor.reads(1_000, records=True)
    bench.clock.advance(1)
    assert bench.monitor.waits("connection refused") == DAY - 2
    bench.clock.advance(9)
    bench.monitor.meters.count(catalog.BULK_REQUESTS, result="unavailable")
    bench.monitor.waits("no route")
    found = bench.report()
    assert (found.state, found.reason, found.since) == (State.WAITING, "no route", 1)
    bench.monitor.meters.count(catalog.BULK_REQUESTS, result="answered")
    assert (bench.report().state, bench.report().reason) == (State.SERVING, "")
    bench.clock.advance(1)
    bench.monitor.waits("overloaded")
    assert bench.report().since == 11  # another wait


def test_a_wait_for_the_target_ends_when_the_shard_is_served(bench: Bench) -> None:
    bench.monitor.begins(SHARD)
    bench.monitor.waits("connection refused")
    assert bench.report().state is State.WAITING
    bench.monitor.serves()
    assert bench.report().state is State.SERVING


def test_the_log_of_a_wait_says_what_time_is_left(bench: Bench, said: Said) -> None:
    bench.serve()
    bench.monitor.reads(0, records=True)
    wait = WaitLog(SHARD, bench.clock, bench.monitor.waits)
    wait("away", 1.0)
    bench.clock.advance(31)
    wait("away", 1.0)
    assert [fields["seconds_until_expiry"] for _, fields in said.of("waiting for the search engine")] == [DAY, DAY - 31]
    assert bench.report().state is State.WAITING


def test_alarm_at_each_threshold_and_again_each_five_minutes(said: Said) -> None:
    clock = FakeClock()
    alarm = ExpiryAlarm(ExpiryBounds(warning=21_600, critical=3_600), clock)

    def check(seconds: float, after: float = 1) -> list[str]:
        clock.advance(after)
        said.lines.clear()
        alarm.check(SHARD, seconds)
        return [f"{level} {message}" for level, message, _ in said.lines]

    assert check(21_600) == []
    assert check(21_599) == ["WARNING unread records expire soon"]
    assert check(20_000) == []
    assert check(20_000, after=300) == ["WARNING unread records expire soon"]
    (line,) = check(3_599)
    assert line.startswith("ERROR unread records are about to expire")
    assert said.lines[0][2] == {"shard": SHARD, "seconds_until_expiry": 3599}
    assert check(3_000) == []
    assert check(2_700, after=300)[0].startswith("ERROR")
    assert check(0) == ["ERROR unread records expire now: data is being lost"]
    assert check(10_000) == []  # better, but no news yet: the last word is a second old
    assert check(30_000) == ["INFO unread records are out of danger"]
    assert check(30_000, after=999) == []


def test_alarm_is_raised_by_the_clock_alone(bench: Bench, said: Said) -> None:
    bench.serve(retention=7 * 3600)
    bench.monitor.reads(0, records=True)
    bench.monitor.tick()
    assert said.of("expire") == []
    bench.clock.advance(3601)
    bench.monitor.tick()
    assert [level for level, _ in said.of("expire soon")] == ["WARNING"]


def test_counts_are_logged_when_there_are_new_ones(bench: Bench, said: Said) -> None:
    bench.serve()
    bench.clock.advance(61)
    bench.monitor.tick()
    assert said.of("counts") == []  # nothing happened
    bench.monitor.meters.count(catalog.DOCUMENTS, 4, outcome="created")
    bench.monitor.tick()
    assert said.of("counts") == []  # too soon
    bench.clock.advance(60)
    bench.monitor.tick()
    ((_, fields),) = said.of("counts")
    assert (fields["shard"], fields["documents_created"]) == (SHARD, 4)
    bench.clock.advance(60)
    bench.monitor.tick()
    assert len(said.of("counts")) == 1
    bench.monitor.meters.count(catalog.DOCUMENTS, 1, outcome="created")
    bench.monitor.close()
    assert said.of("counts")[-1][1]["documents_created"] == 5


def test_its_thread_reports_until_it_is_closed(bench: Bench) -> None:
    bench.monitor.start()
    bench.monitor.begins(SHARD)
    bench.monitor.close()
    (written,) = bench.folder.reports()
    assert written["shard"] == SHARD
    assert written["state"] == "leaving"


class Table:
    """A lease table that gives these answers, one after the other, and then takes everything."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)

    def checkpoint(self, sequence_number: str | None = None, sub_sequence_number: int | None = None) -> None:
        if self._answers and (error := self._answers.pop(0)):
            raise CheckpointError(error)


def processor(bench: Bench, sink: Sink) -> ShardProcessor:
    monitor, clock = bench.monitor, bench.clock
    wait = WaitLog(SHARD, clock, monitor.waits)
    one = ShardProcessor(
        stream="flow-logs",
        pipeline=lambda _shard: Pipeline(
            decoder=Decoder(CodecOptions()),
            delivery=Delivery(sink, RetryPolicy(), clock, lambda: False, wait, meters=monitor.meters),
            deadletters=MemoryDeadLetters(),
            bounds=BatchBounds(max_age_seconds=0.001),
            clock=clock,
            meters=monitor.meters,
        ),
        checkpoints=Checkpoints(every_seconds=10, clock=clock, monitor=monitor),
        monitor=monitor,
    )
    first = {"action": "initialize", "shardId": SHARD, "sequenceNumber": "0", "subSequenceNumber": 0}
    one.initialize(messages.InitializeInput(first))
    return one


def batch(table: Table, *sequences: int, behind: int = 0) -> messages.ProcessRecordsInput:
    line = b"2 123456789012 eni-0a1b2c3d 10.0.0.1 10.0.0.2 1234 443 6 10 8400 1700000000 1700000060 ACCEPT OK"
    records = [
        messages.Record(
            {
                "action": "record",
                "data": base64.b64encode(line).decode(),
                "partitionKey": "k",
                "sequenceNumber": str(sequence),
                "subSequenceNumber": 0,
                "approximateArrivalTimestamp": 1_700_000_100_000,
            }
        )
        for sequence in sequences
    ]
    one = messages.ProcessRecordsInput({"action": "processRecords", "records": records, "millisBehindLatest": behind})
    one._checkpointer = table
    return one


def test_a_processor_tells_how_its_shard_fares(bench: Bench) -> None:
    bench.folder.note_retention(DAY)
    table = Table("ThrottlingException", "", "ShutdownException")
    one = processor(bench, MemorySink())
    assert (bench.report().shard, bench.report().state) == (SHARD, State.SERVING)
    one.process_records(batch(table, 1, behind=7_000))
    assert bench.gauge(catalog.SECONDS_UNTIL_EXPIRY) == DAY - 7
    bench.clock.advance(3)
    assert bench.gauge(catalog.CHECKPOINT_AGE_SECONDS) == 3
    bench.clock.advance(8)
    one.process_records(batch(table))  # the table is busy at first
    bench.clock.advance(1)
    assert bench.gauge(catalog.CHECKPOINT_AGE_SECONDS) == 0
    one.process_records(batch(table, 2))
    bench.clock.advance(11)
    one.process_records(batch(table))  # the lease is another's
    found = bench.report()
    assert found.state is State.LEAVING
    assert found.snapshot.value(catalog.CHECKPOINTS, result="kept") == 1
    assert found.snapshot.value(catalog.CHECKPOINTS, result="lost") == 1
    assert found.snapshot.value(catalog.DOCUMENTS, outcome="created") == 2
    assert found.snapshot.value(catalog.RECORDS) == 2


def test_a_busy_lease_table_is_counted_when_it_stays_so(bench: Bench) -> None:
    one = processor(bench, MemorySink())
    table = Table(*["ThrottlingException"] * 100)
    one.process_records(batch(table, 1))
    bench.clock.advance(11)
    one.process_records(batch(table))
    assert bench.report().snapshot.value(catalog.CHECKPOINTS, result="throttled") == 1
    assert (bench.gauge(catalog.CHECKPOINT_AGE_SECONDS) or 0) > 11


@pytest.mark.parametrize("ending", ["lease_lost", "shard_ended", "shutdown_requested"])
def test_each_ending_of_a_shard_is_told(bench: Bench, ending: str) -> None:
    one = processor(bench, MemorySink())
    kinds = {
        "lease_lost": messages.LeaseLostInput({"action": "leaseLost"}),
        "shard_ended": messages.ShardEndedInput({"action": "shardEnded"}),
        "shutdown_requested": messages.ShutdownRequestedInput({"action": "shutdownRequested"}),
    }
    kinds[ending]._checkpointer = Table()
    getattr(one, ending)(kinds[ending])
    assert bench.report().state is State.LEAVING


def test_the_engine_away_is_a_wait_and_its_answer_the_end_of_it(bench: Bench) -> None:
    bench.folder.note_retention(DAY)
    seen: list[Report] = []

    class Away(MemorySink):
        def write(self, bulk: Bulk) -> Answer:
            if len(seen) < 3:
                bench.clock.advance(10)
                seen.append(bench.report())
                raise SinkUnavailable("nobody there")
            return super().write(bulk)

    serving = processor(bench, Away())
    serving.process_records(batch(Table(), 1))
    bench.clock.advance(1)
    serving.process_records(batch(Table()))
    one = seen[-1]
    assert (one.state, one.reason) == (State.WAITING, "nobody there")
    left = [report.snapshot.value(catalog.SECONDS_UNTIL_EXPIRY, shard=SHARD) for report in seen]
    assert left == sorted(filter(None, left), reverse=True)
    assert bench.report().state is State.SERVING
    assert (bench.report().snapshot.value(catalog.WAIT_SECONDS) or 0) > 0


def test_a_folder_that_cannot_be_written_is_told_once(bench: Bench, said: Said) -> None:
    bench.serve()
    bench.folder.path.rename(bench.folder.path.with_name("moved"))
    bench.monitor.tick()
    bench.monitor.tick()
    assert [level for level, _ in said.of("cannot be written")] == ["WARNING"]
    bench.folder.path.with_name("moved").rename(bench.folder.path)
    assert bench.report().state is State.SERVING
