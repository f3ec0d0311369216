"""boto3 against an emulator of both services, and against a server that answers what the emulator never does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from firehose_transform.doors import BusyError, Part, ShutError, door
from firehose_transform.events import parse_request
from tests.firehose_transform.contract import event

REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


class Said(ThreadingHTTPServer):
    """Answers every request with the same status and JSON, and notes what was asked."""

    daemon_threads = True

    def __init__(self, status: int, body: object) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.body = status, body
        self.asked: list[tuple[str, Any]] = []


class _Answer(BaseHTTPRequestHandler):
    server: Said

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.headers["X-Amz-Target"].rpartition(".")[2], asked))
        text = json.dumps(self.server.body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def saying(monkeypatch: pytest.MonkeyPatch, status: int, body: object) -> Iterator[Said]:
    server = Said(status, body)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        for service in ("FIREHOSE", "KINESIS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://127.0.0.1:{server.server_address[1]}")
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_kinesis_source_gets_its_records_back_with_their_keys(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("kinesis", region_name=REGION, endpoint_url=aws_url)
    client.create_stream(StreamName="source", ShardCount=1)
    client.get_waiter("stream_exists").wait(StreamName="source", WaiterConfig={"Delay": 1})
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", aws_url)
    arn = client.describe_stream_summary(StreamName="source")["StreamDescriptionSummary"]["StreamARN"]
    request = parse_request({**event(b"x", kinesis=True), "sourceKinesisStreamArn": arn})
    assert door(request).put([Part(0, b"one", "a"), Part(0, b"two", "b")]) == ["", ""]
    shard = client.list_shards(StreamName="source")["Shards"][0]["ShardId"]
    at = client.get_shard_iterator(StreamName="source", ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    found = client.get_records(ShardIterator=at)["Records"]
    assert [(one["PartitionKey"], one["Data"]) for one in found] == [("a", b"one"), ("b", b"two")]
    client.close()


def test_direct_put_goes_to_the_delivery_stream(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=aws_url)
    s3.create_bucket(Bucket="landed", CreateBucketConfiguration={"LocationConstraint": REGION})
    firehose = boto3.client("firehose", region_name=REGION, endpoint_url=aws_url)
    role = "arn:aws:iam::123456789012:role/r"
    target = {"RoleARN": role, "BucketARN": "arn:aws:s3:::landed"}
    firehose.create_delivery_stream(DeliveryStreamName="flows", ExtendedS3DestinationConfiguration=target)
    monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", aws_url)
    assert door(parse_request(event(b"x"))).put([Part(0, b"one"), Part(0, b"two")]) == ["", ""]
    [key] = [one["Key"] for one in s3.list_objects_v2(Bucket="landed")["Contents"]]
    assert s3.get_object(Bucket="landed", Key=key)["Body"].read() == b"onetwo"
    s3.close()
    firehose.close()


def test_entries_that_were_not_taken_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{"RecordId": "1"}, {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}]
    with saying(monkeypatch, 200, {"FailedPutCount": 1, "RequestResponses": entries}) as server:
        made = door(parse_request(event(b"x")))
        assert made.put([Part(0, b"a"), Part(0, b"b")]) == ["", "ServiceUnavailableException: Slow down."]
    [(target, asked)] = server.asked
    assert (target, asked["DeliveryStreamName"], len(asked["Records"])) == ("PutRecordBatch", "flows", 2)
    kinesis = [{"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "x"}]
    with saying(monkeypatch, 200, {"FailedRecordCount": 1, "Records": kinesis}) as server:
        made = door(parse_request(event(b"x", kinesis=True)))
        assert made.put([Part(0, b"a", "k")]) == ["ProvisionedThroughputExceededException: x"]
    [(target, asked)] = server.asked
    assert (target, asked["StreamARN"].rpartition("/")[2]) == ("PutRecords", "source")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidSourceException", ShutError),
        (400, "ResourceNotFoundException", ShutError),
        (400, "AccessDeniedException", ShutError),
        (503, "ServiceUnavailableException", BusyError),
        (400, "ThrottlingException", BusyError),
        (400, "ProvisionedThroughputExceededException", BusyError),
        (500, "InternalFailure", BusyError),
        (502, "Strange", BusyError),
    ],
)
def test_refusals_of_a_whole_request(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, kind: type[Exception]
) -> None:
    with saying(monkeypatch, status, {"__type": code, "message": "Said\nso."}) as server:
        with pytest.raises(kind, match=f"{code}: Said so"):
            door(parse_request(event(b"x"))).put([Part(0, b"a")])
        assert len(server.asked) == 1


@pytest.mark.parametrize("body", [{}, {"RequestResponses": []}, {"RequestResponses": [{}, {}]}])
def test_an_answer_of_another_length_is_none(monkeypatch: pytest.MonkeyPatch, body: object) -> None:
    with saying(monkeypatch, 200, body), pytest.raises(BusyError, match="1 entries"):
        door(parse_request(event(b"x"))).put([Part(0, b"a")])


def test_nobody_there_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", "http://127.0.0.1:9")
    with pytest.raises(BusyError, match="connect"):
        door(parse_request(event(b"x"))).put([Part(0, b"a")])


def test_no_region_or_no_credentials_shut_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {**event(b"x"), "region": "", "deliveryStreamArn": "flows"}
    with pytest.raises(ShutError, match="region"):
        door(parse_request(nowhere))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ShutError, match="credentials"):
        door(parse_request(event(b"x"))).put([Part(0, b"a")])


@pytest.mark.parametrize(
    ("endpoint", "region", "kind"),
    [("nowhere", "us-east-1", ShutError), ("", "us east", BusyError)],
)
def test_what_is_no_endpoint_fails_records_and_not_the_invocation(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, region: str, kind: type[Exception]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", endpoint)
    with pytest.raises(kind, match="firehose: "):
        door(parse_request({**event(b"x"), "region": region}))


def test_a_request_is_given_up_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes the connection, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(BusyError, match="timeout"):
            door(parse_request(event(b"x")), 0.2).put([Part(0, b"a")])
