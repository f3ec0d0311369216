"""What Lambda leaves of events that hold no flow logs but name objects, and of aggregated records."""

from __future__ import annotations

import gzip
import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aws_kinesis_agg.aggregator import RecordAggregator

from tests.forwarding.scene import KEY, REF, lines
from tests.objects.stores import Fault, Store, Stored, running
from vpcflow.clock import SystemClock
from vpcflow.codec import CodecOptions, Decoder
from vpcflow.codec.origins import kinesis_origin, s3_origin
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.forwarding.reading import Reader
from vpcflow.objects.continuation import continuation_body
from vpcflow.objects.keys import facts
from vpcflow.objects.reference import ObjectRef, Resume
from vpcflow.replay.named import object_letter
from vpcflow.replay.replayer import Replayer
from vpcflow.replay.report import Report
from vpcflow.replay.sources import SourceShelves
from vpcflow.settings.model import Limits, Objects
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Answer, Bulk, LinesAt

ARRIVAL_MS = 1_793_491_300_000
STREAM = "arn:aws:kinesis:eu-west-1:1:stream/flows"
S3_EVENT = {
    "eventSource": "aws:s3",
    "eventName": "ObjectCreated:Put",
    "awsRegion": "eu-central-1",
    "s3": {"bucket": {"name": "logs"}, "object": {"key": KEY, "size": 9, "eTag": "of-the-notification"}},
}
BRIDGE = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "logs"}, "object": {"key": KEY}},
}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with running() as given:
        yield given


class Sends:
    def __init__(self, sink: MemorySink) -> None:
        self.sink = sink

    def deliver(self, bulk: Bulk) -> Answer:
        return self.sink.write(bulk)


def replayed(kept: Any, store: Store | None = None, **more: Any) -> tuple[MemorySink, Report]:  # noqa: ANN401
    sink = more.pop("sink", None) or MemorySink()
    opens = None
    if store is not None:
        client = store.client()
        opens = Reader(lambda _region: client, Objects(), Limits(), SystemClock()).open
    made = Replayer(
        decoder=Decoder(CodecOptions()),
        delivery=Sends(sink),
        existing=None,
        max_bytes=20_000,
        max_actions=100,
        opens=opens,
        **more,
    )
    return sink, made.run(kept, lambda _letter: True)


def left(folder: Path, **more: object) -> SourceShelves:
    """The record of an invocation that failed, in a folder."""
    value = {
        "timestamp": "2026-11-01T00:38:06.021Z",
        "requestContext": {
            "functionArn": "arn:aws:lambda:eu-west-1:1:function:f:$LATEST",
            "condition": "RetriesExhausted",
        },
        **more,
    }
    (folder / "failed").write_text(json.dumps(value))

    def nothing(*_: object) -> Any:  # noqa: ANN401
        raise AssertionError("AWS is not asked")

    return SourceShelves([str(folder)], s3=nothing, arn="", max_bytes=10_000_000, reread=nothing)


def normal_of(text: bytes) -> dict[tuple[str, str], dict[str, object]]:
    sink = MemorySink()
    etag = Stored(text).etag
    origin = s3_origin(bucket="logs", key=KEY, etag=etag, region="eu-central-1", time_ms=facts(KEY).time_ms)
    for chunk in Decoder(CodecOptions()).decode(text, origin, at=LinesAt(position=0, offset=0)):
        sink.write(Bulk(chunk.body, chunk.count))
    return sink.documents


def normal(store: Store) -> dict[tuple[str, str], dict[str, object]]:
    """What the forwarder makes of the object."""
    stored, sink = store.objects["logs", KEY], MemorySink()
    origin = s3_origin(bucket="logs", key=KEY, etag=stored.etag, region="eu-central-1", time_ms=facts(KEY).time_ms)
    for chunk in Decoder(CodecOptions()).decode(gzip.decompress(stored.data), origin):
        sink.write(Bulk(chunk.body, chunk.count))
    return {name: {**one, "log": None} for name, one in sink.documents.items()}


def wrapped_by_sns(body: object) -> dict[str, object]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": json.dumps(body)}


@pytest.mark.parametrize(
    "payload",
    [
        {"Records": [S3_EVENT]},
        {"Records": [{"eventSource": "aws:sqs", "body": json.dumps({"Records": [S3_EVENT]})}]},
        {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(wrapped_by_sns({"Records": [S3_EVENT]}))}]},
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps({"Records": [S3_EVENT]})}}]},
        BRIDGE,
        json.loads(continuation_body(ObjectRef(bucket="logs", key=KEY, resume=Resume(etag="", line=0)))),
    ],
    ids=["s3", "sqs", "sns-in-sqs", "sns", "eventbridge", "continuation"],
)
def test_15_objects_that_a_failed_invocation_names_are_forwarded_with_the_same_ids(
    tmp_path: Path, store: Store, payload: object
) -> None:
    store.put(KEY, gzip.compress("\n".join(lines(300)).encode()))
    sink, report = replayed(left(tmp_path, requestPayload=payload), store)
    assert (report.created, report.tried, report.all_well) == (300, 1, True)
    assert {name: {**one, "log": None} for name, one in sink.documents.items()} == normal(store)
    assert {name for name, _ in report.succeeded.items()} == {"RetriesExhausted"}


def test_a_second_replay_adds_nothing(tmp_path: Path, store: Store) -> None:
    store.put(KEY, gzip.compress("\n".join(lines(30)).encode()))
    sink, _ = replayed(left(tmp_path, requestPayload={"Records": [S3_EVENT]}), store)
    _, report = replayed(left(tmp_path, requestPayload={"Records": [S3_EVENT]}), store, sink=sink)
    assert (report.created, report.duplicate) == (0, 30)


def test_bad_lines_and_damage_of_a_named_object_are_told(tmp_path: Path, store: Store) -> None:
    text = lines(3000)
    text[5] = "2 hopeless"
    store.put(KEY, gzip.compress("\n".join(text).encode())[:-200])
    sink, report = replayed(left(tmp_path, requestPayload={"Records": [S3_EVENT]}), store)
    assert report.undecodable == 2
    assert not report.all_well
    assert 0 < len(sink.documents) < 3000


def test_a_dry_run_sends_nothing(tmp_path: Path, store: Store) -> None:
    store.put(KEY, gzip.compress("\n".join(lines(30)).encode()))
    sink, report = replayed(left(tmp_path, requestPayload={"Records": [S3_EVENT]}), store, dry_run=True)
    assert (report.would_send, len(sink.documents)) == (30, 0)


def test_24_only_what_succeeded_is_taken_away(store: Store) -> None:
    store.put(KEY, gzip.compress("\n".join(lines(30)).encode()))
    kept = MemoryDeadLetters()
    gone = ObjectRef(bucket="logs", key="AWSLogs/1/vpcflowlogs/gone.log.gz")
    for ref in (REF, gone):
        kept.put(object_letter(ref, reason="object", message="gone", first_seen_ms=1))
    sink, report = replayed(kept, store)
    assert (report.succeeded["object"], report.failed["object"], len(sink.documents)) == (1, 1, 30)
    (stays,) = [letter for _, letter in kept.letters()]
    assert (stays.identity["aws.s3.object.key"], stays.attempts, stays.reason) == (gone.key, 2, "object")
    store.put(gone.key, gzip.compress("\n".join(lines(3)).encode()))
    _, report = replayed(kept, store)
    assert report.all_well
    assert not [*kept.letters()]


def test_35_s3_that_is_away_leaves_what_names_the_object(store: Store) -> None:
    kept = MemoryDeadLetters()
    kept.put(object_letter(REF, reason="object", message="gone", first_seen_ms=1))
    store.faults = [Fault(status=403, code="AccessDenied")]
    _, report = replayed(kept, store)
    assert report.failed == {"object": 1}
    (stays,) = [letter for _, letter in kept.letters()]
    assert "AccessDenied" in stays.message


def damaged(store: Store, data: bytes, key: str = KEY, **limits: Any) -> MemoryDeadLetters:  # noqa: ANN401
    """The dead letters of what of an object cannot be read."""
    store.put(key, data)
    client, kept = store.client(), MemoryDeadLetters()
    reader = Reader(lambda _region: client, Objects(**limits), Limits(), SystemClock())
    with reader.open(ObjectRef(bucket="logs", key=key)) as opened:
        kept.put(*[run.letter for run in opened.runs() if run.letter is not None])
    return kept


def cut_off(text: str) -> bytes:
    """Return gzip that ends after the last byte of the text; its trailer is missing."""
    return gzip.compress(text.encode())[:-8]


def test_a_piece_of_a_line_never_passes_for_a_line(store: Store) -> None:
    # "10" of the 1000 bytes that the line told of: a whole line to all appearances
    text = "version srcaddr end bytes\n2 10.0.0.1 1793491200 7\n2 10.0.0.1 1793491200 10"
    kept = damaged(store, cut_off(text))
    (letter,) = [one for _, one in kept.letters()]
    assert letter.raw == b"2 10.0.0.1 1793491200 10"
    for _ in range(2):
        sink, report = replayed(kept, store)
        assert sink.documents == {}
        assert report.failed == {"gzip": 1}
    (again,) = [one for _, one in kept.letters()]
    assert (again.raw, again.reason, again.attempts, again.id) == (letter.raw, "gzip", 3, letter.id)


def test_what_a_limit_has_cut_off_is_read_once_the_limit_is_higher(store: Store) -> None:
    text = "\n".join(lines(3000)).encode()
    kept = damaged(store, text, block_bytes=65_536, max_inflated_bytes=100_000)
    sink, report = replayed(kept, store)
    assert report.all_well
    assert not [*kept.letters()]
    assert 0 < 3000 - len(sink.documents) < 1200
    whole = normal_of(text)
    assert all(whole[name] == one for name, one in sink.documents.items())
    assert len({*whole} - {*sink.documents}) == text[:100_000].count(b"\n") - 1


def test_rows_that_cannot_be_read_are_not_taken_for_settled(store: Store) -> None:
    columns = lines(0)[0].split()
    rows = [line.split() for line in lines(300)[1:]]
    file = io.BytesIO()
    table = pa.table({name: [row[at] for row in rows] for at, name in enumerate(columns)})
    pq.write_table(table, file, row_group_size=100, use_dictionary=False, compression="none")
    data = bytearray(file.getvalue())
    for group in (0, 2):  # the size of a page cannot be that
        at = pq.ParquetFile(file).metadata.row_group(group).column(2).data_page_offset
        data[at : at + 8] = b"\xff" * 8
    kept = damaged(store, bytes(data), KEY.replace(".gz", ".parquet"), max_row_group_bytes=50)
    assert [(one.reason, one.position) for _, one in kept.letters()] == [("too_large", n) for n in (1, 101, 201)]
    for _ in range(3):
        sink, _ = replayed(kept, store)
        assert [(one.reason, one.position) for _, one in kept.letters()] == [("parquet", 1), ("parquet", 201)]
    assert sink.documents == {}
    store.put(KEY.replace(".gz", ".parquet"), file.getvalue())
    sink, report = replayed(kept, store)
    assert report.all_well
    assert len(sink.documents) == 300


def test_without_a_reader_a_name_stays(tmp_path: Path) -> None:
    _, report = replayed(left(tmp_path, requestPayload={"Records": [S3_EVENT]}))
    assert report.failed == {"RetriesExhausted": 1}
    assert "names an object in S3" in report.first[0]


@pytest.mark.parametrize(
    "payload",
    [
        {"Records": [{"eventSource": "aws:s3"}]},
        {"Records": [{"eventSource": "aws:sqs", "body": "no notification"}]},
        {"Records": [{"eventSource": "aws:dynamodb"}]},
        {"detail": 1},
    ],
)
def test_events_that_name_nothing_are_told(tmp_path: Path, payload: object) -> None:
    _, report = replayed(left(tmp_path, requestPayload=payload))
    assert (report.tried, report.unreadable) == (0, 1)


def test_letters_that_somebody_else_wrote_are_failures(store: Store) -> None:
    kept = MemoryDeadLetters()
    letter = object_letter(REF, reason="object", message="", first_seen_ms=1)
    for raw in (b"nonsense", b'{"Event":"s3:TestEvent"}'):
        kept.put(DeadLetter(**{**{name: getattr(letter, name) for name in letter.__slots__}, "raw": raw}))
    _, report = replayed(kept, store)
    assert report.failed == {"object": 2}


def aggregate(*data: bytes) -> bytes:
    made = RecordAggregator()
    for one in data:
        made.add_user_record("key", one)
    return bytes(made.clear_and_get().get_contents()[2])


def kinesis(records: Callable[[], bytes], sequence: str = "100") -> dict[str, object]:
    return {
        "kinesis": {
            "sequenceNumber": sequence,
            "data": b64encode(records()).decode(),
            "approximateArrivalTimestamp": ARRIVAL_MS / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventID": f"shardId-000000000001:{sequence}",
        "eventSourceARN": STREAM,
    }


BATCH = {"shardId": "shardId-000000000001", "streamArn": STREAM, "batchSize": 1}


def test_31_an_aggregated_record_of_a_failed_batch_gives_each_of_its_records(tmp_path: Path) -> None:
    flows = [line.encode() for line in lines(3)[1:]]
    payload = json.dumps({"Records": [kinesis(lambda: aggregate(*flows))]})
    sink, report = replayed(left(tmp_path, KinesisBatchInfo=BATCH, payload=payload))
    assert (report.created, report.tried, report.all_well) == (3, 3, True)
    normally = MemorySink()
    for number, flow in enumerate(flows):
        origin = kinesis_origin(
            stream="flows", shard="shardId-000000000001", sequence="100", subsequence=number, arrival_ms=ARRIVAL_MS
        )
        for chunk in Decoder(CodecOptions()).decode(flow, origin):
            normally.write(Bulk(chunk.body, chunk.count))
    assert sink.documents == normally.documents


def test_an_aggregate_whose_digest_is_wrong_is_an_ordinary_record(tmp_path: Path) -> None:
    damaged = aggregate(b"x")[:-1] + b"\0"
    payload = json.dumps({"Records": [kinesis(lambda: damaged)]})
    _, report = replayed(left(tmp_path, KinesisBatchInfo=BATCH, payload=payload))
    assert (report.tried, report.failed.total(), report.created) == (1, 1, 0)
