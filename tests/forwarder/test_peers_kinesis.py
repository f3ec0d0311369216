"""Numbered behaviours of peers, for records of Kinesis."""

from __future__ import annotations

import json

import pytest

from tests.forwarder.engine import refuses
from tests.forwarder.events import BROKEN, LINE, failed, kinesis_event, lines, message, payload, shard
from tests.forwarder.scene import Scene
from vpcflow.codec import Decoder
from vpcflow.codec.origins import kinesis_origin


def test_29_one_truncated_gzip_of_ten_costs_one(scene: Scene) -> None:
    records = [payload(LINE, tag=str(number)) for number in range(10)]
    whole = records[4]
    records[4] = whole[:-20]
    assert failed(scene.handle(kinesis_event(*records))) == []
    assert len(scene.engine.documents) == 9
    (letter,) = scene.kept()
    assert (letter.raw, letter.reason) == (records[4], "gzip")
    assert "cut off" in letter.message


def test_30_empty_records_are_counted_and_the_others_delivered(scene: Scene) -> None:
    assert failed(scene.handle(kinesis_event(LINE.encode(), b"", payload(LINE)))) == []
    assert len(scene.engine.documents) == 2
    assert scene.kept() == []
    assert scene.counted("empty_items") == 1
    assert scene.counted("items", result="settled") == 3


def test_32_control_messages_are_counted_and_never_indexed(scene: Scene) -> None:
    control = payload("CWL CONTROL MESSAGE: Checking health of destination Kinesis stream.", kind="CONTROL_MESSAGE")
    assert failed(scene.handle(kinesis_event(control, payload(LINE)))) == []
    assert len(scene.engine.documents) == 1
    assert scene.kept() == []
    assert scene.counted("lines", kind="control") == 1


def test_46_each_log_event_is_a_typed_document(scene: Scene) -> None:
    scene.handle(kinesis_event(payload(*lines(3))))
    assert len(scene.engine.documents) == 3
    document = json.loads(json.dumps(scene.engine.documents[0]))
    assert document["@timestamp"] == "2014-12-14T04:07:50.000Z"
    assert document["source"]["ip"] == "172.31.16.139"
    assert document["network"]["bytes"] == 0
    assert document["aws"]["cloudwatch"] == {"log_group": "flows", "log_stream": "eni-1235b8ca-all"}
    assert document["cloud"]["account"]["id"] == "123456789010"


def test_the_answer_names_the_lowest_record_that_is_not_settled(scene: Scene) -> None:
    scene.environ["BULK__MAX_ACTIONS"] = "10"
    scene.environ["BULK__IN_FLIGHT"] = "1"
    scene.engine.fault = lambda request, number: refuses(403)(request, number) if number >= 2 else None
    event = kinesis_event(*[payload(*lines(10), tag=str(number)) for number in range(5)])
    assert failed(scene.handle(event)) == [shard(event)[2]]
    scene.engine.fault = lambda _request, _number: None
    assert failed(scene.handle({"Records": event["Records"][2:]})) == []
    assert len(scene.engine.documents) == 50


def test_a_bad_line_costs_one_line(scene: Scene) -> None:
    assert failed(scene.handle(kinesis_event(payload(LINE, BROKEN), f"{LINE}\n{BROKEN}\n".encode()))) == []
    assert len(scene.engine.documents) == 2
    assert [letter.raw for letter in scene.kept()] == [BROKEN.encode()] * 2


def test_ids_are_those_of_the_consumer(scene: Scene) -> None:
    event = kinesis_event("\n".join(lines(3)).encode())
    scene.handle(event)
    origin = kinesis_origin(
        stream="flows", shard="shardId-000000000006", sequence=shard(event)[0], subsequence=0, arrival_ms=1
    )
    (decoded,) = Decoder().decode("\n".join(lines(3)).encode(), origin.__class__(identity=origin.identity))
    expected = [json.loads(line)["create"]["_id"] for line in decoded.body.splitlines()[::2]]
    assert scene.engine.ids == expected


def test_the_same_batch_again_adds_nothing(scene: Scene) -> None:
    event = kinesis_event(payload(*lines(5)), "\n".join(lines(5)).encode(), message(LINE)["logGroup"].encode())
    for _ in range(2):
        assert failed(scene.handle(event)) == []
    assert len(scene.engine.documents) == 10


@pytest.mark.parametrize("kind", ["consumer", "plain"])
def test_the_stream_is_named_by_its_arn(scene: Scene, kind: str) -> None:
    arn = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/flows"
    more = "/consumer/fan-out:1525898737" if kind == "consumer" else ""
    scene.match = arn
    assert failed(scene.handle(kinesis_event(LINE.encode(), arn=arn + more))) == []
    assert json.loads(json.dumps(scene.engine.documents[0]))["aws"]["kinesis"]["name"] == "flows"
