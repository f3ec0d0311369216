"""One shard: records into the pipeline, settled positions into the lease table.

kclpy swallows every exception and reports success, so nothing is raised to it: a callback returns when all is well and leaves
by SystemExit when not. The KCL then reads again from the last checkpoint.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator

from amazon_kclpy import messages
from amazon_kclpy.v3 import processor as v3

from consumer.checkpoint import Checkpointer, Checkpoints
from consumer.monitor import UNMONITORED, Monitored
from vpcflow.codec.origins import kinesis_origin
from vpcflow.errors import EX_SOFTWARE, LeaseLost, Stopped, VpcFlowError
from vpcflow.logs import get_logger
from vpcflow.pipeline.pipeline import Pipeline, Record

__all__ = ["ShardProcessor"]

log = get_logger(__name__)


class ShardProcessor(v3.RecordProcessorBase):  # type: ignore[misc]
    """What kclpy calls."""

    def __init__(
        self,
        *,
        stream: str,
        pipeline: Callable[[str], Pipeline],
        checkpoints: Checkpoints,
        patience_seconds: float | None = None,
        monitor: Monitored = UNMONITORED,
    ) -> None:
        """Keep the parts.

        Args:
            stream: its name.
            pipeline: builds the pipeline of a shard, once its name is known.
            checkpoints: of this shard.
            patience_seconds: what is not settled so long after a shutdown was requested is left to the next holder.
            monitor: told how the shard fares.
        """
        self._stream = stream
        self._build = pipeline
        self._checkpoints = checkpoints
        self._patience = patience_seconds
        self._monitor = monitor
        self._shard = ""
        self._submitted: tuple[int, int] | None = None

    def initialize(self, initialize_input: messages.InitializeInput) -> None:
        """Learn the shard's name and build its pipeline."""
        with self._leaving():
            self._shard = initialize_input.shard_id
            self._monitor.begins(self._shard)
            self._pipeline = self._build(self._shard)
            self._monitor.serves()
            log.info("shard begun", extra={"fields": {"shard": self._shard, "at": initialize_input.sequence_number}})

    def process_records(self, process_records_input: messages.ProcessRecordsInput) -> None:
        """Submit each record; an empty list (an idle shard) is the moment to send what waits for company."""
        checkpointer = process_records_input.checkpointer
        with self._leaving(checkpointer):
            if self._checkpoints.lost:
                return
            records = process_records_input.records
            self._monitor.reads(process_records_input.millis_behind_latest, records=bool(records))
            for record in records:
                self._submit(record)
                self._checkpoints.keep_if_due(self._pipeline.settled, checkpointer)
            self._pipeline.flush_if_due()
            self._checkpoints.keep_if_due(self._pipeline.settled, checkpointer)
            if self._checkpoints.last == self._submitted:
                self._monitor.all_kept()

    def lease_lost(self, lease_lost_input: messages.LeaseLostInput) -> None:  # noqa: ARG002 - kclpy's signature
        """Drop what is not settled: the new holder of the lease reads it again."""
        self._checkpoints.lost = True
        self._monitor.leaves()
        self._pipeline.close()
        log.info("lease lost", extra={"fields": {"shard": self._shard}})

    def shard_ended(self, shard_ended_input: messages.ShardEndedInput) -> None:
        """Settle everything, then say that the shard is done: only then are its children read."""
        with self._leaving(shard_ended_input.checkpointer):
            self._pipeline.flush()
            unread = self._checkpoints.lost  # then the rest of a batch was left to the next holder
            if unread or (self._submitted is not None and self._pipeline.settled != self._submitted):
                raise VpcFlowError(
                    f"shard {self._shard} ended with records that are not settled; it will be read again"
                )
            self._checkpoints.keep_end(shard_ended_input.checkpointer)
            self._monitor.leaves()
            log.info("shard ended", extra={"fields": {"shard": self._shard}})

    def shutdown_requested(self, shutdown_requested_input: messages.ShutdownRequestedInput) -> None:
        """Send what is there and checkpoint it, before the lease is given up."""
        with self._leaving(shutdown_requested_input.checkpointer):
            self._pipeline.flush(seconds=self._patience)
            self._checkpoints.keep(self._pipeline.settled, shutdown_requested_input.checkpointer)
            self._monitor.leaves()
            left = self._pipeline.waiting
            log.info("shard given up", extra={"fields": {"shard": self._shard, "unsettled_documents": left}})

    def _submit(self, record: messages.Record) -> None:
        sequence, subsequence = record.sequence_number, record.sub_sequence_number or 0
        position = (int(sequence), subsequence)
        arrival: int = record.timestamp_millis
        origin = kinesis_origin(
            stream=self._stream,
            shard=self._shard,
            sequence=sequence,
            subsequence=subsequence,
            arrival_ms=arrival if arrival > 0 else None,  # see consumer.child: the KCL may not know it
        )
        data = record.binary_data  # decoded at each look
        self._submitted = position
        self._checkpoints.note_record(len(data))
        self._pipeline.submit(Record(data=data, origin=origin, position=position))

    @contextlib.contextmanager
    def _leaving(self, checkpointer: Checkpointer | None = None) -> Iterator[None]:
        """Turn exceptions into what kclpy does not swallow."""
        try:
            try:
                yield
            except Stopped:
                self._keep_settled(checkpointer)
                raise
        except LeaseLost as error:  # the KCL says so too, after this; until then nothing more is sent or checkpointed
            self._monitor.leaves()
            log.info("lease lost", extra={"fields": {"shard": self._shard, "reason": str(error)}})
        except VpcFlowError as error:
            fields = {"shard": self._shard, "reason": str(error), "exit_code": error.exit_code}
            log.log(30 if isinstance(error, Stopped) else 40, "child leaves", extra={"fields": fields})
            raise SystemExit(error.exit_code) from error
        except Exception as error:
            fields = {"shard": self._shard, "exit_code": EX_SOFTWARE, "traceback": traceback.format_exc()}
            log.error("child fails: a defect of this program", extra={"fields": fields})  # noqa: TRY400 - one line
            raise SystemExit(EX_SOFTWARE) from error

    def _keep_settled(self, checkpointer: Checkpointer | None) -> None:
        """On a stop, save what was settled before the wait: it need not be read again."""
        if checkpointer is not None:
            self._checkpoints.keep(self._pipeline.settled, checkpointer)
