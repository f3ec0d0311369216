"""Events as Firehose sends them, and a judge of replies that knows nothing of the code.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html: every record id exactly once, unchanged; one of three
results; data in base64; keys for partitions are text. We promise more: the order, and failed records with their own data.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

ARRIVAL = 1_418_530_100_000
ARN = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/flows"
STREAM_ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/source"
LINE = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
BROKEN = LINE.replace(" 22 ", " 99999 ")
RESULTS = {"Ok", "Dropped", "ProcessingFailed"}


def lines(count: int, first: int = 0) -> list[str]:
    """Return different lines."""
    return [LINE.replace("4249", str(number)) for number in range(first, first + count)]


def message(*texts: str, kind: str = "DATA_MESSAGE", tag: str = "", **more: object) -> dict[str, Any]:
    """Return a CloudWatch Logs payload."""
    events = [
        {"id": f"{tag}{number:050d}", "timestamp": 1_418_530_010_000, "message": text}
        for number, text in enumerate(texts)
    ]
    body = {"messageType": kind, "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"]}
    return {**body, "logEvents": events, **more}


def payload(*texts: str, kind: str = "DATA_MESSAGE", tag: str = "", level: int = 6, **more: object) -> bytes:
    """Return it as it comes: gzip."""
    return gzip.compress(json.dumps(message(*texts, kind=kind, tag=tag, **more)).encode(), level)


def event(*data: bytes, kinesis: bool = False, arrival: int = ARRIVAL) -> dict[str, Any]:
    """Return an event with these records."""
    records: list[dict[str, Any]] = [
        {
            "recordId": f"4962615450164411073925745533287874685072880336325155{number:06d}000000",
            "approximateArrivalTimestamp": arrival,
            "data": base64.b64encode(one).decode(),
        }
        for number, one in enumerate(data)
    ]
    known: dict[str, Any] = {"invocationId": "i", "deliveryStreamArn": ARN, "region": "eu-central-1"}
    if kinesis:
        known["sourceKinesisStreamArn"] = STREAM_ARN
        for number, record in enumerate(records):
            record["kinesisRecordMetadata"] = {
                "sequenceNumber": str(number),
                "subsequenceNumber": 0,
                "partitionKey": f"key-{number}",
                "shardId": "shardId-000000000000",
                "approximateArrivalTimestamp": arrival,
            }
    return {**known, "records": records}


def judged(sent: dict[str, Any], reply: dict[str, Any], limit: int = 5_000_000) -> list[tuple[str, bytes]]:
    """Return result and data of each record; a breach of the contract is an AssertionError."""
    text = json.dumps(reply)
    assert len(text.encode()) <= limit
    reply = json.loads(text)
    assert set(reply) == {"records"}
    assert [one["recordId"] for one in reply["records"]] == [one.get("recordId") for one in sent["records"]]
    found = []
    for record, one in zip(sent["records"], reply["records"], strict=True):
        assert set(one) <= {"recordId", "result", "data", "metadata"}
        assert one["result"] in RESULTS
        if one["result"] == "ProcessingFailed":
            assert one["data"] == record["data"]
            found.append((one["result"], b""))
            continue
        data = base64.b64decode(one["data"], validate=True)
        assert bool(data) == (one["result"] == "Ok")
        assert "metadata" not in one or one["result"] == "Ok"
        for key, value in one.get("metadata", {"partitionKeys": {}})["partitionKeys"].items():
            assert isinstance(key, str)
            assert isinstance(value, str)
            assert value
        found.append((one["result"], data))
    return found


def documents(data: bytes) -> list[dict[str, Any]]:
    """Return what JSON lines hold."""
    assert data.endswith(b"}\n")
    return [json.loads(line) for line in data.splitlines()]


def ids(data: bytes) -> list[str]:
    """Return the ids in a `_bulk` body."""
    assert data.endswith(b"}\n")
    rows = [json.loads(line) for line in data.splitlines()]
    assert all(set(row) == {"create"} for row in rows[0::2])
    assert all("@timestamp" in row for row in rows[1::2])
    return [row["create"]["_id"] for row in rows[0::2]]


def buffered(records: Sequence[bytes], size: int = 3 << 20) -> list[list[bytes]]:
    """Return batches as Firehose may gather them: its size, before base64, is a hint, so the last record goes beyond it."""
    batches: list[list[bytes]] = []
    room = 0
    for record in records:
        if room <= 0:
            batches.append([])
            room = size
        batches[-1].append(record)
        room -= len(record)
    return batches
