"""Records of the Kinesis Producer Library: several in one, taken apart by the KCL.

https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from vpcflow.stack.streams import client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MAGIC = b"\xf3\x89\x9a\xc2"


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def chunk(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def index(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def aggregate(records: Sequence[tuple[str, bytes]], hash_key: str = "") -> bytes:
    """Return the user records as one, by partition key or all with one explicit hash key."""
    body = b"".join(chunk(1, key.encode()) for key, _ in records)
    body += chunk(2, hash_key.encode()) if hash_key else b""
    for number, (_, data) in enumerate(records):
        body += chunk(3, index(1, number) + (index(2, 0) if hash_key else b"") + chunk(3, data))
    return MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


def put(scene: Scene, data: bytes, hash_key: str) -> str:
    with client("kinesis", scene.streams.kinesis_url) as kinesis:
        reply = kinesis.put_record(StreamName=scene.name, PartitionKey="a", ExplicitHashKey=hash_key, Data=data)
    return str(reply["SequenceNumber"])


def records(first: int) -> list[tuple[str, bytes]]:
    from tests.e2e.conftest import payload

    return [(f"key-{number}", payload(number, 1)) for number in range(first, first + 20)]


def test_aggregates_are_checkpointed_by_subsequence_and_mixed_keys_are_lost_by_the_kcl(scene: Scene) -> None:
    from tests.e2e.conftest import payload, until

    shard = "shardId-000000000000"
    scene.stream(shards=2)
    scene.start()
    sequence = put(scene, aggregate(records(0), hash_key="1"), hash_key="1")
    scene.sent = 20
    scene.arrived()
    until(lambda: scene.checkpoints()[shard] == (sequence, 19), 60, "checkpoint of the last user record")

    # One user record that hashes to the other shard, and the KCL throws all of them away, without a word.
    put(scene, aggregate(records(100)), hash_key="1")
    plain = put(scene, payload(20, 1), hash_key="1")
    scene.sent = 21
    scene.arrived()
    until(lambda: scene.checkpoints()[shard] == (plain, 0), 60, "checkpoint behind the lost aggregate")
    assert scene.flows() == list(range(21))
