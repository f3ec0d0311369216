"""When a shard's progress is written to the lease table, and what the lease table's refusals mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from amazon_kclpy.checkpoint_error import CheckpointError as KclCheckpointError

from consumer.monitor import UNMONITORED, Monitored
from vpcflow.clock import Clock
from vpcflow.errors import CheckpointError, CheckpointThrottled, LeaseLost, Stopped
from vpcflow.logs import get_logger
from vpcflow.retry import RetryPolicy

__all__ = ["Checkpointer", "Checkpoints"]

log = get_logger(__name__)

Position = tuple[int, int]

_PATIENCE = RetryPolicy(initial_seconds=0.5, max_seconds=2.0, deadline_seconds=5.0)

# Simple names of the KCL's Java exceptions. Any other is fatal: above all InvalidStateException, where the table is wrong
# or the two ends of the pipe no longer agree on whose turn it is.
_AGAIN = {"ThrottlingException", "KinesisClientLibDependencyException"}
_LOST = {"ShutdownException"}


class Checkpointer(Protocol):
    """The part of kclpy's checkpointer that is used."""

    def checkpoint(self, sequence_number: str | None = None, sub_sequence_number: int | None = None) -> None:
        """Write a position; without arguments: all that was delivered."""
        ...


class Checkpoints:
    """The checkpoints of one shard. Only settled positions are ever written, and each of them once."""

    def __init__(
        self,
        *,
        every_seconds: float,
        clock: Clock,
        every_records: int = 10_000,
        every_bytes: int = 64_000_000,
        monitor: Monitored = UNMONITORED,
    ) -> None:
        """Count time, records and their bytes from now on; whichever is reached first makes a checkpoint due.

        monitor: told what became of each checkpoint.
        """
        self.lost = False  # the lease, or the daemon itself: nothing may be asked any more
        self.last: Position | None = None
        self._every = every_seconds
        self._clock = clock
        self._monitor = monitor
        self._since = clock.monotonic()
        self._every_records = every_records
        self._every_bytes = every_bytes
        self._records = 0
        self._bytes = 0

    def note_record(self, size: int) -> None:
        """Count a record of `size` bytes."""
        self._records += 1
        self._bytes += size

    def keep_if_due(self, settled: Position | None, checkpointer: Checkpointer) -> None:
        """Checkpoint if something was settled since, and the time, the records or their bytes say so."""
        many = self._records >= self._every_records or self._bytes >= self._every_bytes
        if many or self._clock.monotonic() - self._since >= self._every:
            self.keep(settled, checkpointer)

    def keep(self, settled: Position | None, checkpointer: Checkpointer) -> None:
        """Checkpoint what is settled, if it moved. A busy lease table is no error: the next checkpoint covers this one.

        Raises:
            LeaseLost: the shard is another worker's; never ask again.
            CheckpointError: the lease table refuses for good.
        """
        if self.lost or settled is None or settled == self.last:
            return
        sequence, subsequence = settled
        try:
            self._write(lambda: checkpointer.checkpoint(str(sequence), subsequence))
        except CheckpointThrottled as error:
            log.warning("checkpoint put off", extra={"fields": {"reason": str(error)}})
        else:
            self.last = settled
            log.debug("checkpoint", extra={"fields": {"sequence": str(sequence), "subsequence": subsequence}})
        self._since = self._clock.monotonic()
        self._records = 0
        self._bytes = 0

    def keep_end(self, checkpointer: Checkpointer) -> None:
        """Checkpoint the end of the shard. Its children are read only after that.

        Raises:
            CheckpointThrottled: the lease table stayed busy; the end will be told again.
            LeaseLost: the shard is another worker's.
            CheckpointError: the lease table refuses for good.
        """
        self._write(checkpointer.checkpoint)

    def _write(self, call: Callable[[], None]) -> None:
        # No `should_stop`: a stop is when a checkpoint is wanted most, and this ends soon by itself.
        try:
            _PATIENCE.run(lambda: self._once(call), again_on=CheckpointThrottled, clock=self._clock, on_wait=_tell)
        except CheckpointThrottled:
            self._monitor.checkpoint("throttled")
            raise
        except LeaseLost:
            self._monitor.checkpoint("lost")
            raise
        self._monitor.checkpoint("kept")

    def _once(self, call: Callable[[], None]) -> None:
        try:
            call()
        except KclCheckpointError as error:
            name = str(error.value)
            if name in _AGAIN:
                raise CheckpointThrottled(f"lease table: {name}") from error
            if name in _LOST:
                self.lost = True
                raise LeaseLost("another worker holds the lease of this shard now") from error
            raise CheckpointError(f"lease table: the KCL refuses the checkpoint: {name}") from error
        except (ValueError, OSError) as error:  # an empty line where an answer was due, or nobody to read the question
            self.lost = True
            raise Stopped("the daemon left while it was asked for a checkpoint") from error


def _tell(reason: str, seconds: float) -> None:
    log.info("checkpoint tried again", extra={"fields": {"reason": reason, "wait_seconds": round(seconds, 3)}})
