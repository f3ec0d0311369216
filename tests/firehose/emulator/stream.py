"""The delivery stream: source, stages, function, destination, error prefix."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.firehose.emulator import limits, stages
from tests.firehose.emulator.bucket import Bucket, MemoryBucket, Prefixes, delivery_entry, lines, processing_entry
from tests.firehose.emulator.destinations import Destination, Surroundings
from tests.firehose.emulator.limits import Refused
from tests.firehose.emulator.processor import Processing, Processor
from tests.firehose.emulator.records import Failure, KinesisMetadata, Record
from vpcflow.clock import FakeClock

REGION, ACCOUNT = "us-east-1", "123456789012"
SHARD = "shardId-000000000000"
_AS_IT_CAME = ("decompression-failed", "dynamic-partitioning-failed")


def never(_index: int) -> bool:
    return False


class DeliveryStream:
    """One stream. Time stands still but for `run_for` and `drain`; puts may come from another thread, as re-ingestion does.

    kinesis: name of the Kinesis stream that is its source; records then come by `put_records` alone.
    throttled: asked for each record of a put by its place; what it says yes to is not taken (ServiceUnavailableException).
    most: records that a test may put, those that go round among them; beyond it they go round without an end, and it fails.
    """

    def __init__(
        self,
        name: str,
        destination: Destination,
        *,
        clock: FakeClock,
        processing: Processing | None = None,
        bucket: Bucket | None = None,
        prefix: str = "",
        error_prefix: str = "",
        kinesis: str = "",
    ) -> None:
        self.name, self.arn = name, f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{name}"
        self.clock, self.destination = clock, destination
        self.bucket: Any = MemoryBucket() if bucket is None else bucket
        self.throttled: Callable[[int], bool] = never
        self.accepted: list[Record] = []
        self.most = 20_000
        self._processing = Processing() if processing is None else processing
        self._prefixes = Prefixes(stream=name, prefix=prefix, error=error_prefix)
        self._kinesis, self._numbers, self._lock = kinesis, itertools.count(1), threading.RLock()
        self._errors: dict[str, list[tuple[Record, dict[str, object]]]] = {}
        head = {"deliveryStreamArn": self.arn, "region": REGION}
        if kinesis:
            head["sourceKinesisStreamArn"] = self.source_arn
        self.processor = Processor(self._processing, head, clock, passed=self._passed, failed=self._not_processed)
        destination.start(
            Surroundings(
                clock=clock, bucket=self.bucket, prefixes=self._prefixes, arn=self.arn, failed=self._not_delivered
            )
        )

    @property
    def source_arn(self) -> str:
        given = self._kinesis.startswith("arn:")
        return self._kinesis if given else f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{self._kinesis}"

    # -- sources ----------------------------------------------------------------------------------------------------

    def put_record_batch(self, records: Sequence[bytes], *, from_logs: bool = False) -> dict[str, Any]:
        """Take records, answer as the API does: https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html.

        from_logs: the caller is CloudWatch Logs. Raises Refused.
        """
        if self._kinesis:
            raise Refused(
                "InvalidArgumentException", "this operation is not permitted on a stream with a Kinesis source"
            )
        if self._processing.decompression and not from_logs:
            raise Refused("InvalidSourceException", "only CloudWatch Logs may put while its decompression is enabled")
        if not 0 < len(records) <= limits.MAX_PUT_RECORDS:
            raise Refused(
                "InvalidArgumentException", f"{len(records)} records: 1 to {limits.MAX_PUT_RECORDS} are taken"
            )
        if max(map(len, records)) > limits.MAX_RECORD_BYTES:
            raise Refused("InvalidArgumentException", f"a record is over {limits.MAX_RECORD_BYTES} bytes")
        if sum(map(len, records)) > limits.MAX_PUT_BYTES:
            raise Refused("InvalidArgumentException", f"all records are over {limits.MAX_PUT_BYTES} bytes")
        answers = [self._put(index, data, None) for index, data in enumerate(records)]
        failed = sum("ErrorCode" in answer for answer in answers)
        return {"FailedPutCount": failed, "Encrypted": False, "RequestResponses": answers}

    def put_records(self, records: Sequence[tuple[bytes, str]]) -> dict[str, Any]:
        """Put (data, partition key) into the Kinesis stream that is the source.

        https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html. Raises Refused.
        """
        if not self._kinesis:
            raise Refused("ResourceNotFoundException", "the stream has no Kinesis source")
        if not 0 < len(records) <= limits.MAX_PUT_RECORDS:
            raise Refused("ValidationException", f"{len(records)} records: 1 to {limits.MAX_PUT_RECORDS} are taken")
        answers = [self._put(index, data, key) for index, (data, key) in enumerate(records)]
        failed = sum("ErrorCode" in answer for answer in answers)
        return {"FailedRecordCount": failed, "Records": answers}

    def _put(self, index: int, data: bytes, partition_key: str | None) -> dict[str, Any]:
        if self.throttled(index):
            code = "ServiceUnavailableException" if partition_key is None else "ProvisionedThroughputExceededException"
            return {"ErrorCode": code, "ErrorMessage": "Slow down."}
        with self._lock:
            sequence = f"{49626154501644110739257545332878746850728803363251552258 + next(self._numbers)}"
            record = Record(
                record_id=f"{sequence}000000",
                original=data,
                data=data,
                arrival_ms=self.clock.wall_ms(),
                kinesis=None
                if partition_key is None
                else KinesisMetadata(shard=SHARD, partition_key=partition_key, sequence=sequence),
            )
            self.accepted.append(record)
            self._enter(record)
        if partition_key is None:
            return {"RecordId": record.record_id}
        return {"SequenceNumber": sequence, "ShardId": SHARD}

    def _enter(self, record: Record) -> None:
        """Take a record through the stages before the function."""
        if self._processing.decompression:
            try:
                record = stages.decompressed(record)
            except stages.NotCompressed:
                self._not_delivered("decompression-failed", record, stages.DECOMPRESSION_FAILED, {})
                return
            if self._processing.message_extraction:
                record = stages.extracted(record)
        if self._processing.invoke is None:
            self._passed(record)
        else:
            self.processor.add(record)

    # -- ways out ---------------------------------------------------------------------------------------------------

    def _passed(self, record: Record) -> None:
        if self._processing.append_delimiter:
            record = replace(record, data=record.data + b"\n")
        self.destination.add(record)

    def _not_processed(self, record: Record, failure: Failure) -> None:
        entry = processing_entry(record, failure, self.clock.wall_ms(), self._processing.function_arn)
        self._errors.setdefault("processing-failed", []).append((record, entry))

    def _not_delivered(self, kind: str, record: Record, failure: Failure, more: Mapping[str, object]) -> None:
        """Note a line. Where the function's work was in vain, AWS keeps the record as it came.

        https://docs.aws.amazon.com/firehose/latest/dev/decomp-faq.html.
        """
        if kind in _AS_IT_CAME:
            record = replace(record, data=record.original)
        entry = delivery_entry(record, failure, self.clock.wall_ms(), more)
        self._errors.setdefault(kind, []).append((record, entry))

    def _write_errors(self) -> None:
        """Write what has failed, an object for each kind (that errors are not buffered for long is *assumed*)."""
        errors, self._errors = self._errors, {}
        for kind, pairs in errors.items():
            oldest = min(record.arrival_ms for record, _ in pairs)
            self.bucket.put(self._prefixes.error_key(oldest, kind), lines([entry for _, entry in pairs]))

    # -- time -------------------------------------------------------------------------------------------------------

    def _due(self) -> float | None:
        moments = (self.processor.due(), self.destination.due())
        return min((moment for moment in moments if moment is not None), default=None)

    def run_for(self, seconds: float) -> None:
        """Let so many seconds pass, with all that is due in them."""
        end = self.clock.monotonic() + seconds
        self._run(lambda moment: moment <= end)
        self.clock.advance(max(0.0, end - self.clock.monotonic()))

    def drain(self, *, hours: float = 24) -> None:
        """Let time pass until nothing waits; fails after as long as Firehose keeps records of a Direct PUT."""
        end = self.clock.monotonic() + hours * 3600
        self._run(lambda _moment: True, end)

    def _run(self, wanted: Callable[[float], bool], give_up: float = float("inf")) -> None:
        while (moment := self._due()) is not None and wanted(moment):
            assert moment <= give_up, "records wait for longer than Firehose keeps them"
            assert len(self.accepted) <= self.most, "records go round without an end"
            self.clock.advance(max(0.0, moment - self.clock.monotonic()))
            self._step()
            self._write_errors()
        self._write_errors()

    def _step(self) -> None:
        """Do the one thing that is due first; the function before the destination."""
        now = self.clock.monotonic()
        moment = self.processor.due()
        if moment is not None and moment <= now:
            self.processor.step()
        else:
            self.destination.step()
