"""A part of a Kinesis shard, read once more.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html: AT_SEQUENCE_NUMBER. What is older than the
stream's retention is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vpcflow.aws import explained
from vpcflow.clock import Clock
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.errors import DeadLetterError

__all__ = ["reread"]

_EMPTY_READS = 20  # an answer may be empty though there is more
_PAUSE_SECONDS = 0.25  # a shard gives five answers a second


def reread(kinesis: Any, batch: Mapping[str, Any], clock: Clock) -> Iterator[tuple[str, bytes, int] | Unreadable]:  # noqa: ANN401
    """Yield sequence number, data and arrival (ms) of each record of a batch; and what says that some are gone.

    Args:
        kinesis: a boto3 client.
        batch: the `KinesisBatchInfo` of a failed invocation.
        clock: for the pauses between reads.
    """
    first, last = str(batch["startSequenceNumber"]), int(batch["endSequenceNumber"])
    stream, shard = batch["streamArn"].rpartition("/")[2], batch["shardId"]
    where = f"kinesis:{stream} {shard} {first}"
    found = 0
    try:
        for record in _records(kinesis, stream, shard, first, clock):
            if int(record["SequenceNumber"]) > last:
                break
            found += 1
            arrival_ms = round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
            yield record["SequenceNumber"], record["Data"], arrival_ms
            if int(record["SequenceNumber"]) == last:
                break
    except DeadLetterError as error:
        yield Unreadable(where, f"the stream cannot be read: {error}")
        return
    missing = int(batch.get("batchSize", found)) - found
    if missing > 0:
        yield Unreadable(where, f"{missing} of {batch['batchSize']} records are no longer in the stream")


def _records(kinesis: Any, stream: str, shard: str, first: str, clock: Clock) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401
    with explained(f"kinesis:{stream}", "kinesis.region"):
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard, ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=first
        )["ShardIterator"]
        empty = 0
        while iterator and empty < _EMPTY_READS:
            reply = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            yield from reply["Records"]
            if not reply["Records"]:
                if not reply.get("MillisBehindLatest"):
                    return
                empty += 1
                clock.sleep(_PAUSE_SECONDS)
            iterator = reply.get("NextShardIterator")
