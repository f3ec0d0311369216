"""Streams and lease tables on the emulators: made, filled, and seeded so that a consumer starts in seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vpcflow.stack.errors import StackError

__all__ = ["CREDENTIALS", "client", "create_stream", "put_records", "seed_leases"]

REGION = "us-east-1"
# The emulators take anything; what speaks AWS insists on something.
CREDENTIALS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_CALL_RECORDS, _CALL_BYTES = 500, 5_000_000
_TRIES = 10
_READY_SECONDS = 30.0


@contextlib.contextmanager
def client(service: str, url: str) -> Iterator[Any]:
    """Give a boto3 client of an emulator, closed afterwards."""
    import boto3
    from botocore.config import Config

    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    made = session.client(service, endpoint_url=url, config=Config(proxies={}, read_timeout=60))
    try:
        yield made
    finally:
        made.close()


def create_stream(kinesis_url: str, name: str, shards: int = 1) -> None:
    """Create a stream and wait until it is active."""
    with client("kinesis", kinesis_url) as kinesis:
        kinesis.create_stream(StreamName=name, ShardCount=shards)
        end = time.monotonic() + _READY_SECONDS
        while _status(kinesis, name) != "ACTIVE":
            if time.monotonic() > end:
                raise StackError(f"stream {name!r} did not become active within {_READY_SECONDS:.0f} s")
            time.sleep(0.1)


def _status(kinesis: Any, name: str) -> str:  # noqa: ANN401 - boto3 has no types
    return str(kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"])


def put_records(kinesis_url: str, stream: str, records: Iterable[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """Put (partition key, data) pairs; return the shard and sequence number of each, in the order given.

    Records that the stream refuses for the moment are put again; those of one call may then change their order.

    Raises:
        StackError: some are still refused after ten tries.
    """
    with client("kinesis", kinesis_url) as kinesis:
        return [place for call in _calls(records) for place in _put(kinesis, stream, call)]


def _calls(records: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """Cut into what one PutRecords call may hold."""
    call: list[tuple[str, bytes]] = []
    size = 0
    for key, data in records:
        one = len(key.encode()) + len(data)
        if call and (len(call) == _CALL_RECORDS or size + one > _CALL_BYTES):
            yield call
            call, size = [], 0
        call.append((key, data))
        size += one
    if call:
        yield call


def _put(kinesis: Any, stream: str, call: list[tuple[str, bytes]]) -> list[tuple[str, str]]:  # noqa: ANN401
    places: dict[int, tuple[str, str]] = {}
    refused = ""
    for attempt in range(_TRIES):
        left = [index for index in range(len(call)) if index not in places]
        if not left:
            break
        if attempt:
            time.sleep(min(0.1 * 2**attempt, 2.0))
        asked = [{"PartitionKey": call[index][0], "Data": call[index][1]} for index in left]
        answer = kinesis.put_records(StreamName=stream, Records=asked)
        for index, one in zip(left, answer["Records"], strict=True):
            if one.get("ErrorCode"):
                refused = str(one["ErrorCode"])
            else:
                places[index] = (one["ShardId"], one["SequenceNumber"])
    if len(places) < len(call):
        raise StackError(f"stream {stream!r} refused {len(call) - len(places)} records {_TRIES} times: {refused}")
    return [places[index] for index in range(len(call))]


def seed_leases(dynamodb_url: str, table: str, kinesis_url: str, stream: str) -> None:
    """Create a consumer's lease table with a lease for every shard, to be read from its oldest record.

    The KCL makes all this itself, but takes 50 to 100 s for it: it waits for the index, then for leases to be given out.
    """
    with client("kinesis", kinesis_url) as kinesis:
        shards = kinesis.list_shards(StreamName=stream)["Shards"]
    with client("dynamodb", dynamodb_url) as dynamodb:
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": "leaseKey", "AttributeType": "S"},
                {"AttributeName": "leaseOwner", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "LeaseOwnerToLeaseKeyIndex",
                    "KeySchema": [
                        {"AttributeName": "leaseOwner", "KeyType": "HASH"},
                        {"AttributeName": "leaseKey", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        for shard in shards:
            dynamodb.put_item(TableName=table, Item=_lease(shard))


def _lease(shard: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    keys = shard["HashKeyRange"]
    return {
        "leaseKey": {"S": shard["ShardId"]},
        "checkpoint": {"S": "TRIM_HORIZON"},
        "leaseCounter": {"N": "0"},
        "ownerSwitchesSinceCheckpoint": {"N": "0"},
        "checkpointSubSequenceNumber": {"N": "0"},
        "startingHashKey": {"S": keys["StartingHashKey"]},
        "endingHashKey": {"S": keys["EndingHashKey"]},
    }
