"""Numbered behaviours of peers: what a sink makes of answers, and what stays where it is when there is none."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forwarder.engine import refuses, serving
from tests.forwarder.events import (
    LINE,
    failed,
    kinesis_event,
    lines,
    logs_event,
    message_ids,
    notices,
    object_key,
    payload,
    shard,
    sqs_event,
    text,
)
from tests.forwarder.scene import Scene
from tests.sink.peers import ELASTIC, Authority, Canned, Request, fingerprint
from vpcflow import wiring
from vpcflow.errors import DeadLetterError, SinkRefused, SinkUnavailable, Stopped
from vpcflow.settings.load import load
from vpcflow.sink.engine import EngineSink
from vpcflow.stack import Stack

CONFLICT = "version_conflict_engine_exception"


def answered(*items: tuple[int, str], **more: object) -> Canned:
    """Return an answer to a bulk request: the status and the type of each item's error."""
    told: list[dict[str, Any]] = []
    for status, kind in items:
        item: dict[str, Any] = {"status": status, **more}
        if kind:
            item["error"] = {"type": kind, "reason": "scripted"}
        told.append({"create": item})
    return Canned(body=json.dumps({"errors": True, "items": told}).encode(), headers=ELASTIC)


def every_kind(scene: Scene) -> list[dict[str, Any]]:
    """Return an event of each kind; 30 flows, the object's and the log events' twice."""
    key = scene.put(text(*lines(10)), object_key(1))
    return [
        sqs_event(*notices(scene.bucket, key)),
        sqs_event("\n".join(lines(10))),
        logs_event(payload(*lines(10))),
        kinesis_event(payload(*lines(10))),
    ]


@pytest.fixture
def name() -> str:
    """Of the indices of a test in an engine that others use too."""
    return f"peers-{uuid.uuid4().hex}"


@pytest.fixture
def real(stack_elasticsearch: Stack, scene: Scene, name: str) -> Iterator[EngineSink]:
    """Point the function at a real engine; return a connection to it."""
    scene.environ |= {"ELASTICSEARCH__HOSTS": stack_elasticsearch.engine_url, "INDEX__NAME": name + "-{yyyy}"}
    made = wiring.sink(load(None, scene.settings()).settings)
    yield made
    made.request("DELETE", f"/{name}-2014")
    made.close()


def found(real: EngineSink, name: str) -> int:
    real.refresh(f"{name}-2014")
    return real.count(f"{name}-2014")


@pytest.mark.stack
def test_16_what_is_there_already_is_a_success(real: EngineSink, name: str, scene: Scene) -> None:
    events = every_kind(scene)
    for number in range(2):
        for event in events:
            assert scene.handle(event) in ({}, {"batchItemFailures": []})
            assert scene.counted("documents", outcome="duplicate") == (10 if number or event is events[3] else 0)
        assert found(real, name) == 30
    assert scene.kept() == []


def test_16_a_conflict_is_an_answer_and_no_failure(scene: Scene) -> None:
    scene.engine.fault = lambda _request, _number: answered((409, CONFLICT), (201, ""), (409, CONFLICT))
    assert failed(scene.handle(kinesis_event("\n".join(lines(3)).encode()))) == []
    assert scene.counted("documents", outcome="duplicate") == 2
    assert len(scene.engine.server.bulks) == 1
    assert scene.kept() == []


@pytest.mark.stack
def test_17_a_refused_document_is_a_dead_letter_with_cause_and_status(
    real: EngineSink, name: str, scene: Scene
) -> None:
    """The engine keeps ports in a byte here: one flow's port has no room in it."""
    ports = {"source": {"properties": {"port": {"type": "byte"}}}}
    assert real.request("PUT", f"/{name}-2014", {"mappings": {"properties": ports}}).status == 200
    small = LINE.replace(" 20641 ", " 100 ")
    assert failed(scene.handle(kinesis_event(payload(small, LINE)))) == []
    assert found(real, name) == 1
    (letter,) = scene.kept()
    assert (letter.reason, letter.error_type, letter.raw) == ("rejected", "document_parsing_exception", LINE.encode())
    assert letter.message.startswith("400: ")
    assert "source.port" in letter.message


def test_18_a_dead_letter_that_is_not_kept_leaves_what_it_is_of_where_it_is(scene: Scene) -> None:
    scene.engine.fault = lambda _request, _number: answered((201, ""), (400, "mapper_parsing_exception"))
    scene.environ["DEADLETTERS__BUCKET"] = missing = f"not-yet-{uuid.uuid4().hex}"
    events = [sqs_event("\n".join(lines(2))), logs_event(payload(*lines(2))), kinesis_event(payload(*lines(2)))]
    for event in events:
        with pytest.raises(DeadLetterError):
            scene.handle(event)
        assert scene.counted("items", result="settled") == 0
    scene.s3.create_bucket(Bucket=missing, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    scene.letters = missing
    for number, event in enumerate(events):
        assert scene.handle(event) in ({}, {"batchItemFailures": []})
        assert len(scene.kept()) == number + 1


BUSY = {
    "429 for all": Canned(status=429, body=b'{"error":{"type":"es_rejected_execution_exception"}}', headers=ELASTIC),
    "429 for each": answered(*[(429, "es_rejected_execution_exception")] * 3),
    "hang up": Canned(hang_up=True),
    "cut off": Canned(body=b'{"errors":false,"items":[' + b" " * 100, headers=ELASTIC, cut=50),
    "502 of a proxy": Canned(status=502, body=b"<html>Bad Gateway</html>"),
}


@pytest.mark.parametrize("kind", BUSY)
def test_19_what_decides_nothing_is_never_a_dead_letter(scene: Scene, kind: str) -> None:
    """Neither while it lasts, nor when the time is up, nor afterwards."""
    scene.engine.fault = lambda _request, _number: BUSY[kind]
    event = kinesis_event("\n".join(lines(3)).encode())
    with pytest.raises((SinkUnavailable, Stopped)):
        scene.handle(event)
    assert scene.engine.documents == []
    assert scene.kept() == []
    seen = len(scene.engine.server.bulks)
    scene.engine.fault = lambda _request, number: BUSY[kind] if number < seen + 2 else None
    scene.clock.advance(600)
    assert failed(scene.handle(event, seconds=600.0)) == []
    assert len(scene.engine.documents) == 3
    assert scene.kept() == []


def test_20_an_answer_with_other_ids_is_read_by_its_order(scene: Scene) -> None:
    """As of a pipeline that writes `_id` anew: each document has its outcome, the refused one with our own id."""
    scene.engine.fault = lambda _request, _number: answered(
        (201, ""), (400, "mapper_parsing_exception"), (409, CONFLICT), _id="another", _index="elsewhere"
    )
    assert failed(scene.handle(kinesis_event("\n".join(lines(3)).encode()))) == []
    outcomes = {name: scene.counted("documents", outcome=name) for name in ("created", "rejected", "duplicate")}
    assert outcomes == {"created": 1, "rejected": 1, "duplicate": 1}
    (letter,) = scene.kept()
    assert letter.raw == lines(3)[1].encode()
    assert letter.document_id not in ("", "another")


def test_21_a_body_goes_out_when_it_is_full_and_at_the_end(scene: Scene) -> None:
    scene.environ["BULK__MAX_ACTIONS"] = "10"
    counts: list[int] = []
    write = scene.engine.sink.write

    def noted(bulk: Any) -> Any:  # noqa: ANN401
        counts.append(bulk.count)
        return write(bulk)

    scene.engine.sink.write = noted  # type: ignore[method-assign]
    assert failed(scene.handle(kinesis_event(payload(*lines(25))))) == []
    assert sorted(counts) == [5, 10, 10]
    counts.clear()
    assert failed(scene.handle(kinesis_event(*[line.encode() for line in lines(10)]))) == []
    assert counts == [10]  # nothing is left for an empty body
    counts.clear()
    assert scene.handle(logs_event(payload(LINE, tag="other"))) == {}
    assert counts == [1]


def preserved(scene: Scene, events: list[dict[str, Any]], words: str) -> None:
    """Fail unless all of it is refused in one line, and nothing of it is settled, moved or set aside."""
    for event in events:
        with pytest.raises(SinkRefused, match=words) as refused:
            scene.handle(event)
        assert "\n" not in str(refused.value)
        assert "geheim" not in str(refused.value)
        assert scene.counted("items", result="settled") == 0
    assert scene.kept() == []
    assert scene.queued() == []


def test_22_another_certificate_than_the_pinned_one_gets_nothing(scene: Scene, tmp_path: Path) -> None:
    authority, stranger = (Authority(tmp_path, name) for name in ("ours", "strange"))
    with serving(authority.serving("server")) as engine:
        scene.engine = engine
        scene.environ |= {
            "ELASTICSEARCH__HOSTS": engine.url,
            "ELASTICSEARCH__CERTIFICATE_FINGERPRINT": stranger.fingerprint,
            "ELASTICSEARCH__API_KEY": "geheim",
        }
        events = every_kind(scene)
        preserved(scene, events, "certificate_fingerprint")
        assert engine.server.requests == []  # neither the key nor a flow was shown to it
        certificate = _certificate(tmp_path / "server.crt")
        scene.environ["ELASTICSEARCH__CERTIFICATE_FINGERPRINT"] = fingerprint(certificate)
        scene.restart()
        for event in events:
            assert scene.handle(event) in ({}, {"batchItemFailures": []})
        assert len(engine.documents) == 30


def _certificate(path: Path) -> Any:  # noqa: ANN401
    from cryptography import x509

    return x509.load_pem_x509_certificate(path.read_bytes())


def test_22_wrong_credentials_get_nothing_lost(scene: Scene) -> None:
    wanted = "Basic " + base64.b64encode(b"elastic:right").decode()

    def judged(request: Request, _number: int) -> Canned | None:
        said = b'{"error":{"type":"security_exception","reason":"unable to authenticate user [elastic]"}}'
        if request.headers.get("authorization") == wanted:
            return None
        return Canned(status=401, body=said, headers=ELASTIC)

    scene.engine.fault = judged
    scene.environ |= {"ELASTICSEARCH__USERNAME": "elastic", "ELASTICSEARCH__PASSWORD": "geheim"}
    events = every_kind(scene)
    preserved(scene, events, "refuses the credentials: 401")
    assert scene.engine.documents == []
    scene.environ["ELASTICSEARCH__PASSWORD"] = "right"
    scene.restart()
    for event in events:
        assert scene.handle(event) in ({}, {"batchItemFailures": []})
    assert len(scene.engine.documents) == 30


def test_24_what_fails_in_a_batch_comes_again_alone(scene: Scene) -> None:
    """What was settled is not asked for again; the rest is, until it is settled."""
    scene.environ |= {"BULK__MAX_ACTIONS": "5", "BULK__IN_FLIGHT": "1"}
    event = sqs_event(*["\n".join(lines(5, 5 * number)) for number in range(4)])
    scene.engine.fault = lambda request, number: refuses(403)(request, number) if number >= 2 else None
    again = failed(scene.handle(event))
    assert again == message_ids(event)[2:]
    scene.engine.fault = lambda _request, _number: None
    rest = {"Records": [record for record in event["Records"] if record["messageId"] in again]}
    assert failed(scene.handle(rest)) == []
    assert len(scene.engine.documents) == scene.engine.sent == 20


def test_24_of_a_stream_the_lowest_that_failed_and_all_after_it(scene: Scene) -> None:
    scene.environ |= {"BULK__MAX_ACTIONS": "5", "BULK__IN_FLIGHT": "1"}
    event = kinesis_event(*["\n".join(lines(5, 5 * number)).encode() for number in range(4)])
    scene.engine.fault = lambda request, number: refuses(403)(request, number) if number >= 2 else None
    assert failed(scene.handle(event)) == [shard(event)[2]]
    scene.engine.fault = lambda _request, _number: None
    assert failed(scene.handle({"Records": event["Records"][2:]})) == []
    assert len(scene.engine.documents) == scene.engine.sent == 20
