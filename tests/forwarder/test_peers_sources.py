"""Numbered behaviours of peers: one flow by several ways, several data sets in one queue, no call that is not needed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import botocore.client
import pytest

from tests.forwarder.events import (
    ACCOUNT,
    HEADER,
    LINE,
    aggregated,
    damaged_aggregate,
    failed,
    kinesis_event,
    lines,
    logs_event,
    message,
    message_ids,
    notices,
    object_key,
    payload,
    s3_event,
    s3_record,
    sqs_event,
    text,
)
from tests.forwarder.scene import Scene
from vpcflow.codec import Decoder
from vpcflow.types import Origin


def fields(document: dict[str, object], *path: str) -> object:
    found: Any = json.loads(json.dumps(document))
    for name in path:
        found = found[name]
    return found


def test_31_an_aggregated_record_of_three_lines_is_three_documents(scene: Scene) -> None:
    event = kinesis_event(aggregated(*[line.encode() for line in lines(3)]), LINE.encode())
    for _ in range(2):
        assert failed(scene.handle(event)) == []
    assert len(scene.engine.documents) == 4


def test_31_an_aggregated_record_that_is_damaged_is_one_dead_letter(scene: Scene) -> None:
    damaged = damaged_aggregate()
    assert failed(scene.handle(kinesis_event(damaged, LINE.encode()))) == []
    (letter,) = scene.kept()
    assert (letter.raw, letter.reason) == (damaged, "aggregation")
    assert len(scene.engine.documents) == 1


def test_33_text_that_happens_to_be_base64_stays_as_it_is(scene: Scene) -> None:
    scene.handle(logs_event(payload("Zm9v", LINE)))
    scene.handle(kinesis_event(b"Zm9v"))
    scene.handle(sqs_event("Zm9v"))
    assert [letter.raw for letter in scene.kept()] == [b"Zm9v"] * 3
    assert len(scene.engine.documents) == 1


def test_47_a_log_event_has_one_id_on_every_way(scene: Scene) -> None:
    given = payload(*lines(3))
    scene.handle(logs_event(given))
    first = scene.engine.ids
    scene.handle(kinesis_event(given))
    scene.handle(sqs_event(json.dumps(message(*lines(3)))))
    assert scene.engine.ids == first
    assert len(first) == 3
    (decoded,) = Decoder().decode(given, Origin(arrival_ms=1_418_530_100_000))  # as the consumer and Firehose have it
    assert [json.loads(line)["create"]["_id"] for line in decoded.body.splitlines()[::2]] == first


def test_47_an_object_that_is_named_twice_has_the_same_ids(scene: Scene) -> None:
    key = scene.put(text(*lines(3)))
    record = s3_record(scene.bucket, key)
    bridge = {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "region": "eu-west-1",
        "detail": {"bucket": {"name": scene.bucket}, "object": {"key": key}},
    }
    later = {**record, "eventTime": "2014-12-15T00:00:00.000Z"}
    ways: list[dict[str, Any]] = [
        {"Records": [record]},
        {"Records": [later]},
        bridge,
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps({"Records": [record]})}}]},
        sqs_event(json.dumps({"Records": [record]}), json.dumps(bridge)),
    ]
    for event in ways:
        assert scene.handle(event) in ({}, {"batchItemFailures": []})
        assert len(scene.engine.ids) == 3


def test_48_each_record_of_a_queue_goes_its_own_way(scene: Scene) -> None:
    """Data sets are told by the object's own header and key, not once for the whole queue."""
    other = "srcaddr dstaddr bytes end account-id"
    keys = [
        scene.put(text(*lines(2)), object_key(1)),
        scene.put(f"{other}\n10.0.0.1 10.0.0.2 9 1418530070 {ACCOUNT}\n".encode(), object_key(2)),
        scene.put(b'{"Records": []}', f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2014/12/14/x.json.gz"),
        scene.put(f"{HEADER}\n".encode(), object_key(3)),
    ]
    assert failed(scene.handle(sqs_event(*notices(scene.bucket, *keys)))) == []
    sizes = sorted(int(str(fields(one, "network", "bytes"))) for one in scene.engine.documents)
    assert sizes == [0, 1, 9]
    assert scene.counted("objects", result="skipped") == 1
    assert scene.kept() == []


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count each call of each client of AWS."""
    seen: Counter[str] = Counter()
    inner = botocore.client.BaseClient._make_api_call

    def counted(self: Any, name: str, arguments: Any) -> Any:  # noqa: ANN401
        seen[f"{self.meta.service_model.service_name}:{name}"] += 1
        return inner(self, name, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    return seen


def test_54_a_warm_invocation_makes_no_call_but_for_its_objects(scene: Scene, calls: Counter[str]) -> None:
    key = scene.put(text(*lines(3)))
    notice = sqs_event(*notices(scene.bucket, key))
    events = [logs_event(payload(LINE)), kinesis_event(LINE.encode()), sqs_event(LINE)]
    for event in [notice, *events]:
        scene.handle(event)
    calls.clear()
    connections = len(scene.engine.server.requests) - len(scene.engine.server.bulks)
    for event in events:
        scene.handle(event)
    assert calls == {}
    scene.handle(notice)
    assert calls == {"s3:GetObject": 1}
    assert len(scene.engine.server.requests) - len(scene.engine.server.bulks) == connections


def test_54_a_hand_over_is_one_call(scene: Scene, calls: Counter[str]) -> None:
    scene.environ |= {"OBJECTS__BLOCK_BYTES": "65536"}
    key = scene.put(text(*lines(2000)))
    event = sqs_event(*notices(scene.bucket, key), arn=scene.queue_arn)
    scene.stop_after_lines(1)
    calls.clear()
    assert failed(scene.handle(event)) == []
    assert calls == {"s3:GetObject": 1, "sqs:SendMessage": 1}


@pytest.mark.parametrize(("partition", "region"), [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")])
def test_other_partitions_name_their_buckets_and_queues(scene: Scene, partition: str, region: str) -> None:
    scene.match = f"arn:{partition}:s3:::{scene.bucket}/*"
    key = scene.put(text(*lines(3)))
    queue = f"arn:{partition}:sqs:{region}:{ACCOUNT}:flow-logs"
    event = sqs_event(json.dumps({"Records": [s3_record(scene.bucket, key, region=region)]}), arn=queue)
    assert failed(scene.handle(event)) == []
    arn = f"arn:{partition}:lambda:{region}:{ACCOUNT}:function:forwarder"
    assert scene.handle(s3_event(scene.bucket, key), arn=arn) == {}
    assert len(scene.engine.documents) == 3
    unknown = sqs_event(*notices("another", key), arn=queue)
    assert failed(scene.handle(unknown)) == message_ids(unknown)
