"""Numbered behaviours of peers: a stop anywhere, and what goes on from there."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from typing import Any

import pytest

from tests.forwarder.events import (
    HEADER,
    LINE,
    QUEUE,
    failed,
    kinesis_event,
    lines,
    logs_event,
    message,
    message_ids,
    notices,
    object_key,
    payload,
    shard,
    sqs_event,
    text,
)
from tests.forwarder.scene import Scene
from vpcflow.errors import VpcFlowError

SMALL = {"OBJECTS__BLOCK_BYTES": "65536", "BULK__MAX_ACTIONS": "100"}
MARGIN = 10.0


def queue_through(scene: Scene, bodies: Iterable[str], *, most: int = 200) -> int:
    """Work on messages as Lambda does: what fails comes again, what was handed over comes too. Return the invocations."""
    waiting, calls = list(bodies), 0
    while waiting:
        calls += 1
        assert calls < most, f"{len(waiting)} messages go round and round"
        event = sqs_event(*waiting[:10], arn=scene.queue_arn)
        again = failed(scene.handle(event))
        kept = [body for name, body in zip(message_ids(event), waiting[:10], strict=True) if name in again]
        waiting = [*waiting[10:], *kept, *(one["Body"] for one in scene.queued())]
    return calls


def stream_through(scene: Scene, event: dict[str, Any], *, most: int = 200) -> int:
    """Work on records as Lambda does: from the one that is named, again. Return the invocations."""
    calls = 0
    while event["Records"]:
        calls += 1
        assert calls < most, "no progress"
        again = failed(scene.handle(event))
        if not again:
            break
        event = {"Records": event["Records"][shard(event).index(again[0]) :]}
    return calls


@pytest.mark.parametrize("number", range(10))
def test_08_a_stop_at_any_hundredth_line_of_objects_loses_and_doubles_nothing(scene: Scene, number: int) -> None:
    scene.environ |= SMALL
    keys = [scene.put(gzip.compress(text(*lines(100, 100 * place))), object_key(place)) for place in range(10)]
    scene.stop_after_lines(100 * (number + 1))
    calls = queue_through(scene, notices(scene.bucket, *keys))
    assert calls >= 2 or number == 9
    assert len(scene.engine.documents) == 1000
    assert scene.engine.sent == 1000  # nothing was sent again
    assert scene.kept() == []


@pytest.mark.parametrize("number", range(10))
def test_08_a_stop_at_any_hundredth_line_of_a_stream_loses_and_doubles_nothing(scene: Scene, number: int) -> None:
    event = kinesis_event(*["\n".join(lines(100, 100 * place)).encode() for place in range(10)])
    scene.stop_after_lines(100 * (number + 1))
    assert stream_through(scene, event) == -(-10 // (number + 1))
    assert len(scene.engine.documents) == 1000
    assert scene.engine.sent == 1000


def test_08_a_payload_of_cloudwatch_is_settled_or_raised(scene: Scene) -> None:
    with pytest.raises(VpcFlowError, match="time was up"):
        scene.handle(logs_event(payload(*lines(100))), seconds=0.0)
    assert scene.engine.documents == []
    scene.handle(logs_event(payload(*lines(100))))
    assert len(scene.engine.documents) == 100


def test_09_a_stop_in_the_middle_of_an_object_goes_on_there(scene: Scene) -> None:
    scene.environ |= SMALL
    key = scene.put(gzip.compress(text(*lines(5000))))
    scene.stop_after_lines(1)
    calls = queue_through(scene, notices(scene.bucket, key))
    assert calls >= 7  # a block of lines each
    assert len(scene.engine.documents) == 5000
    assert scene.engine.sent == 5000
    offsets = sorted(int(json.loads(json.dumps(one))["log"]["offset"]) for one in scene.engine.documents)
    whole = text(*lines(5000))
    assert all(whole[offset : offset + 2] == b"2 " for offset in offsets)
    assert len(set(offsets)) == 5000


def test_09_a_stop_in_the_middle_of_a_payload_adds_nothing_twice(scene: Scene) -> None:
    """A record is the unit of the answer: what of it was sent is sent again, and the engine has it already."""
    scene.environ |= SMALL | {"BULK__IN_FLIGHT": "1", "RETRY__DEADLINE_SECONDS": "0.1"}
    scene.engine.fault = lambda request, number: scene.engine.away() if number == 3 else None
    event = kinesis_event(payload(*lines(500), tag="a"), payload(*lines(500), tag="b"))
    assert stream_through(scene, event) >= 1
    assert len(scene.engine.documents) == 1000


def test_10_positions_begin_anew_in_each_object(scene: Scene) -> None:
    scene.environ |= SMALL
    keys = [scene.put(text(*lines(1500, 1500 * place)), object_key(place)) for place in range(3)]
    scene.stop_after_lines(1000)
    queue_through(scene, notices(scene.bucket, *keys))
    assert len(scene.engine.documents) == 4500
    assert scene.engine.sent == 4500
    firsts = [one for one in scene.engine.documents if json.loads(json.dumps(one))["log"]["offset"] == len(HEADER) + 1]
    assert len(firsts) == 3


def test_11_a_continuation_is_continued(scene: Scene) -> None:
    scene.environ |= SMALL
    key = scene.put(text(*lines(3000)))
    scene.stop_after_lines(1)
    (body,) = notices(scene.bucket, key)
    hops = []
    while body:
        assert failed(scene.handle(sqs_event(body, arn=scene.queue_arn))) == []
        left = [one["Body"] for one in scene.queued()]
        body = left[0] if left else ""
        hops += [json.loads(body)["vpcflow.continue"]["hops"]] if body else []
    assert hops == list(range(1, len(hops) + 1))
    assert len(hops) >= 4
    assert len(scene.engine.documents) == scene.engine.sent == 3000


def test_11_a_continuation_that_brings_nothing_goes_back_to_its_queue(scene: Scene) -> None:
    key = scene.put(text(*lines(10)))
    event = sqs_event(*notices(scene.bucket, key), arn=scene.queue_arn)
    assert failed(scene.handle(event, seconds=0.0)) == message_ids(event)
    assert scene.queued() == []


def test_11_there_is_an_end_to_continuations(scene: Scene) -> None:
    scene.environ |= SMALL | {"FORWARDER__MAX_CONTINUATIONS": "2"}
    key = scene.put(text(*lines(5000)))
    scene.stop_after_lines(1)
    (body,) = notices(scene.bucket, key)
    for _ in range(2):
        assert failed(scene.handle(sqs_event(body, arn=scene.queue_arn))) == []
        (left,) = scene.queued()
        body = left["Body"]
    event = sqs_event(body, arn=scene.queue_arn)
    assert failed(scene.handle(event)) == message_ids(event)


def test_12_several_continuations_come_in_one_batch(scene: Scene) -> None:
    scene.environ |= SMALL
    keys = [scene.put(text(*lines(1500, 1500 * place)), object_key(place)) for place in range(4)]
    scene.stop_after_lines(1)
    for body in notices(scene.bucket, *keys):
        assert failed(scene.handle(sqs_event(body, arn=scene.queue_arn))) == []
    bodies = [one["Body"] for one in scene.queued()]
    assert len(bodies) == 4
    scene.stop_after_lines(None)
    assert failed(scene.handle(sqs_event(*bodies, arn=scene.queue_arn))) == []
    assert len(scene.engine.documents) == scene.engine.sent == 6000


def test_13_a_batch_may_hold_everything(scene: Scene) -> None:
    scene.environ |= SMALL
    keys = [scene.put(text(*lines(1500, 1500 * place)), object_key(place)) for place in range(2)]
    scene.stop_after_lines(1)
    scene.handle(sqs_event(*notices(scene.bucket, keys[0]), arn=scene.queue_arn))
    (left,) = scene.queued()
    scene.stop_after_lines(None)
    bodies = [left["Body"], *notices(scene.bucket, keys[1]), LINE, json.dumps(message(LINE))]
    assert failed(scene.handle(sqs_event(*bodies, arn=scene.queue_arn))) == []
    assert len(scene.engine.documents) == 3002


def test_34_of_twelve_events_in_three_records_each_is_there_once(scene: Scene) -> None:
    event = kinesis_event(*[payload(*lines(4, 4 * number), tag=str(number)) for number in range(3)])
    scene.stop_after_lines(1)
    assert stream_through(scene, event) == 3
    assert len(scene.engine.documents) == scene.engine.sent == 12


def test_37_out_of_time_with_an_unknown_source_its_message_is_retained(scene: Scene) -> None:
    scene.match = f"arn:aws:s3:::{scene.bucket}/*"
    key = scene.put(text(*lines(10)))
    bodies = [*notices("another-bucket", object_key()), *notices(scene.bucket, key)]
    event = sqs_event(*bodies)
    assert failed(scene.handle(event)) == message_ids(event)[:1]
    assert len(scene.engine.documents) == 10
    assert failed(scene.handle(event, seconds=0.0)) == message_ids(event)


def test_37_an_unknown_stream_or_queue_is_retained_and_named(scene: Scene) -> None:
    scene.match = "nothing"
    for event, name in ((kinesis_event(LINE.encode()), "stream/flows"), (sqs_event(LINE), QUEUE)):
        with pytest.raises(VpcFlowError, match=name):
            scene.handle(event)
    event = sqs_event(*notices(scene.bucket, object_key()))
    assert failed(scene.handle(event)) == message_ids(event)


def test_43_a_slow_engine_changes_nothing(scene: Scene) -> None:
    scene.environ |= SMALL
    key = scene.put(text(*lines(2000)))

    def slow(_request: object, number: int) -> None:
        if number % 5 == 0:
            scene.engine.pause(0.05)

    scene.engine.fault = slow
    assert failed(scene.handle(sqs_event(*notices(scene.bucket, key)))) == []
    ids = set(scene.engine.ids)
    scene.engine.fault = lambda _request, _number: None
    scene.engine.sink.documents.clear()
    assert failed(scene.handle(sqs_event(*notices(scene.bucket, key)))) == []
    assert set(scene.engine.ids) == ids
    assert len(ids) == 2000
