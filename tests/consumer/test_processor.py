"""One child's conversation with the daemon: kclpy's own KCLProcess over streams in memory."""

from __future__ import annotations

import base64
import io
import json
from collections import deque
from collections.abc import Callable

import pytest

from consumer.checkpoint import Checkpoints
from consumer.processor import ShardProcessor
from consumer.protocol import ShardProcess
from vpcflow.clock import FakeClock
from vpcflow.codec import Decoder
from vpcflow.codec.options import CodecOptions
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import ConfigError, DeadLetterError, SinkRefused, SinkUnavailable, Stopped
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline
from vpcflow.retry import RetryPolicy
from vpcflow.sink.abstract import Sink
from vpcflow.sink.delivery import Delivery
from vpcflow.sink.memory import Fault, FaultySink, MemorySink
from vpcflow.types import Answer, Bulk

Message = dict[str, object]

ARRIVAL = 1_700_000_100_000
LINE = "2 123456789012 eni-0a1b2c3d 10.0.0.1 10.0.0.2 1234 443 6 10 8400 1700000000 1700000060 ACCEPT OK"
INITIALIZE: Message = {
    "action": "initialize",
    "shardId": "shardId-0",
    "sequenceNumber": "TRIM_HORIZON",
    "subSequenceNumber": 0,
}
SHARD_ENDED: Message = {"action": "shardEnded"}
LEASE_LOST: Message = {"action": "leaseLost"}
SHUTDOWN: Message = {"action": "shutdownRequested"}


def record(sequence: int, sub: int = 0, *, data: bytes | None = None, arrival: int | None = ARRIVAL) -> Message:
    return {
        "action": "record",
        "data": base64.b64encode(LINE.encode() if data is None else data).decode(),
        "partitionKey": "k",
        "sequenceNumber": str(sequence),
        "subSequenceNumber": sub,
        "approximateArrivalTimestamp": arrival,
    }


def records(*these: Message) -> Message:
    return {"action": "processRecords", "records": list(these), "millisBehindLatest": None}


class Daemon(io.StringIO):
    """The other end: sends messages one after the other, answers checkpoints, keeps what it is told."""

    def __init__(self, *errors: str | None) -> None:
        super().__init__()
        self.messages: deque[Message | Callable[[], None]] = deque()
        self.told: list[Message] = []
        self._errors = deque(errors)
        self._answers: deque[Message] = deque()

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        if self._answers:
            return json.dumps(self._answers.popleft()) + "\n"
        while self.messages:
            message = self.messages.popleft()
            if isinstance(message, dict):
                return json.dumps(message) + "\n"
            message()
        return ""

    def write(self, text: str, /) -> int:
        message = json.loads(text)
        self.told.append(message)
        if message["action"] == "checkpoint":
            error = self._errors.popleft() if self._errors else None
            if error != "EOF":
                self._answers.append({**message, "error": error})
        return len(text)

    @property
    def checkpoints(self) -> list[tuple[object, object]]:
        return [(m["sequenceNumber"], m["subSequenceNumber"]) for m in self.told if m["action"] == "checkpoint"]

    @property
    def statuses(self) -> list[object]:
        return [m["responseFor"] for m in self.told if m["action"] == "status"]


class Bench:
    def __init__(self, sink: Sink | None = None, *, errors: tuple[str | None, ...] = (), stop: bool = False) -> None:
        self.clock = FakeClock()
        self.memory = MemorySink()
        self.deadletters = MemoryDeadLetters()
        self.daemon = Daemon(*errors)
        self.errors = io.StringIO()
        delivery = Delivery(sink or self.memory, RetryPolicy(), self.clock, lambda: stop, lambda _reason, _wait: None)
        self.pipeline = Pipeline(
            decoder=Decoder(CodecOptions()),
            delivery=delivery,
            deadletters=self.deadletters,
            bounds=BatchBounds(max_age_seconds=1.0),
            clock=self.clock,
        )

    def run(self, *messages: Message | Callable[[], None], build: Callable[[str], Pipeline] | None = None) -> None:
        self.daemon.messages.extend((INITIALIZE, *messages))
        processor = ShardProcessor(
            stream="flow-logs",
            pipeline=build or (lambda _shard: self.pipeline),
            checkpoints=Checkpoints(every_seconds=10.0, clock=self.clock),
        )
        ShardProcess(processor, self.daemon, self.daemon, self.errors).run()
        assert not self.errors.getvalue()  # kclpy writes what it swallows there

    def wait(self, seconds: float) -> Callable[[], None]:
        return lambda: self.clock.advance(seconds)


def test_idle_shard_is_flushed_and_checkpointed_in_time() -> None:
    bench = Bench()
    bench.run(records(record(7)), bench.wait(2), records(), bench.wait(8), records(), bench.wait(60), records())
    assert len(bench.memory.documents) == 1
    assert bench.daemon.checkpoints == [("7", 0)]
    assert bench.daemon.statuses == ["initialize"] + ["processRecords"] * 4


def test_nothing_is_checkpointed_before_it_is_settled() -> None:
    bench = Bench()
    bench.run(bench.wait(60), records(record(7)))
    assert bench.daemon.checkpoints == []
    assert not bench.memory.documents


def test_checkpoints_name_the_record_inside_an_aggregate() -> None:
    bench = Bench()
    bench.run(records(record(7, 0), record(7, 1), record(7, 2)), bench.wait(11), records(record(8, 0)))
    assert bench.daemon.checkpoints == [("8", 0)]
    assert len({name for _, name in bench.memory.documents}) == 4

    bench = Bench()
    bench.run(records(record(7, 0), record(7, 1), record(7, 2)), bench.wait(11), records())
    assert bench.daemon.checkpoints == [("7", 2)]


def test_shutdown_settles_and_checkpoints_at_once() -> None:
    bench = Bench()
    bench.run(records(record(7)), SHUTDOWN, LEASE_LOST)
    assert len(bench.memory.documents) == 1
    assert bench.daemon.checkpoints == [("7", 0)]


def test_shard_end_settles_first_and_checkpoints_without_position() -> None:
    bench = Bench()
    bench.run(records(record(7)), SHARD_ENDED)
    assert len(bench.memory.documents) == 1
    assert bench.daemon.checkpoints == [(None, None)]


def test_lost_lease_drops_what_is_not_settled() -> None:
    bench = Bench()
    bench.run(records(record(7)), LEASE_LOST)
    assert not bench.memory.documents
    assert bench.daemon.checkpoints == []


def test_bad_records_are_settled_as_dead_letters() -> None:
    bench = Bench()
    bench.run(records(record(7, data=b"\x1f\x8bbroken"), record(8)), SHUTDOWN)
    assert len(bench.deadletters.entries) == 1
    assert bench.daemon.checkpoints == [("8", 0)]


def test_unknown_arrival_time_is_no_error() -> None:
    bench = Bench()
    bench.run(records(record(7, arrival=None)), SHUTDOWN)
    assert len(bench.memory.documents) == 1


class Broken(MemorySink):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, bulk: Bulk) -> Answer:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SinkRefused("key", exit_code=77), 77),
        (SinkRefused("index"), 78),
        (ZeroDivisionError(), 70),
        (MemoryError(), 70),
    ],
)
def test_exceptions_leave_without_status_or_checkpoint(error: Exception, code: int) -> None:
    bench = Bench(Broken(error))
    with pytest.raises(SystemExit) as leaving:
        bench.run(records(record(7)), bench.wait(60), records(record(8)))
    assert leaving.value.code == code
    assert bench.daemon.statuses == ["initialize", "processRecords"]
    assert bench.daemon.checkpoints == []


def test_defects_are_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(Broken(ZeroDivisionError("by zero")))
    with pytest.raises(SystemExit):
        bench.run(records(record(7)), SHUTDOWN)
    line = caplog.records[-1]
    assert line.exc_info is None
    assert "ZeroDivisionError: by zero" in line.fields["traceback"]  # type: ignore[attr-defined]


def test_dead_letters_that_cannot_be_kept_settle_nothing() -> None:
    bench = Bench()

    class Full(MemoryDeadLetters):
        def put(self, *entries: DeadLetter) -> None:
            raise DeadLetterError("no space left")

    bench.pipeline._burial._deadletters = Full()
    with pytest.raises(SystemExit) as leaving:
        bench.run(bench.wait(60), records(record(7, data=b"\x1f\x8bbroken")), SHUTDOWN)
    assert leaving.value.code == 75
    assert bench.daemon.checkpoints == []


def test_settings_that_cannot_be_used_leave_at_initialize() -> None:
    def build(_shard: str) -> Pipeline:
        raise ConfigError("elasticsearch.hosts: no URL")

    bench = Bench()
    with pytest.raises(SystemExit) as leaving:
        bench.run(build=build)
    assert leaving.value.code == 78
    assert bench.daemon.statuses == []


def test_stop_while_waiting_keeps_what_was_settled_before() -> None:
    inner = MemorySink()
    down = [Fault(before=SinkUnavailable("down"))] * 100
    bench = Bench(FaultySink(inner, [None, *down]), stop=True)
    with pytest.raises(SystemExit) as leaving:
        bench.run(records(record(7)), bench.wait(2), records(), records(record(8)), SHUTDOWN)
    assert leaving.value.code == Stopped.exit_code == 75
    assert bench.daemon.checkpoints == [("7", 0)]
    assert len(inner.documents) == 1


def test_dead_cluster_is_waited_for_and_nothing_checkpointed_meanwhile() -> None:
    inner = MemorySink()
    bench = Bench(FaultySink(inner, [Fault(before=SinkUnavailable("down"))] * 40))
    bench.run(records(record(7)), bench.wait(2), records())
    assert bench.clock.now > 100  # it waited that long inside one call
    assert bench.daemon.checkpoints == [("7", 0)]
    assert len(inner.documents) == 1


@pytest.mark.parametrize("name", ["ThrottlingException", "KinesisClientLibDependencyException"])
def test_busy_lease_table_is_asked_again(name: str) -> None:
    bench = Bench(errors=(name, name))
    bench.run(records(record(7)), SHUTDOWN)
    assert bench.daemon.checkpoints == [("7", 0)] * 3
    assert bench.daemon.statuses[-1] == "shutdownRequested"


def test_lease_table_that_stays_busy_is_no_reason_to_die_before_the_shard_ends() -> None:
    bench = Bench(errors=("ThrottlingException",) * 1000)
    bench.run(records(record(7)), SHUTDOWN)
    assert set(bench.daemon.checkpoints) == {("7", 0)}

    bench = Bench(errors=("ThrottlingException",) * 1000)
    with pytest.raises(SystemExit) as leaving:
        bench.run(records(record(7)), SHARD_ENDED)
    assert leaving.value.code == 75


def test_lost_lease_at_a_checkpoint_ends_the_shard_quietly() -> None:
    bench = Bench(errors=("ShutdownException",))
    bench.run(records(record(7)), bench.wait(11), records(), bench.wait(11), records(record(8)), LEASE_LOST)
    assert bench.daemon.checkpoints == [("7", 0)]
    assert len(bench.memory.documents) == 1
    assert bench.daemon.statuses[-1] == "leaseLost"


def test_the_end_of_a_shard_is_not_said_by_one_who_lost_its_lease() -> None:
    bench = Bench(errors=("ShutdownException",))
    with pytest.raises(SystemExit):
        bench.run(records(record(7)), bench.wait(11), records(), bench.wait(11), records(record(8)), SHARD_ENDED)
    assert bench.daemon.checkpoints == [("7", 0)]


@pytest.mark.parametrize("name", ["InvalidStateException", "IllegalArgumentException"])
def test_other_refusals_of_a_checkpoint_are_fatal(name: str) -> None:
    bench = Bench(errors=(name,))
    with pytest.raises(SystemExit) as leaving:
        bench.run(records(record(7)), SHUTDOWN)
    assert leaving.value.code == 70
    assert len(bench.daemon.checkpoints) == 1


def test_daemon_that_leaves_during_a_checkpoint() -> None:
    bench = Bench(errors=("EOF",))
    with pytest.raises(SystemExit) as leaving:
        bench.run(records(record(7)), SHUTDOWN)
    assert leaving.value.code == 75
    assert len(bench.daemon.checkpoints) == 1
