from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from vpcflow.stack import Stack, StackError, streams


class Shard:
    """PutRecords of a stream that refuses some records at first."""

    def __init__(self, *refused: set[int]) -> None:
        self.refused = list(refused)
        self.calls: list[int] = []

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - theirs
        self.calls.append(len(Records))
        refused = self.refused.pop(0) if self.refused else set()
        return {
            "Records": [
                {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
                if index in refused
                else {"ShardId": "shardId-0", "SequenceNumber": record["Data"].decode()}
                for index, record in enumerate(Records)
            ]
        }


def test_refused_records_are_put_again_and_answers_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.time, "sleep", lambda _seconds: None)
    shard = Shard({1, 2}, {0})
    call = [("k", str(number).encode()) for number in range(4)]
    assert streams._put(shard, "s", call) == [("shardId-0", str(number)) for number in range(4)]
    assert shard.calls == [4, 2, 1]


def test_records_refused_for_good_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.time, "sleep", lambda _seconds: None)
    with pytest.raises(StackError, match="refused 1 records 10 times: ProvisionedThroughput"):
        streams._put(Shard(*[{0}] * 20), "s", [("k", b"x")])


def test_a_call_holds_500_records_or_5_megabytes() -> None:
    assert [len(call) for call in streams._calls(("k", b"x") for _ in range(1001))] == [500, 500, 1]
    assert [len(call) for call in streams._calls(("k", bytes(1_000_000)) for _ in range(9))] == [4, 4, 1]
    assert list(streams._calls([])) == []


@pytest.mark.stack
def test_a_stream_is_filled_and_its_leases_are_seeded(stack_kinesis: Stack) -> None:
    name = f"flow-{uuid4().hex[:8]}"
    streams.create_stream(stack_kinesis.kinesis_url, name, shards=2)
    records = [(f"key-{number}", f"data-{number}".encode()) for number in range(20)]
    places = streams.put_records(stack_kinesis.kinesis_url, name, records)
    assert len(places) == len(set(places)) == 20
    streams.seed_leases(stack_kinesis.dynamodb_url, f"app-{name}", stack_kinesis.kinesis_url, name)
    with streams.client("dynamodb", stack_kinesis.dynamodb_url) as dynamodb:
        leases = dynamodb.scan(TableName=f"app-{name}")["Items"]
    assert {lease["leaseKey"]["S"] for lease in leases} == {"shardId-000000000000", "shardId-000000000001"}
    assert {lease["checkpoint"]["S"] for lease in leases} == {"TRIM_HORIZON"}
