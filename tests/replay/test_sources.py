"""What Firehose and Lambda leave, in the shapes that AWS documents; the pages are named in `vpcflow.replay`."""

from __future__ import annotations

import gzip
import json
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from vpcflow.clock import FakeClock
from vpcflow.codec import CodecOptions, Decoder
from vpcflow.codec.origins import firehose_origin, kinesis_origin
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import DataError, DeadLetterError
from vpcflow.replay.replayer import Replayer
from vpcflow.replay.sources import SourceShelves
from vpcflow.replay.streams import reread
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Answer, Bulk, Origin

ARRIVAL_MS = 1_418_530_100_000
ARN = "arn:aws:firehose:eu-west-1:1:deliverystream/flows"
STREAM = "arn:aws:kinesis:eu-west-1:1:stream/flows"
FLOW = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
NAME = "flows-1-2026-11-25-08-09-10-0a1b2c3d-0000-1111-2222-333344445555"


def envelope(*messages: str) -> bytes:
    events = [{"id": f"e{n}", "timestamp": ARRIVAL_MS, "message": message} for n, message in enumerate(messages)]
    fixed = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "flows", "logStream": "eni-1-all"}
    return gzip.compress(json.dumps({**fixed, "logEvents": events}).encode())


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def failed(data: bytes, **more: object) -> dict[str, object]:
    """An entry of `processing-failed/`."""
    return {
        "attemptsMade": 4,
        "arrivalTimestamp": ARRIVAL_MS,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "The Lambda function\nwas invoked",
        "attemptEndingTimestamp": ARRIVAL_MS + 9,
        "rawData": b64(data),
        "lambdaArn": "arn:aws:lambda:eu-west-1:1:function:transform:$LATEST",
        **more,
    }


def written(folder: Path, name: str, *values: object, packed: bool = False) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join(one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in values)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def nothing(_batch: Mapping[str, Any]) -> Iterator[Any]:
    raise AssertionError("the stream is not asked")


def no_client() -> Any:  # noqa: ANN401
    raise AssertionError("AWS is not asked")


def kept(*sources: object, **more: Any) -> SourceShelves:  # noqa: ANN401
    given = {"s3": no_client, "arn": "", "max_bytes": 1_000_000, "reread": nothing, **more}
    return SourceShelves([str(one) for one in sources], **given)


def read(shelves: SourceShelves) -> list[DeadLetter | Unreadable]:
    return [letter for shelf in shelves.shelves() for _, letter in shelf.letters()]


class Sends:
    def __init__(self, sink: MemorySink) -> None:
        self.sink = sink

    def deliver(self, bulk: Bulk) -> Answer:
        return self.sink.write(bulk)


def replayed(shelves: SourceShelves) -> tuple[MemorySink, Any]:
    sink = MemorySink()
    made = Replayer(
        decoder=Decoder(CodecOptions()), delivery=Sends(sink), existing=None, max_bytes=1_000_000, max_actions=100
    )
    return sink, made.run(shelves, lambda _: True)


def normal(data: bytes, origin: Origin) -> dict[tuple[str, str], dict[str, object]]:
    """What the normal path would have made of a record."""
    sink = MemorySink()
    for chunk in Decoder(CodecOptions()).decode(data, origin):
        sink.write(Bulk(chunk.body, chunk.count))
    return sink.documents


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("folder", ["processing-failed", "http-endpoint-failed", "elasticsearch-failed"])
def test_what_firehose_could_not_process_or_deliver(tmp_path: Path, folder: str, packed: bool) -> None:  # noqa: FBT001
    data, plain = envelope(FLOW, FLOW), json.dumps({"message": FLOW}).encode()
    written(tmp_path, f"{folder}/2026/11/25/08/{NAME}", failed(data), failed(plain), packed=packed)
    first, second = (one for one in read(kept(tmp_path, arn=ARN)) if isinstance(one, DeadLetter))
    origin = firehose_origin(arn=ARN, arrival_ms=ARRIVAL_MS)
    assert (first.reason, first.error_type, first.message) == (
        folder, "Lambda.FunctionError", "The Lambda function was invoked",
    )  # fmt: skip
    assert (first.raw, first.origin, first.attempts, first.first_seen_ms) == (data, origin, 4, ARRIVAL_MS)
    assert second.source == "firehose:flows"
    sink, report = replayed(kept(tmp_path, arn=ARN))
    assert sink.documents == normal(data, origin) | normal(plain, origin)
    assert (report.created, report.succeeded, report.all_well) == (3, {folder: 2}, True)


def test_bulk_lines_that_the_receiver_did_not_get(tmp_path: Path) -> None:
    """What our transformation made of a record of several events: each document with the id that it was given."""
    origin = firehose_origin(arn=ARN, arrival_ms=ARRIVAL_MS)
    chunks = [*Decoder(CodecOptions()).decode(envelope(FLOW, FLOW, FLOW), origin)]
    broken = b'{"index":{"_id":"x"}}\n{"@timestamp":"2026-11-25T08:00:00.000Z"}\n'
    records = [failed(b"".join(chunk.body for chunk in chunks)), failed(chunks[0].body + broken)]
    written(tmp_path, f"http-endpoint-failed/2026/11/25/08/{NAME}", *records)
    found = read(kept(tmp_path, arn=ARN))
    [unreadable] = (one for one in found if isinstance(one, Unreadable))
    assert "line 7 of a record" in unreadable.where
    assert "only create is passed on" in unreadable.message
    sink, report = replayed(kept(tmp_path, arn=ARN))
    assert sink.documents == normal(envelope(FLOW, FLOW, FLOW), origin)
    assert report.created == 3


def test_without_an_arn_the_name_is_taken_from_the_object(tmp_path: Path) -> None:
    written(tmp_path, f"processing-failed/2026/11/25/08/{NAME}", failed(envelope(FLOW)))
    [letter] = read(kept(tmp_path))
    assert isinstance(letter, DeadLetter)
    assert letter.source == "firehose:flows"
    assert letter.origin == Origin(name="firehose:flows", arrival_ms=ARRIVAL_MS)


def test_numbers_as_text_and_several_values_in_a_line(tmp_path: Path) -> None:
    one = failed(envelope(FLOW), attemptsMade="3", arrivalTimestamp=str(ARRIVAL_MS))
    written(tmp_path, f"processing-failed/{NAME}", json.dumps(one).encode() * 2)
    assert [found.attempts for found in read(kept(tmp_path)) if isinstance(found, DeadLetter)] == [3, 3]


def test_documents_that_the_cluster_refused_keep_their_id(tmp_path: Path) -> None:
    document = {"@timestamp": "2014-12-14T04:07:50.000Z", "source": {"ip": "10.0.0.1"}}
    raw = json.dumps(document).encode()
    more = {"esIndexName": "flows", "esTypeName": ""}
    written(
        tmp_path, f"AmazonOpenSearchService_failed/2026/11/25/08/{NAME}",
        failed(raw, esDocumentId="its-own", errorCode="400", **more), failed(raw, esDocumentId=None, **more),
        failed(json.dumps({"message": FLOW}).encode(), esDocumentId="x", **more),
    )  # fmt: skip
    sink, report = replayed(kept(tmp_path))
    ids = [name for _, name in sink.documents]
    assert (report.created, report.all_well, len(ids)) == (3, True, 3)
    assert [*sink.documents.values()][:2] == [document, document]
    assert ids[0] == "its-own"
    assert len(ids[1]) == 24
    again, report = replayed(kept(tmp_path))
    assert again.documents == sink.documents
    # What is no document is a line, and its id is ours.
    assert ids[2] == next(iter(normal(FLOW.encode(), Origin(name="firehose:flows", arrival_ms=ARRIVAL_MS))))[1]


def test_what_firehose_could_not_unpack(tmp_path: Path) -> None:
    good, bad = envelope(FLOW), b"\x1f\x8bnever gzip"
    written(tmp_path, f"decompression-failed/1/{NAME}", good, good)
    written(tmp_path, f"decompression-failed/2/{NAME}", failed(good), failed(bad))
    written(tmp_path, f"decompression-failed/3/{NAME}", bad)
    sink, report = replayed(kept(tmp_path))
    assert len(sink.documents) == 1
    assert (report.succeeded, report.failed) == ({"decompression-failed": 2}, {"gzip": 2})


def test_bad_units_cost_themselves(tmp_path: Path) -> None:
    written(
        tmp_path, f"processing-failed/{NAME}",
        failed(envelope(FLOW)), b"\n", b"not json\n", failed(b"", rawData="*"), {"other": 1}, [], b"\xff\n",
        failed(b"", arrivalTimestamp="soon"), {"format_version": 2}, failed(b"2 hopeless"),
    )  # fmt: skip
    sink, report = replayed(kept(tmp_path))
    assert (len(sink.documents), report.unreadable, report.failed.total()) == (1, 7, 1)
    where = [line for line in report.lines() if f"{NAME}:3: not what Firehose or Lambda leave" in line]
    assert len(where) == 1


def test_flow_logs_are_told_once_and_not_line_by_line(tmp_path: Path) -> None:
    folder = tmp_path / "AWSLogs/1/vpcflowlogs/eu-west-1/2026/11/01"
    folder.mkdir(parents=True)
    for number in range(3):
        name = f"123456789012_vpcflowlogs_eu-west-1_fl-1_20261101T000{number}Z_abc.log.gz"
        (folder / name).write_bytes(gzip.compress(b"whatever"))
    written(tmp_path, "processing-failed/x", failed(b"x"))
    letter, one = read(kept(tmp_path))
    assert isinstance(letter, DeadLetter)
    assert isinstance(one, Unreadable)
    assert one.where == str(tmp_path)
    assert one.message == "3 objects look like flow logs, and are not read here: for those of a bucket add --from DATE"


def test_flow_logs_under_another_name_are_told_by_their_header(tmp_path: Path) -> None:
    header = "version account-id interface-id srcaddr dstaddr"
    (tmp_path / "copy.gz").write_bytes(gzip.compress(f"{header}\n{FLOW}\n{FLOW}\n".encode()))
    (one,) = read(kept(tmp_path / "copy.gz"))
    assert isinstance(one, Unreadable)
    assert one.message == "looks like a flow log: for those of a bucket add --from DATE"


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    written(tmp_path, f"processing-failed/{NAME}", failed(envelope(FLOW)), b"x" * 5_000, packed=True)
    good, bad = read(kept(tmp_path, max_bytes=1_000))
    assert isinstance(good, DeadLetter)
    assert isinstance(bad, Unreadable)
    assert "limits.max_inflated_bytes (1000)" in bad.message
    written(tmp_path, f"decompression-failed/{NAME}", b"\x1f\x8b" * 5_000)
    found = read(kept(tmp_path / "decompression-failed", max_bytes=1_000))
    assert [type(one) for one in found] == [Unreadable]


def test_gzip_that_is_cut_off_gives_what_was_before(tmp_path: Path) -> None:
    path = written(tmp_path, f"processing-failed/{NAME}", failed(envelope(FLOW)), packed=True)
    path.write_bytes(path.read_bytes()[:-4])
    found = read(kept(path))
    assert [type(one) for one in found] == [DeadLetter, Unreadable]
    assert isinstance(found[1], Unreadable)
    assert "cannot be read to its end" in found[1].message


def invocation(**more: object) -> dict[str, object]:
    return {
        "version": "1.0",
        "timestamp": "2019-11-14T00:38:06.021Z",
        "requestContext": {
            "requestId": "c9b8fa9f",
            "functionArn": "arn:aws:lambda:us-east-2:1:function:forwarder:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        **more,
    }


def test_an_asynchronous_invocation_with_logs(tmp_path: Path) -> None:
    data = envelope(FLOW, FLOW)
    payload = {"awslogs": {"data": b64(data)}}
    written(tmp_path, "a", invocation(requestPayload=payload, responsePayload={"errorMessage": "it\nbroke"}))
    [letter] = read(kept(tmp_path))
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.error_type, letter.message) == ("RetriesExhausted", "Unhandled", "it broke")
    assert (letter.source, letter.attempts, letter.first_seen_ms) == ("lambda:forwarder", 3, 1_573_691_886_021)
    sink, _ = replayed(kept(tmp_path))
    assert sink.documents == normal(data, Origin())


def batch(**more: object) -> dict[str, object]:
    return {
        "shardId": "shardId-000000000001",
        "startSequenceNumber": "100",
        "endSequenceNumber": "102",
        "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
        "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
        "batchSize": 3,
        "streamArn": STREAM,
        **more,
    }


def event_record(data: bytes, sequence: str) -> dict[str, object]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "p",
            "sequenceNumber": sequence,
            "data": b64(data),
            "approximateArrivalTimestamp": ARRIVAL_MS / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventID": f"shardId-000000000001:{sequence}",
        "eventSourceARN": STREAM,
    }


def kinesis(sequence: str) -> Origin:
    return kinesis_origin(
        stream="flows", shard="shardId-000000000001", sequence=sequence, subsequence=0, arrival_ms=ARRIVAL_MS
    )


def test_a_batch_of_kinesis_with_its_payload(tmp_path: Path) -> None:
    """In S3 the whole event is with it, as text in the JSON."""
    records = [event_record(FLOW.encode(), "100"), event_record(envelope(FLOW), "101")]
    payload = json.dumps({"Records": [*records, {"eventSource": "aws:s3"}]})
    written(tmp_path, "aws/lambda/1/shardId-1/x", invocation(KinesisBatchInfo=batch(), payload=payload))
    sink, report = replayed(kept(tmp_path))
    assert sink.documents == normal(FLOW.encode(), kinesis("100")) | normal(envelope(FLOW), kinesis("101"))
    assert (report.created, report.unreadable) == (2, 1)


def test_a_batch_of_kinesis_without_payload_is_read_from_the_stream(tmp_path: Path) -> None:
    written(tmp_path, "message", invocation(KinesisBatchInfo=batch()))
    asked: list[Mapping[str, Any]] = []

    def again(info: Mapping[str, Any]) -> Iterator[Any]:
        asked.append(info)
        yield "100", FLOW.encode(), ARRIVAL_MS
        yield Unreadable("flows", "2 of 3 records are no longer in the stream")

    sink, report = replayed(kept(tmp_path, reread=again))
    assert sink.documents == normal(FLOW.encode(), kinesis("100"))
    assert (asked, report.unreadable) == ([batch()], 1)


@pytest.mark.parametrize(
    "value",
    [
        invocation(requestPayload={"detail": 1}),
        invocation(requestPayload={"awslogs": {"data": "*"}}),
        invocation(requestPayload={"Records": [{"eventSource": "aws:kinesis"}]}),
        invocation(KinesisBatchInfo=batch(), payload="no json"),
        {**invocation(requestPayload={"awslogs": {"data": ""}}), "timestamp": "never"},
    ],
)
def test_invocations_that_say_nothing(tmp_path: Path, value: object) -> None:
    written(tmp_path, "x", value)
    assert [type(one) for one in read(kept(tmp_path))] == [Unreadable]


class Shard:
    """A Kinesis client with one shard."""

    def __init__(self, *answers: list[int], gone: bool = False) -> None:
        self.answers = [*answers]
        self.gone = gone

    def get_shard_iterator(self, **asked: object) -> dict[str, str]:
        assert asked["ShardIteratorType"] == "AT_SEQUENCE_NUMBER"
        if self.gone:
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no stream"}}, "x")
        return {"ShardIterator": "i"}

    def get_records(self, **_asked: object) -> dict[str, object]:
        numbers = self.answers.pop(0)
        arrival = datetime.fromtimestamp(ARRIVAL_MS / 1000, UTC)
        records = [
            {"SequenceNumber": str(n), "Data": b"%d" % n, "ApproximateArrivalTimestamp": arrival} for n in numbers
        ]
        return {"Records": records, "NextShardIterator": "i", "MillisBehindLatest": len(self.answers)}


def test_a_part_of_a_shard() -> None:
    found = list(reread(Shard([100], [], [101, 102, 103]), batch(), FakeClock()))
    assert found == [(str(n), b"%d" % n, ARRIVAL_MS) for n in (100, 101, 102)]


@pytest.mark.parametrize(
    ("shard", "words"),
    [
        (Shard([102]), "2 of 3 records are no longer in the stream"),
        (Shard([103]), "3 of 3 records"),
        (Shard([]), "3 of 3 records"),
        (Shard(gone=True), "the stream cannot be read: kinesis:flows: ResourceNotFoundException: no stream"),
    ],
)
def test_what_is_gone_from_a_shard_is_told(shard: Shard, words: str) -> None:
    last = list(reread(shard, batch(), FakeClock()))[-1]
    assert isinstance(last, Unreadable)
    assert words in last.message


def test_no_such_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not there; give s3://BUCKET/PREFIX") as caught:
        read(kept(tmp_path / "none"))
    assert caught.value.exit_code == 66
    with pytest.raises(DataError, match="no bucket"):
        read(kept("s3://"))


@pytest.fixture(scope="module")
def s3(aws_url: str) -> Iterator[Any]:
    client = boto3.client(
        "s3", region_name="eu-west-1", endpoint_url=aws_url,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    yield client
    client.close()


def test_objects(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    bucket = f"failed-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    lines = json.dumps(failed(envelope(FLOW))).encode() + b"\n"
    s3.put_object(Bucket=bucket, Key=f"processing-failed/2026/{NAME}", Body=lines)
    s3.put_object(Bucket=bucket, Key=f"processing-failed/2026/{NAME}.gz", Body=gzip.compress(lines))
    s3.put_object(Bucket=bucket, Key=f"decompression-failed/2026/{NAME}", Body=envelope(FLOW))
    s3.put_object(Bucket=bucket, Key="processing-failed/empty", Body=b"")
    sink, report = replayed(kept(f"s3://{bucket}/", s3=lambda: s3))
    assert (len(sink.documents), report.tried, report.all_well) == (1, 3, True)
    assert read(kept(f"s3://{bucket}/none", s3=lambda: s3)) == []
    with pytest.raises(DeadLetterError, match="NoSuchBucket"):
        read(kept("s3://no-such-bucket-here/x", s3=lambda: s3))
