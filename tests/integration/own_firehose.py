"""LocalStack with our strict Firehose in place of its own: `tests/firehose/emulator`, on simulated time.

It calls the same functions in LocalStack, and writes into its buckets. What CloudWatch Logs sends goes through a stream of
LocalStack, from which it is taken.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from tests.firehose.emulator.bucket import S3Bucket
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.http_endpoint import Endpoint as HttpEndpoint
from tests.firehose.emulator.http_endpoint import HttpDestination
from tests.firehose.emulator.invocation import FUNCTION_ERROR, TIMED_OUT, InvocationFailed, Invoke
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.integration.cloud import Bucket, Delivery, Endpoint, Function, Named
from tests.integration.localstack_cloud import LocalStackCloud
from vpcflow.clock import FakeClock

__all__ = ["OwnDelivery", "OwnFirehoseCloud"]


class OwnFirehoseCloud(LocalStackCloud):
    """LocalStack but for Firehose."""

    def delivery(
        self, function: Function | None, to: Bucket | Endpoint, errors: Bucket, source: Named | None = None
    ) -> Delivery:
        return OwnDelivery(self, function, to, errors, source)


class OwnDelivery:
    """A strict delivery stream. `stream`: the emulator, to be looked at."""

    def __init__(
        self,
        cloud: OwnFirehoseCloud,
        function: Function | None,
        to: Bucket | Endpoint,
        errors: Bucket,
        source: Named | None,
    ) -> None:
        self._cloud, self._reads = cloud, source is not None
        self._source = source or cloud.stream()
        self.arn = self._source.arn
        if isinstance(to, Bucket):
            destination, bucket = S3Destination(seconds=60), to
        else:
            endpoint = HttpEndpoint(url=to.url, access_key=to.key, compressed=True, seconds=60)
            destination, bucket = HttpDestination(endpoint), errors
        self.stream = DeliveryStream(
            cloud.named("delivery"),
            destination,
            clock=FakeClock(wall_ms=round(time.time() * 1000)),
            processing=Processing(invoke=None if function is None else self._invoke(function)),
            bucket=_Split(S3Bucket(cloud.client("s3"), bucket.name), S3Bucket(cloud.client("s3"), errors.name)),
            prefix="delivered/",
            error_prefix="errors/!{firehose:error-output-type}/",
            kinesis="" if source is None else source.arn,
        )
        self._read: dict[str, str] = {}

    def settle(self) -> None:
        """Take what was sent, and let time pass until nothing waits, nor came back into the stream that is read."""
        while self._take():
            self.stream.drain()

    def _take(self) -> int:
        """Put what the stream has that was not read yet; return how many records that were."""
        taken = 0
        for shard in self._cloud.client("kinesis").list_shards(StreamName=self._source.name)["Shards"]:
            for record in self._unread(shard["ShardId"]):
                taken += 1
                if self._reads:
                    self.stream.put_records([(record["Data"], record["PartitionKey"])])
                else:
                    self.stream.put_record_batch([record["Data"]])
        return taken

    def _unread(self, shard: str) -> Iterator[dict[str, Any]]:
        kinesis, name = self._cloud.client("kinesis"), self._source.name
        if shard not in self._read:
            self._read[shard] = kinesis.get_shard_iterator(
                StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=self._read[shard])
            self._read[shard] = answer["NextShardIterator"]
            yield from answer["Records"]
            if not answer["Records"] and not answer["MillisBehindLatest"]:
                return

    def _invoke(self, function: Function) -> Invoke:
        def invoke(payload: bytes) -> bytes:
            failed, said = self._cloud.call(function.name, payload)
            if failed:
                timed_out = json.loads(said).get("errorType") == "Sandbox.Timedout"
                raise InvocationFailed(TIMED_OUT if timed_out else FUNCTION_ERROR)
            return said

        return invoke


class _Split:
    """What is delivered goes to one bucket, what failed to another."""

    def __init__(self, delivered: S3Bucket, errors: S3Bucket) -> None:
        self._delivered, self._errors = delivered, errors

    def put(self, key: str, body: bytes) -> None:
        (self._errors if key.startswith("errors/") else self._delivered).put(key, body)
