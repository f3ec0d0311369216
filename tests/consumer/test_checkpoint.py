"""When a checkpoint is due, and a shutdown that cannot wait for the engine."""

from __future__ import annotations

import base64
import threading

import pytest
from amazon_kclpy import messages
from amazon_kclpy.checkpoint_error import CheckpointError as KclCheckpointError

from consumer.checkpoint import Checkpoints
from consumer.processor import ShardProcessor
from vpcflow.clock import FakeClock, SystemClock
from vpcflow.codec import Decoder
from vpcflow.codec.options import CodecOptions
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import LeaseLost
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline
from vpcflow.types import Answer, Bulk


class Table:
    """The lease table, as kclpy shows it."""

    def __init__(self, *errors: str) -> None:
        self.kept: list[tuple[str | None, int | None]] = []
        self.errors = list(errors)

    def checkpoint(self, sequence_number: str | None = None, sub_sequence_number: int | None = None) -> None:
        if self.errors:
            raise KclCheckpointError(self.errors.pop(0))
        self.kept.append((sequence_number, sub_sequence_number))


def test_due_by_records_by_bytes_and_by_time() -> None:
    clock, table = FakeClock(), Table()
    checkpoints = Checkpoints(every_seconds=10, every_records=3, every_bytes=100, clock=clock)

    def read(position: int, size: int) -> int:
        checkpoints.note_record(size)
        checkpoints.keep_if_due((position, 0), table)
        return len(table.kept)

    assert [read(1, 1), read(2, 1), read(3, 1)] == [0, 0, 1]
    assert [read(4, 99), read(5, 1)] == [1, 2]
    clock.advance(10)
    assert read(6, 1) == 3
    assert table.kept == [("3", 0), ("5", 0), ("6", 0)]


def test_what_did_not_move_is_not_kept_again_and_is_as_soon_as_it_moves() -> None:
    clock, table = FakeClock(), Table()
    checkpoints = Checkpoints(every_seconds=10, every_records=2, clock=clock)
    checkpoints.keep((1, 0), table)
    for _ in range(5):
        checkpoints.note_record(1)
        checkpoints.keep_if_due((1, 0), table)
    assert table.kept == [("1", 0)]
    checkpoints.keep_if_due((2, 0), table)
    assert table.kept == [("1", 0), ("2", 0)]


def test_after_a_lost_lease_the_table_is_never_asked_again() -> None:
    table = Table("ShutdownException")
    checkpoints = Checkpoints(every_seconds=1, clock=FakeClock())
    with pytest.raises(LeaseLost):
        checkpoints.keep((1, 0), table)
    checkpoints.keep((2, 0), table)
    assert table.kept == []


class Stuck:
    """A delivery that never comes back, until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def deliver(self, bulk: Bulk) -> Answer:
        self.go.wait(20)
        return Answer(outcomes=())


def test_a_shutdown_does_not_wait_for_the_engine_beyond_its_patience() -> None:
    clock, table, stuck = SystemClock(), Table(), Stuck()
    pipeline = Pipeline(
        decoder=Decoder(CodecOptions()),
        delivery=stuck,
        deadletters=MemoryDeadLetters(),
        bounds=BatchBounds(in_flight=2),
        clock=clock,
    )
    processor = ShardProcessor(
        stream="s",
        pipeline=lambda _shard: pipeline,
        checkpoints=Checkpoints(every_seconds=60, clock=clock),
        patience_seconds=0.05,
    )
    processor.initialize(
        messages.InitializeInput(
            {"action": "initialize", "shardId": "0", "sequenceNumber": "0", "subSequenceNumber": 0}
        )
    )
    line = b"2 123456789012 eni-0a1b2c3d 10.0.0.1 10.0.0.2 1234 443 6 10 8400 1700000000 1700000060 ACCEPT OK"
    for number, data in enumerate((b"", line)):
        processor._submit(
            messages.Record(
                {
                    "action": "record",
                    "data": base64.b64encode(data).decode(),
                    "partitionKey": "k",
                    "sequenceNumber": str(number + 1),
                    "subSequenceNumber": 0,
                    "approximateArrivalTimestamp": 1_700_000_100_000,
                }
            )
        )
    shutdown = messages.ShutdownRequestedInput({"action": "shutdownRequested"})
    shutdown._checkpointer = table
    processor.shutdown_requested(shutdown)
    assert table.kept == [("1", 0)]
    assert pipeline.waiting == 1
    stuck.go.set()
