"""The transformation: batches to the function, again if need be, and what becomes of each record."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.firehose.emulator import limits, reply
from tests.firehose.emulator.buffering import Buffer
from tests.firehose.emulator.invocation import ARN, InvocationFailed, Invoke
from tests.firehose.emulator.limits import within
from tests.firehose.emulator.records import Failure, Record, b64
from vpcflow.clock import FakeClock

RETRY_PAUSE_SECONDS = 1.0
"""Between two calls for one batch: *assumed*."""


@dataclass(frozen=True, kw_only=True)
class Processing:
    """The processors of a stream. overshoot: see `Buffer`.

    https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html.
    """

    invoke: Invoke | None = None
    megabytes: float = limits.DEFAULT_PROCESSOR_MEGABYTES
    seconds: float = limits.DEFAULT_PROCESSOR_SECONDS
    retries: int = limits.DEFAULT_RETRIES
    function_arn: str = ARN
    decompression: bool = False
    message_extraction: bool = False
    append_delimiter: bool = False
    overshoot: bool = False

    def __post_init__(self) -> None:
        within("BufferSizeInMBs", self.megabytes, limits.PROCESSOR_MEGABYTES)
        within("BufferIntervalInSeconds", self.seconds, limits.PROCESSOR_SECONDS)
        if self.message_extraction and not self.decompression:
            raise limits.Refused("InvalidArgumentException", "CloudWatchLogProcessing needs Decompression")


@dataclass
class _Batch:
    """Records that go to the function together. at: the moment of the next call."""

    records: Sequence[Record]
    at: float
    invocation_id: str
    calls: int = 0


class Processor:
    """Calls the function. `passed` takes what it made, `failed` what could not be made; a dropped record is in neither."""

    def __init__(
        self,
        settings: Processing,
        head: dict[str, str],
        clock: FakeClock,
        *,
        passed: Callable[[Record], None],
        failed: Callable[[Record, Failure], None],
    ) -> None:
        self._settings, self._head, self._clock = settings, head, clock
        self._passed, self._failed = passed, failed
        self._buffer = Buffer(
            max_bytes=settings.megabytes * limits.MEGABYTE,
            seconds=settings.seconds,
            now=clock.monotonic,
            overshoot=settings.overshoot,
        )
        self._batches: list[_Batch] = []
        self.calls: list[list[str]] = []
        self.dropped: list[Record] = []

    def add(self, record: Record) -> None:
        self._buffer.add(record)

    def due(self) -> float | None:
        moments = [batch.at for batch in self._batches]
        moment = self._buffer.due()
        return min([*moments, *([] if moment is None else [moment])], default=None)

    def step(self) -> None:
        """Do the one thing that is due first."""
        now = self._clock.monotonic()
        moment = self._buffer.due()
        if moment is not None and moment <= now:
            self._batches.append(_Batch(self._buffer.take(), now, str(uuid.uuid4())))
        batch = min(self._batches, key=lambda one: one.at)
        self._batches.remove(batch)
        if not self._call(batch):
            self._batches.append(batch)

    def _call(self, batch: _Batch) -> bool:
        """Call the function once; return whether the batch is done with."""
        assert self._settings.invoke is not None
        batch.calls += 1
        self.calls.append([record.record_id for record in batch.records])
        try:
            payload = self._settings.invoke(self._event(batch))
        except InvocationFailed as error:
            if batch.calls <= self._settings.retries:
                batch.at = self._clock.monotonic() + RETRY_PAUSE_SECONDS
                return False
            self._give_up(batch, error.failure)
            return True
        try:
            answers = reply.judged(payload, batch.records)
        except reply.BadReply as error:
            self._give_up(batch, error.failure)
            return True
        for record, answer in zip(batch.records, answers, strict=True):
            self._settle(record, answer, batch.calls)
        return True

    def _settle(self, record: Record, answer: reply.Answer, calls: int) -> None:
        if answer.result == "Ok":
            self._passed(replace(record, data=answer.data, keys=answer.keys))
        elif answer.result == "Dropped":
            self.dropped.append(record)
        else:
            self._failed(record, replace(reply.PROCESSING_FAILED, attempts=calls))

    def _give_up(self, batch: _Batch, failure: Failure) -> None:
        for record in batch.records:
            self._failed(record, replace(failure, attempts=batch.calls))

    def _event(self, batch: _Batch) -> bytes:
        """Return the event: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesisfirehose.html."""
        records = [_row(record) for record in batch.records]
        return json.dumps({"invocationId": batch.invocation_id, **self._head, "records": records}).encode()


def _row(record: Record) -> dict[str, object]:
    row: dict[str, object] = {
        "recordId": record.record_id,
        "approximateArrivalTimestamp": record.arrival_ms,
        "data": b64(record.data),
    }
    if record.kinesis is not None:
        row["kinesisRecordMetadata"] = {
            "sequenceNumber": record.kinesis.sequence,
            "subsequenceNumber": record.kinesis.subsequence,
            "partitionKey": record.kinesis.partition_key,
            "shardId": record.kinesis.shard,
            "approximateArrivalTimestamp": record.arrival_ms,
        }
    return row
