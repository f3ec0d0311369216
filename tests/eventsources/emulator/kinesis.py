"""The event source mapping of a stream: in order, shard by shard, from the last checkpoint on.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html. One call at a time over all shards; the position is the
beginning of the stream (TRIM_HORIZON).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from tests.eventsources.emulator import limits
from tests.eventsources.emulator.answers import WholeBatch, failures, said_explicitly
from tests.eventsources.emulator.destinations import DeliveryFailed, Destination, Nowhere, invocation_record, iso
from tests.eventsources.emulator.function import Said, Target, Throttled
from tests.eventsources.emulator.lane import Batch, Lane
from tests.eventsources.emulator.limits import within
from tests.eventsources.emulator.stream import Record, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. done: how many of its records count as done; problem: why the whole batch failed."""

    at: float
    shard: str
    sequences: tuple[str, ...]
    done: int
    problem: str = ""
    explicit: bool = True


class KinesisMapping:
    """`done`: records behind the checkpoint; `given_up`: those of failed invocations; `lost`: nowhere any more.

    payload_as_text: what `payload` of an object in S3 is; AWS's example shows a string.
    """

    def __init__(
        self,
        stream: Stream,
        target: Target,
        *,
        batch_size: int = 100,
        window: float = 0,
        parallelization: int = 1,
        retries: int = -1,
        record_age: float = -1,
        bisect: bool = False,
        report_batch_item_failures: bool = True,
        on_failure: Destination | None = None,
        payload_as_text: bool = True,
    ) -> None:
        within("BatchSize", batch_size, limits.KINESIS_BATCH)
        within("MaximumBatchingWindowInSeconds", window, limits.WINDOW_SECONDS)
        within("ParallelizationFactor", parallelization, limits.PARALLELIZATION)
        within("MaximumRetryAttempts", retries, limits.RETRY_ATTEMPTS)
        if record_age != -1:
            within("MaximumRecordAgeInSeconds", record_age, limits.RECORD_AGE_SECONDS)
        self.stream, self.id = stream, str(uuid.uuid4())
        self.done: list[Record] = []
        self.given_up: list[Record] = []
        self.lost: list[Record] = []
        self.calls: list[Call] = []
        self._target, self._retries, self._record_age, self._bisect = target, retries, record_age, bisect
        self._reporting, self._as_text = report_batch_item_failures, payload_as_text
        self._on_failure = on_failure or Nowhere()
        self._lanes = [
            Lane(stream, shard, number, parallelization, batch_size=batch_size, window=window)
            for shard in stream.shards
            for number in range(parallelization)
        ]

    # -- time -------------------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """Return when it acts next."""
        return min((moment for lane in self._lanes if (moment := lane.due()) is not None), default=None)

    def step(self) -> None:
        """Give the batch that is due first to the function."""
        due = [(moment, place) for place, lane in enumerate(self._lanes) if (moment := lane.due()) is not None]
        lane = self._lanes[min(due)[1]]
        batch = self._in_time(lane, lane.take())
        if not batch.records:
            return
        now = self.stream.clock.monotonic()
        try:
            said = self._target.invoke(lane.event(batch.records), now)
        except Throttled:
            batch.put_off(now)
            lane.again(batch)
            return
        batch.calls += 1
        batch.said = said
        self._settle(lane, batch, said, now)

    def _in_time(self, lane: Lane, batch: Batch) -> Batch:
        """Give up what is too old: with a record of it by its age, without any (*assumed*) where the stream let it go."""
        now = self.stream.clock.monotonic()
        expired = [record for record in batch.records if self.stream.has_expired(record)]
        self.lost += expired
        left = batch.records[len(expired) :]
        old = [] if self._record_age == -1 else [one for one in left if now - one.arrived > self._record_age]
        if old:
            self._give_up(lane, batch.part(old), "RecordAgeExceeded")
        batch.records = left[len(old) :]
        return batch

    # -- one call ---------------------------------------------------------------------------------------------------

    def _settle(self, lane: Lane, batch: Batch, said: Said, began: float) -> None:
        sequences = tuple(record.sequence for record in batch.records)
        done, problem = 0, ""
        try:
            reported = failures(said, sequences, reporting=self._reporting)
            done = min((sequences.index(sequence) for sequence in reported), default=len(sequences))
        except WholeBatch as error:
            problem = str(error)
        explicit = problem != "" or said_explicitly(said)
        self.calls.append(
            Call(at=began, shard=lane.shard, sequences=sequences, done=done, problem=problem, explicit=explicit)
        )
        self.done += batch.records[:done]
        batch.records = batch.records[done:]
        if batch.records:
            self._retry(lane, batch, progress=done > 0)

    def _retry(self, lane: Lane, batch: Batch, *, progress: bool) -> None:
        """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html.

        Splitting costs no retry; with a reported sequence number the batch is split there, and only the rest is tried again.
        Without splitting each failure costs one, after progress, too (*assumed*).
        """
        now = self.stream.clock.monotonic()
        if self._bisect and (progress or len(batch.records) > 1):
            batch.again = now
            lane.again(*([batch] if progress else _halves(batch)))
            return
        batch.failures += 1
        if self._retries != -1 and batch.failures > self._retries:
            self._give_up(lane, batch, "RetryAttemptsExhausted")
            return
        batch.put_off(now)
        lane.again(batch)

    # -- giving up --------------------------------------------------------------------------------------------------

    def _give_up(self, lane: Lane, batch: Batch, condition: str) -> None:
        """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html."""
        wall_ms = self.stream.clock.wall_ms()
        record = invocation_record(
            arn=self._target.arn,
            request_id=batch.request_id,
            condition=condition,
            calls=batch.calls,
            said=batch.said,
            wall_ms=wall_ms,
        )
        record["requestContext"]["functionArn"] = self._target.arn  # the page's example has no version here
        first, last = batch.records[0], batch.records[-1]
        record["KinesisBatchInfo"] = {
            "shardId": lane.shard,
            "startSequenceNumber": first.sequence,
            "endSequenceNumber": last.sequence,
            "approximateArrivalOfFirstRecord": iso(first.arrived_ms),
            "approximateArrivalOfLastRecord": iso(last.arrived_ms),
            "batchSize": len(batch.records),
            "streamArn": self.stream.arn,
        }
        try:
            if self._on_failure.holds_payload:
                event = lane.event(batch.records)
                record["payload"] = json.dumps(event) if self._as_text else event
            self._on_failure.put(f"{self.id}/{lane.shard}", record, wall_ms)
            self.given_up += batch.records
        except DeliveryFailed:
            self.lost += batch.records


def _halves(batch: Batch) -> Sequence[Batch]:
    middle = len(batch.records) // 2
    return batch.part(batch.records[:middle]), batch.part(batch.records[middle:])
