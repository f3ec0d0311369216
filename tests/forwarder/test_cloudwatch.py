"""Payloads of CloudWatch Logs: settled as a whole, or raised."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from tests.forwarder.engine import refuses
from tests.forwarder.events import ACCOUNT, BROKEN, LINE, REGION, lines, logs_event, message, payload
from tests.forwarder.scene import Scene
from vpcflow.errors import DeadLetterError, SinkRefused, VpcFlowError


def test_all_of_it_is_there_once(scene: Scene) -> None:
    event = logs_event(payload(*lines(700)))
    for _ in range(2):
        assert scene.handle(event) == {}
    assert len(scene.engine.documents) == 700
    assert scene.counted("items", result="settled") == 1
    assert scene.counted("documents", outcome="duplicate") == 700


def test_a_control_message_needs_no_engine(scene: Scene) -> None:
    scene.engine.fault = refuses(403)
    assert scene.handle(logs_event(payload("CWL CONTROL MESSAGE", kind="CONTROL_MESSAGE"))) == {}
    assert scene.engine.server.requests == []
    assert scene.counted("lines", kind="control") == 1


def test_what_is_not_settled_is_raised(scene: Scene) -> None:
    scene.engine.fault = refuses(403)
    with pytest.raises(SinkRefused):
        scene.handle(logs_event(payload(LINE)))
    assert scene.counted("items", result="failed") == 1
    assert scene.kept() == []


def test_a_bad_line_costs_one_line(scene: Scene) -> None:
    assert scene.handle(logs_event(payload(LINE, BROKEN))) == {}
    assert len(scene.engine.documents) == 1
    (letter,) = scene.kept()
    assert letter.raw == BROKEN.encode()
    assert letter.source == "lambda:forwarder"


def cut() -> dict[str, Any]:
    return logs_event(payload(*lines(100))[:-30])


DAMAGED = [
    (cut(), "gzip", base64.b64decode(cut()["awslogs"]["data"])),
    ({"awslogs": {"data": "%%%"}}, "base64", b"%%%"),
    (logs_event(gzip.compress(b"{nonsense", mtime=0)), "envelope", gzip.compress(b"{nonsense", mtime=0)),
    (logs_event(b"[1]"), "envelope", b"[1]"),
    (logs_event(b'{"messageType":"DATA_MESSAGE"}'), "envelope", b'{"messageType":"DATA_MESSAGE"}'),
]


@pytest.mark.parametrize(("event", "reason", "raw"), DAMAGED, ids=range(len(DAMAGED)))
def test_what_cannot_be_read_is_one_dead_letter_as_it_came(
    scene: Scene, event: dict[str, Any], reason: str, raw: bytes
) -> None:
    assert scene.handle(event) == {}
    (letter,) = scene.kept()
    assert letter.reason == reason
    assert letter.position == -1
    assert letter.raw == raw
    assert "awslogs.data" in letter.message
    assert scene.engine.documents == []


@pytest.mark.parametrize(("event", "reason", "raw"), DAMAGED, ids=range(len(DAMAGED)))
def test_what_cannot_be_read_nor_kept_is_raised(scene: Scene, event: dict[str, Any], reason: str, raw: bytes) -> None:
    scene.environ["DEADLETTERS__BUCKET"] = "there-is-no-such-bucket"
    with pytest.raises(DeadLetterError):
        scene.handle(event)


@pytest.mark.parametrize("pattern", ["{}", "{}:*", "{}*", "{}:log-stream:eni-*"])
def test_an_input_is_chosen_by_the_log_group(scene: Scene, pattern: str) -> None:
    scene.match = pattern.format(f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:flows")
    assert scene.handle(logs_event(payload(LINE))) == {}
    with pytest.raises(VpcFlowError, match="log-group:others"):
        scene.handle(logs_event(payload(LINE, logGroup="others")))
    assert len(scene.engine.documents) == 1


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1"), ("aws", "eu-west-1")]
)
def test_other_partitions_have_arns_of_their_own(scene: Scene, partition: str, region: str) -> None:
    scene.match = f"arn:{partition}:logs:{region}:{ACCOUNT}:log-group:flows"
    arn = f"arn:{partition}:lambda:{region}:{ACCOUNT}:function:forwarder:live"
    assert scene.handle(logs_event(payload(LINE)), arn=arn) == {}
    assert len(scene.engine.documents) == 1


def test_the_time_window_is_that_of_the_latest_event(scene: Scene) -> None:
    """The event tells no arrival; the events' own times stand for it, so that the same payload has the same fate each day."""
    end = 1_418_530_070
    days = 86_400
    near = LINE.replace(str(end), str(end + days // 2))
    far = LINE.replace(str(end), str(end + 3 * days))
    assert scene.handle(logs_event(payload(LINE, near, far))) == {}
    assert len(scene.engine.documents) == 2
    (letter,) = scene.kept()
    assert (letter.raw, letter.reason) == (far.encode(), "time")


def test_a_time_that_is_no_number_opens_no_window(scene: Scene) -> None:
    given = message(LINE)
    given["logEvents"][0]["timestamp"] = "now"
    assert scene.handle(logs_event(json.dumps(given).encode())) == {}
    assert len(scene.engine.documents) == 1
