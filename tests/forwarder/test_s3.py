"""Notifications without a queue: settled or handed over as a whole, or raised."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from forwarder.invocation import NotSettled
from tests.forwarder.events import failed, lines, object_key, s3_event, s3_record, sqs_event, text
from tests.forwarder.scene import Scene
from vpcflow.errors import VpcFlowError


def test_all_objects_of_an_event_are_forwarded(scene: Scene) -> None:
    keys = [scene.put(gzip.compress(text(*lines(50, 50 * number))), object_key(number)) for number in range(3)]
    assert scene.handle(s3_event(scene.bucket, *keys)) == {}
    assert len(scene.engine.documents) == 150
    assert scene.counted("objects", result="settled") == 3
    assert scene.counted("items", result="settled") == 1


def test_a_key_with_space_plus_and_letters_of_other_alphabets_is_found(scene: Scene) -> None:
    key = scene.put(text(*lines(2)), "AWSLogs/vpcflowlogs/a b+c=ä/hour=01/x.log")
    assert scene.handle(s3_event(scene.bucket, key)) == {}
    assert len(scene.engine.documents) == 2
    found: Any = scene.engine.documents[0]
    assert found["aws"]["s3"]["object"]["key"] == key


@pytest.mark.parametrize(
    "event",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"},
        {"Records": [s3_record("bucket", "k", name="ObjectRemoved:Delete")]},
        {"Records": [s3_record("bucket", "not/ours.txt")]},
    ],
)
def test_where_nothing_is_to_be_read_nothing_is_done(scene: Scene, event: dict[str, Any]) -> None:
    assert scene.handle(event) == {}
    assert scene.engine.server.requests == []


def test_an_event_that_cannot_be_read_is_raised(scene: Scene) -> None:
    record = s3_record("b", "k")
    del record["s3"]["object"]["key"]
    with pytest.raises(NotSettled, match="'key'"):
        scene.handle({"Records": [record]})


def test_what_is_left_goes_to_the_queue_that_is_set(scene: Scene) -> None:
    scene.environ |= {"OBJECTS__BLOCK_BYTES": "65536", "FORWARDER__CONTINUE_QUEUE_URL": scene.queue_url}
    key = scene.put(text(*lines(3000)))
    scene.stop_after_lines(1)
    assert scene.handle(s3_event(scene.bucket, key)) == {}
    (left,) = scene.queued()
    assert json.loads(left["Body"])["vpcflow.continue"]["key"] == key
    scene.stop_after_lines(None)
    assert failed(scene.handle(sqs_event(left["Body"], arn=scene.queue_arn))) == []
    assert len(scene.engine.documents) == scene.engine.sent == 3000


def test_without_a_queue_what_is_left_is_raised(scene: Scene) -> None:
    scene.environ |= {"OBJECTS__BLOCK_BYTES": "65536"}
    key = scene.put(text(*lines(3000)))
    scene.stop_after_lines(1)
    with pytest.raises(NotSettled, match=r"forwarder\.continue_queue_url"):
        scene.handle(s3_event(scene.bucket, key))
    scene.stop_after_lines(None)
    assert scene.handle(s3_event(scene.bucket, key)) == {}  # Lambda tries again, with luck in time
    assert len(scene.engine.documents) == 3000


def test_a_queue_that_takes_nothing_settles_nothing(scene: Scene) -> None:
    scene.environ |= {
        "OBJECTS__BLOCK_BYTES": "65536",
        "FORWARDER__CONTINUE_QUEUE_URL": f"{scene.queue_url}-there-is-none",
    }
    key = scene.put(text(*lines(3000)))
    scene.stop_after_lines(1)
    with pytest.raises(VpcFlowError, match="could not be handed over"):
        scene.handle(s3_event(scene.bucket, key))


def test_the_region_of_the_queue_is_that_of_its_url(scene: Scene) -> None:
    url = "https://sqs.eu-north-1.amazonaws.com/123456789012/left"
    scene.environ |= {"OBJECTS__BLOCK_BYTES": "65536", "FORWARDER__CONTINUE_QUEUE_URL": url}
    key = scene.put(text(*lines(3000)))
    scene.stop_after_lines(1)
    with pytest.raises(NotSettled, match="could not be handed over"):  # there is none in the emulator
        scene.handle(s3_event(scene.bucket, key))
    assert {made[1] for made in scene.program()._clients if made[0] == "sqs"} == {"eu-north-1"}
