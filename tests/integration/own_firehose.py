"""LocalStack with our strict Firehose in place of its own: `tests/firehose/emulator`, on simulated time.

It calls the same functions in LocalStack, and writes into its buckets. What CloudWatch Logs sends goes through a stream of
LocalStack, from which it is taken.
"""

from __future__ import annotations

import json
import time

from tests.firehose.emulator.bucket import S3Bucket
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.http_endpoint import Endpoint as HttpEndpoint
from tests.firehose.emulator.http_endpoint import HttpDestination
from tests.firehose.emulator.invocation import FUNCTION_ERROR, TIMED_OUT, InvocationFailed
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.integration.cloud import Bucket, Delivery, Endpoint, Function
from tests.integration.localstack_cloud import LocalStackCloud
from vpcflow.clock import FakeClock

__all__ = ["OwnFirehoseCloud"]


class OwnFirehoseCloud(LocalStackCloud):
    """LocalStack but for Firehose."""

    def delivery(self, function: Function | None, to: Bucket | Endpoint, errors: Bucket) -> Delivery:
        return OwnDelivery(self, function, to, errors)


class OwnDelivery:
    """A strict delivery stream. `stream`: the emulator, to be looked at."""

    def __init__(
        self, cloud: OwnFirehoseCloud, function: Function | None, to: Bucket | Endpoint, errors: Bucket
    ) -> None:
        self._cloud = cloud
        self._source = cloud.stream()
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
        )
        kinesis = cloud.client("kinesis")
        (shard,) = kinesis.list_shards(StreamName=self._source.name)["Shards"]
        self._iterator = kinesis.get_shard_iterator(
            StreamName=self._source.name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]

    def settle(self) -> None:
        """Take what was sent, and let time pass until nothing waits."""
        kinesis = self._cloud.client("kinesis")
        while True:
            answer = kinesis.get_records(ShardIterator=self._iterator)
            self._iterator = answer["NextShardIterator"]
            for record in answer["Records"]:
                self.stream.put_record_batch([record["Data"]])
            if not answer["Records"] and not answer["MillisBehindLatest"]:
                break
        self.stream.drain()

    def _invoke(self, function: Function):  # noqa: ANN202
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
