"""Batches of a queue: each message has a fate of its own."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable

import pytest

from tests.forwarder.engine import refuses
from tests.forwarder.events import (
    BROKEN,
    LINE,
    QUEUE,
    failed,
    lines,
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
from vpcflow.errors import SinkRefused
from vpcflow.objects.reference import ObjectRef


def test_objects_are_forwarded_once(scene: Scene) -> None:
    keys = [scene.put(gzip.compress(text(*lines(50, 50 * number))), object_key(number)) for number in range(3)]
    event = sqs_event(*notices(scene.bucket, *keys))
    for _ in range(2):
        assert failed(scene.handle(event)) == []
    assert len(scene.engine.documents) == 150
    assert scene.counted("objects", result="settled") == 3
    assert scene.counted("items", result="settled") == 3
    document = json.loads(json.dumps(scene.engine.documents[0]))
    assert document["aws"]["s3"] == {"bucket": {"name": scene.bucket}, "object": {"key": keys[0]}}
    assert document["log"]["offset"] == len(text())


def test_each_message_has_its_own_fate(scene: Scene) -> None:
    """A queue with everything in it: only what may be settled later comes again."""
    good = scene.put(text(*lines(3)), object_key(1))
    (good_notice,) = notices(scene.bucket, good)
    (gone_notice,) = notices(scene.bucket, object_key(9))
    (no_bucket,) = notices("no-bucket-of-this-name-anywhere", object_key(1))
    other = scene.put(b"nothing of ours", "other/thing.txt")
    bodies = {
        "object": good_notice,
        "gone": gone_notice,
        "skipped": notices(scene.bucket, other)[0],
        "deleted": json.dumps({"Records": [s3_record(scene.bucket, good, name="ObjectRemoved:Delete")]}),
        "test": json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": scene.bucket}),
        "wrapped by SNS": json.dumps({"Type": "Notification", "TopicArn": "arn:x", "Message": good_notice}),
        "line": LINE.replace("4249", "77"),
        "payload": json.dumps(message(LINE.replace("4249", "78"))),
        "packed payload": base64.b64encode(payload(LINE.replace("4249", "79"), tag="p")).decode(),
        "empty": "  \n",
        "strange": json.dumps({"user": "secret"}),
        "damaged": '{"Records": [',
        "subscription": json.dumps({"Type": "SubscriptionConfirmation", "TopicArn": "x", "Message": "confirm"}),
    }
    event = sqs_event(*bodies.values(), no_bucket)
    answer = failed(scene.handle(event))
    assert answer == message_ids(event)[-1:] or answer == []
    assert len(scene.engine.documents) == 6
    letters = {letter.raw.decode(): letter for letter in scene.kept()}
    strange = [letters[bodies[name]] for name in ("strange", "damaged", "subscription")]
    assert {letter.reason for letter in strange} == {"notification"}
    assert all("secret" not in letter.message for letter in strange)
    assert strange[0].identity["aws.sqs.message_id"] == message_ids(event)[10]
    assert scene.counted("objects", result="skipped") == 1
    assert scene.counted("objects", result="gone") >= 1
    assert scene.counted("empty_items") == 1


def test_a_message_that_is_a_line_has_the_id_of_its_place(scene: Scene) -> None:
    event = sqs_event("\n".join(lines(2)), LINE, LINE)
    for _ in range(2):
        assert failed(scene.handle(event)) == []
    assert len(scene.engine.documents) == 4  # two messages with the same line are two flows


def test_a_payload_has_the_same_ids_as_on_any_other_way(scene: Scene) -> None:
    scene.handle(sqs_event(json.dumps(message(*lines(3)))))
    scene.handle(sqs_event(payload(*lines(3)).hex(), json.dumps({"message": LINE})))
    assert len(scene.engine.documents) == 4
    assert len(scene.kept()) == 1


def test_an_engine_that_refuses_fails_all_with_one_error(scene: Scene) -> None:
    keys = [scene.put(text(*lines(50, 50 * number)), object_key(number)) for number in range(3)]
    scene.engine.fault = refuses(403)
    with pytest.raises(SinkRefused):
        scene.handle(sqs_event(*notices(scene.bucket, *keys), LINE))
    assert scene.kept() == []
    assert scene.queued() == []


def test_in_a_fifo_queue_all_after_the_first_failure_come_again(scene: Scene) -> None:
    scene.environ |= {"BULK__MAX_ACTIONS": "10", "BULK__IN_FLIGHT": "1"}
    bodies = ["\n".join(lines(10, 10 * number)) for number in range(4)]
    event = sqs_event(*bodies, arn=f"{QUEUE}.fifo")
    scene.engine.fault = lambda request, number: refuses(403)(request, number) if number >= 1 else None
    assert failed(scene.handle(event)) == message_ids(event)[1:]


def test_what_comes_again_in_a_fifo_queue_is_not_handed_over_too(scene: Scene) -> None:
    scene.environ["OBJECTS__BLOCK_BYTES"] = "65536"
    key = scene.put(text(*lines(3000)))
    scene.stop_after_lines(500)
    bodies = [*notices(scene.bucket + "-not-there", key), *notices(scene.bucket, key)]
    event = sqs_event(*bodies, LINE, arn=f"{QUEUE}.fifo")
    scene.environ["FORWARDER__CONTINUE_QUEUE_URL"] = scene.queue_url
    assert failed(scene.handle(event)) == message_ids(event)
    assert scene.queued() == []
    assert scene.counted("items", result="failed") == 3


def test_hand_overs_in_a_row_end_before_the_invocation_does(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.environ["OBJECTS__BLOCK_BYTES"] = "65536"
    keys = [scene.put(text(*lines(2000)), object_key(number)) for number in range(6)]
    scene.stop_after_lines(500)
    begun = scene.clock.monotonic()

    def slow(_sqs: object, _url: str) -> Callable[[ObjectRef], None]:
        return lambda _ref: scene.clock.advance(2.9)  # the longest that the client waits

    monkeypatch.setattr("forwarder.program.sender", slow)
    event = sqs_event(json.dumps(s3_event(scene.bucket, *keys)), arn=scene.queue_arn)
    assert failed(scene.handle(event)) == message_ids(event)  # not all of it could be handed over
    assert scene.clock.monotonic() - begun <= 60.0


def test_bad_lines_of_a_message_are_dead_letters(scene: Scene) -> None:
    assert failed(scene.handle(sqs_event(f"{LINE}\n{BROKEN}"))) == []
    (letter,) = scene.kept()
    assert letter.raw == BROKEN.encode()
    assert letter.source == "sqs:flow-logs"


def test_a_dead_letter_that_is_not_kept_settles_nothing(scene: Scene) -> None:
    scene.environ["DEADLETTERS__BUCKET"] = "there-is-no-such-bucket"
    event = sqs_event(LINE, json.dumps({"user": 1}))
    assert message_ids(event)[1] in failed(scene.handle(event))


def test_what_is_left_when_time_is_up_goes_back_into_the_queue(scene: Scene) -> None:
    key = scene.put(text(*lines(5000)))
    arn = scene.queue_arn
    scene.environ["OBJECTS__BLOCK_BYTES"] = "65536"
    scene.stop_after_lines(1000)
    event = sqs_event(json.dumps(s3_event(scene.bucket, key)), arn=arn)
    assert failed(scene.handle(event)) == []
    (left,) = scene.queued()
    assert scene.counted("objects", result="handed_over") == 1
    scene.stop_after_lines(None)
    assert failed(scene.handle(sqs_event(left["Body"], arn=arn))) == []
    assert len(scene.engine.documents) == 5000
    assert scene.engine.sent == 5000
