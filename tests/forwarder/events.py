"""Events as AWS sends them to a function, in the shapes of its developer guide."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from hashlib import md5
from typing import Any
from urllib.parse import quote_plus

from aws_kinesis_agg.aggregator import RecordAggregator

REGION = "eu-west-1"
ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:flow-logs"
STREAM = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/flows"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:forwarder"
LINE = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
BROKEN = LINE.replace(" 22 ", " 99999 ")
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
ARRIVAL = 1_418_530_100.123
ARRIVAL_MS = 1_418_530_100_123
FIRST_SEQUENCE = 49590338271490256608559692538361571095921575989136588898


def lines(count: int, first: int = 0) -> list[str]:
    """Return different lines."""
    return [LINE.replace("4249", str(number)) for number in range(first, first + count)]


def message(*texts: str, kind: str = "DATA_MESSAGE", tag: str = "", **more: object) -> dict[str, Any]:
    """Return a payload of CloudWatch Logs."""
    events = [
        {"id": f"{tag}{number:050d}", "timestamp": 1_418_530_010_000, "message": text}
        for number, text in enumerate(texts)
    ]
    body = {"messageType": kind, "owner": ACCOUNT, "logGroup": "flows", "logStream": "eni-1235b8ca-all"}
    return {**body, "subscriptionFilters": ["all"], "logEvents": events, **more}


def payload(*texts: str, kind: str = "DATA_MESSAGE", tag: str = "", **more: object) -> bytes:
    """Return it as it comes: gzip."""
    return gzip.compress(json.dumps(message(*texts, kind=kind, tag=tag, **more)).encode(), mtime=0)


def logs_event(data: bytes) -> dict[str, Any]:
    return {"awslogs": {"data": base64.b64encode(data).decode()}}


def kinesis_event(*data: bytes, first: int = FIRST_SEQUENCE, arn: str = STREAM) -> dict[str, Any]:
    records = [
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": str(first + number),
                "data": base64.b64encode(one).decode(),
                "approximateArrivalTimestamp": ARRIVAL,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000006:{first + number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/lambda-role",
            "awsRegion": arn.split(":")[3],
            "eventSourceARN": arn,
        }
        for number, one in enumerate(data)
    ]
    return {"Records": records}


def sqs_event(*bodies: str, arn: str = QUEUE, receives: int = 1) -> dict[str, Any]:
    records = [
        {
            "messageId": f"{number:08d}-42bc-48a4-8464-d9ac41cb3dd8",
            "receiptHandle": f"handle-{number}",
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": str(receives),
                "SentTimestamp": str(ARRIVAL_MS),
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": str(ARRIVAL_MS),
            },
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": arn.split(":")[3],
        }
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def message_ids(event: dict[str, Any]) -> list[str]:
    return [record["messageId"] for record in event["Records"]]


def failed(answer: dict[str, Any]) -> list[str]:
    """Return the identifiers that come again; any other shape is an error."""
    assert set(answer) == {"batchItemFailures"}
    assert all(set(one) == {"itemIdentifier"} for one in answer["batchItemFailures"])
    names = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    assert all(isinstance(name, str) and name for name in names)
    return names


def s3_record(
    bucket: str, key: str, *, etag: str = "", name: str = "ObjectCreated:Put", region: str = REGION
) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": "2014-12-14T04:09:00.000Z",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": quote_plus(key, safe="/"), "size": 1, "eTag": etag, "sequencer": "0A1B2C"},
        },
    }


def s3_event(bucket: str, *keys: str) -> dict[str, Any]:
    return {"Records": [s3_record(bucket, key) for key in keys]}


def notices(bucket: str, *keys: str) -> list[str]:
    """Return a message for each object."""
    return [json.dumps(s3_event(bucket, key)) for key in keys]


def text(*found: str, header: bool = True) -> bytes:
    return ("\n".join([HEADER, *found] if header else found) + "\n").encode()


def object_key(number: int = 0) -> str:
    """Return a key as flow logs have it."""
    name = f"{ACCOUNT}_vpcflowlogs_{REGION}_fl-0123456789abcdef0_20141214T0405Z_{number:08x}.log.gz"
    return f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2014/12/14/{name}"


def shard(event: dict[str, Any]) -> Sequence[str]:
    return [record["kinesis"]["sequenceNumber"] for record in event["Records"]]


def aggregated(*parts: bytes) -> bytes:
    """Return one record as the Kinesis Producer Library makes it."""
    aggregator = RecordAggregator()
    for part in parts:
        assert aggregator.add_user_record("key", part) is None
    _, _, data = aggregator.clear_and_get().get_contents()
    return bytes(data)


def damaged_aggregate() -> bytes:
    """Return one whose digest is right and whose message is none."""
    message = b"\x1a\xff\x01short"
    return b"\xf3\x89\x9a\xc2" + message + md5(message, usedforsecurity=False).digest()
