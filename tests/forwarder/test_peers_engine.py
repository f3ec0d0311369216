"""Numbered behaviours of peers: what the engine may do, and what becomes of events then."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forwarder import cloudwatch, invocation, kinesis, sqs
from forwarder.batch import Batch
from tests.forwarder.engine import refuses
from tests.forwarder.events import (
    BROKEN,
    LINE,
    failed,
    kinesis_event,
    lines,
    logs_event,
    message_ids,
    notices,
    object_key,
    payload,
    s3_event,
    shard,
    sqs_event,
    text,
)
from tests.forwarder.scene import Scene
from tests.sink.peers import ELASTIC, Canned, Request
from vpcflow.errors import DeadLetterError, SinkRefused, SinkUnavailable, Stopped, VpcFlowError
from vpcflow.forwarding import work
from vpcflow.pipeline import pipeline


def answered(*statuses: int, kind: str = "mapper_parsing_exception") -> Canned:
    items: list[dict[str, Any]] = []
    for status in statuses:
        item: dict[str, Any] = {"status": status}
        if status >= 300:
            item["error"] = {"type": kind, "reason": "scripted"}
        items.append({"create": item})
    return Canned(body=json.dumps({"errors": True, "items": items}).encode(), headers=ELASTIC)


def every_kind(scene: Scene) -> list[dict[str, Any]]:
    """Return an event of each kind with the same hundred lines in different records."""
    key = scene.put(text(*lines(100)))
    return [
        sqs_event(*notices(scene.bucket, key)),
        sqs_event("\n".join(lines(100))),
        s3_event(scene.bucket, key),
        logs_event(payload(*lines(100))),
        kinesis_event(payload(*lines(50), tag="a"), payload(*lines(50), tag="b")),
    ]


def test_36_two_rejections_with_one_id_have_an_outcome_each(scene: Scene) -> None:
    """One payload twice in a batch: the same two `_id`s; whatever the engine says is an answer to each of them."""
    scene.engine.fault = lambda _request, number: answered(400, 400) if number == 0 else None
    event = kinesis_event(payload(LINE), payload(LINE))
    assert failed(scene.handle(event)) == []
    letters = scene.kept()
    assert [letter.reason for letter in letters] == ["rejected", "rejected"]
    assert letters[0].document_id == letters[1].document_id
    assert {letter.identity["sequence"] for letter in letters} == set(shard(event))


@pytest.mark.parametrize("bucket", ["", "there-is-no-such-bucket"])
def test_38_an_item_with_503_is_sent_again_and_never_a_dead_letter(scene: Scene, bucket: str) -> None:
    scene.environ |= {"DEADLETTERS__BUCKET": bucket} if bucket else {}
    busy = answered(503, 503, 503, kind="unavailable_shards_exception")
    scene.engine.fault = lambda _request, number: busy if number < 3 else None
    assert failed(scene.handle(kinesis_event(payload(*lines(3))))) == []
    assert len(scene.engine.documents) == 3
    assert scene.kept() == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_39_a_whole_request_that_is_refused_is_never_delivered(scene: Scene, status: int) -> None:
    scene.engine.fault = refuses(status, "index_not_found_exception" if status == 404 else "scripted_exception")
    for event in every_kind(scene):
        with pytest.raises(SinkRefused):
            scene.handle(event)
        assert scene.counted("items", result="settled") == 0
    assert scene.engine.documents == []
    assert scene.kept() == []


def test_40_a_failure_and_then_a_success_send_the_batch_once(scene: Scene) -> None:
    scene.engine.fault = lambda _request, number: scene.engine.away() if number == 0 else None
    assert failed(scene.handle(sqs_event("\n".join(lines(3))))) == []
    assert len(scene.engine.server.bulks) == 2
    assert scene.engine.sent == 3
    assert scene.queued() == []
    assert scene.kept() == []


def test_44_a_record_of_the_largest_size_is_kept_whole(scene: Scene) -> None:
    largest = b"\x1f\x8b" + bytes(range(256)) * 4096  # gzip it is not; no byte of it may be lost
    assert failed(scene.handle(kinesis_event(largest))) == []
    (letter,) = scene.kept()
    assert letter.raw == largest


def test_44_what_cannot_be_kept_fails_the_invocation(scene: Scene) -> None:
    scene.environ["DEADLETTERS__BUCKET"] = "there-is-no-such-bucket"
    for event in (kinesis_event(BROKEN.encode()), logs_event(payload(BROKEN)), sqs_event(BROKEN)):
        with pytest.raises(DeadLetterError):
            scene.handle(event)
    event = kinesis_event(LINE.encode(), BROKEN.encode(), LINE.encode())
    assert failed(scene.handle(event)) == [shard(event)[1]]


STAGES = [
    (kinesis, "user_records"),
    (kinesis, "kinesis_origin"),
    (cloudwatch, "members"),
    (sqs, "content_of"),
    (pipeline.Pipeline, "submit"),
    (pipeline.Pipeline, "flush"),
    (pipeline.Pipeline, "_settle"),
    (Batch, "problem"),
    (invocation.Invocation, "report"),
    (invocation.Invocation, "report_whole"),
    (work.Walk, "result"),
    (work.Walk, "_walk"),
]


@pytest.mark.parametrize("stage", range(len(STAGES)), ids=[name for _, name in STAGES])
def test_45_an_unexpected_exception_in_any_stage_fails_the_invocation(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    holder, name = STAGES[stage]
    events = every_kind(scene)

    def broken(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError("a defect")

    failures = 0
    with monkeypatch.context() as patch:
        patch.setattr(holder, name, broken)
        for event in events:
            try:
                scene.handle(event)
            except ZeroDivisionError:
                failures += 1
    assert failures >= 1
    for event in events:
        assert scene.handle(event) in ({}, {"batchItemFailures": []})
    assert len(scene.engine.ids) == 400  # the object's lines came in two ways, and are the same


def test_50_all_waiting_is_shorter_than_what_is_left(scene: Scene) -> None:
    scene.engine.fault = lambda _request, _number: scene.engine.away()
    for event in every_kind(scene):
        begun = scene.clock.monotonic()
        requests = len(scene.engine.server.bulks)
        with pytest.raises((Stopped, SinkUnavailable)):
            scene.handle(event, seconds=60.0)
        assert 40 < scene.clock.monotonic() - begun < 60  # patient, and back before Lambda ends the process
        assert len(scene.engine.server.bulks) - requests >= 1  # fewer while the breaker is open, which it stays
    assert scene.kept() == []
    assert scene.queued() == []


@pytest.mark.parametrize("seconds", [1.0, 3.0, 20.0, 900.0])
def test_50_also_in_a_function_with_little_time(scene: Scene, seconds: float) -> None:
    scene.engine.fault = lambda _request, _number: scene.engine.away(429)
    begun = scene.clock.monotonic()
    with pytest.raises((Stopped, SinkUnavailable)):
        scene.handle(kinesis_event(LINE.encode()), seconds=seconds)
    assert scene.clock.monotonic() - begun < seconds


@pytest.mark.parametrize("status", [401, 403, 404])
def test_51_refused_credentials_are_one_error_and_nothing_is_moved(
    scene: Scene, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    scene.engine.fault = refuses(status, "security_exception" if status != 404 else "index_not_found_exception")
    keys = [scene.put(text(*lines(500, 500 * place)), object_key(place)) for place in range(5)]
    event = sqs_event(*notices(scene.bucket, *keys), *lines(5))
    with pytest.raises(SinkRefused) as raised:
        scene.handle(event)
    assert "\n" not in str(raised.value)
    assert len(scene.engine.server.bulks) <= 8  # a few bodies were on their way; not one for each event
    assert scene.kept() == []
    assert scene.queued() == []


def test_52_a_body_that_is_too_large_is_split(scene: Scene) -> None:
    def small(request: Request, _number: int) -> Canned | None:
        return Canned(status=413, body=b"{}", headers=ELASTIC) if len(request.body) > 2_000 else None

    scene.engine.fault = small
    assert failed(scene.handle(kinesis_event(payload(*lines(500))))) == []
    assert len(scene.engine.documents) == 500
    assert scene.kept() == []


def test_52_a_single_document_that_is_too_large_is_a_dead_letter(scene: Scene) -> None:
    scene.engine.fault = lambda _request, _number: Canned(status=413, body=b"{}", headers=ELASTIC)
    assert failed(scene.handle(kinesis_event(LINE.encode()))) == []
    (letter,) = scene.kept()
    assert (letter.reason, letter.raw) == ("rejected", LINE.encode())


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "step", [step if step % 4 == 0 else pytest.param(step, marks=pytest.mark.slow) for step in range(12)]
)
def test_53_a_kill_at_any_step_loses_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    scene.environ |= {"BULK__MAX_ACTIONS": "40", "BULK__IN_FLIGHT": "1"}
    events = every_kind(scene)
    steps = iter(range(step + 1))

    def killing(inner: Any) -> Any:  # noqa: ANN401 - methods of any kind
        def call(*args: Any, **more: Any) -> Any:  # noqa: ANN401
            done = inner(*args, **more)
            if next(steps, None) is None:
                raise Killed
            return done

        return call

    killed = 0
    with monkeypatch.context() as patch:
        for name in ("submit", "_send", "_land", "_settle"):
            patch.setattr(pipeline.Pipeline, name, killing(getattr(pipeline.Pipeline, name)))
        for event in events:
            try:
                scene.handle(event)
            except Killed:
                killed += 1
    assert killed
    scene.restart()
    for event in events:
        assert scene.handle(event) in ({}, {"batchItemFailures": []})
    assert len(scene.engine.documents) == len(set(scene.engine.ids)) == 400


def test_what_is_settled_is_answered_as_such_though_the_rest_is_refused(scene: Scene) -> None:
    scene.environ |= {"BULK__MAX_ACTIONS": "10", "BULK__IN_FLIGHT": "1"}
    event = sqs_event(*["\n".join(lines(10, 10 * number)) for number in range(5)])
    scene.engine.fault = lambda request, number: refuses(403)(request, number) if number >= 2 else None
    assert failed(scene.handle(event)) == message_ids(event)[2:]
    assert scene.counted("items", result="settled") == 2
    assert scene.counted("items", result="failed") == 3


def test_an_event_that_is_not_settled_as_a_whole_says_why(scene: Scene) -> None:
    with pytest.raises(VpcFlowError, match="there-is-none-of-this-name"):
        scene.handle(s3_event("there-is-none-of-this-name", object_key()))
