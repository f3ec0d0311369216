"""Numbered behaviours of peers: what may come, packed in each way that AWS packs it, and what of it costs what."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from tests.forwarder.events import (
    ACCOUNT,
    BROKEN,
    HEADER,
    LINE,
    failed,
    kinesis_event,
    lines,
    logs_event,
    message,
    notices,
    object_key,
    payload,
    sqs_event,
    text,
)
from tests.forwarder.scene import Scene

CUT = b"2 123456789010 eni-1235b8ca 172.31.16.139 \xff\xfe\x00"


def number_of(document: dict[str, object]) -> int:
    """Return what `lines` counts with."""
    found: Any = document
    return int(found["network"]["bytes"])


def offset_of(document: dict[str, object]) -> int:
    found: Any = document
    return int(found["log"]["offset"])


def numbers(scene: Scene) -> list[int]:
    return sorted(number_of(one) for one in scene.engine.documents)


def test_01_plain_base64_gzip_and_both_give_the_same(scene: Scene) -> None:
    """The event says where there is base64; gzip says so itself. In each form it is the same three log events."""
    plain = json.dumps(message(*lines(3))).encode()
    packed = payload(*lines(3))
    ways = [
        logs_event(plain),
        logs_event(packed),
        kinesis_event(plain, packed, gzip.compress(packed)),
        sqs_event(plain.decode(), base64.b64encode(packed).decode()),
    ]
    for event in ways:
        assert scene.handle(event) in ({}, {"batchItemFailures": []})
        assert len(scene.engine.documents) == 3
        assert scene.counted("items", result="failed") == 0
    assert scene.kept() == []
    assert scene.counted("documents", outcome="duplicate") == 6  # of the last one: both messages were read


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\r\n \r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\r\n", "\n\n\n"])
def test_02_ends_of_lines_of_all_kinds(scene: Scene, end: str, last: str) -> None:
    content = end.join(lines(4)) + last
    key = scene.put(f"{HEADER}{end}{content}".encode())
    assert failed(scene.handle(kinesis_event(content.encode(), gzip.compress(content.encode())))) == []
    assert failed(scene.handle(sqs_event(content, *notices(scene.bucket, key)))) == []
    assert scene.handle(logs_event(payload(*[f"{line}{end}" for line in lines(4)]))) == {}
    assert numbers(scene) == sorted([*range(4)] * 5)
    assert scene.kept() == []


def test_02_a_single_line_without_an_end(scene: Scene) -> None:
    assert failed(scene.handle(kinesis_event(LINE.encode()))) == []
    assert failed(scene.handle(sqs_event(LINE))) == []
    assert len(scene.engine.documents) == 2


def test_03_json_in_lines_and_json_over_lines(scene: Scene) -> None:
    """A line wrapped in JSON, one a line; one payload that is written over many lines."""
    wrapped = "".join(json.dumps({"message": line}) + "\n" for line in lines(3))
    spread = json.dumps(message(*lines(2)), indent=2)
    assert spread.count("\n") > 10
    assert failed(scene.handle(kinesis_event(wrapped.encode(), spread.encode()))) == []
    assert numbers(scene) == [0, 0, 1, 1, 2]
    assert failed(scene.handle(sqs_event(wrapped, spread))) == []
    assert numbers(scene) == [0, 0, 0, 1, 1, 1, 2, 2]  # the payload's events are the same ones
    assert scene.kept() == []


def test_03_text_that_begins_like_json_and_is_none_costs_itself(scene: Scene) -> None:
    key = scene.put(f"{HEADER}\n{{no json\n{lines(1)[0]}\n".encode())
    strange = "{no json"
    assert failed(scene.handle(kinesis_event(f"{strange}\n{LINE}\n".encode(), strange.encode(), LINE.encode()))) == []
    assert failed(scene.handle(sqs_event(strange, *notices(scene.bucket, key)))) == []
    assert scene.handle(logs_event(payload(strange, LINE))) == {}
    assert [letter.raw for letter in scene.kept()] == [strange.encode()] * 5
    assert len(scene.engine.documents) == 4


def test_04_bytes_that_are_no_utf_8_abort_nothing(scene: Scene) -> None:
    first, second = (line.encode() for line in lines(2))
    given = first + b"\n" + CUT + b"\n" + second + b"\n"
    key = scene.put(gzip.compress(HEADER.encode() + b"\n" + given))
    assert failed(scene.handle(kinesis_event(given, gzip.compress(given)))) == []
    assert failed(scene.handle(sqs_event(*notices(scene.bucket, key)))) == []
    assert numbers(scene) == [0, 0, 0, 1, 1, 1]
    letters = scene.kept()
    assert [(letter.reason, letter.raw) for letter in letters] == [("encoding", CUT)] * 3


ODD: list[object] = [7, None, "text", [], {}, {"message": LINE}, {"id": "1"}, {"id": "1", "message": 5}]


def test_05_a_list_of_events_may_hold_anything(scene: Scene) -> None:
    """Elements that are none cost themselves; so does an element without an id, which would hide behind another one."""
    good = message(*lines(2))["logEvents"]
    data = json.dumps(message(logEvents=[good[0], *ODD, good[1]])).encode()
    assert scene.handle(logs_event(data)) == {}
    assert numbers(scene) == [0, 1]
    letters = scene.kept()
    assert [json.loads(letter.raw) for letter in sorted(letters, key=lambda one: one.position)] == ODD
    assert {letter.reason for letter in letters} == {"envelope"}
    assert failed(scene.handle(kinesis_event(data))) == []
    assert numbers(scene) == [0, 1]


def test_05_an_empty_list_is_settled(scene: Scene) -> None:
    data = json.dumps(message(logEvents=[])).encode()
    assert scene.handle(logs_event(data)) == {}
    assert failed(scene.handle(kinesis_event(data, payload(LINE)))) == []
    assert failed(scene.handle(sqs_event(data.decode()))) == []
    assert len(scene.engine.documents) == 1
    assert scene.kept() == []


def test_05_what_stands_around_the_list_goes_into_each_document(scene: Scene) -> None:
    """All of it, a part of it, and things nobody knows."""
    bare = {name: value for name, value in message(*lines(2)).items() if name in ("messageType", "logEvents")}
    some = {**bare, "logGroup": "some", "message": "no event", "id": "none either", "nobody": {"knows": 1}}
    for given in (message(*lines(2)), bare, some):
        assert failed(scene.handle(kinesis_event(json.dumps(given).encode()))) == []
    documents: list[Any] = scene.engine.documents
    groups = [one["aws"].get("cloudwatch", {}).get("log_group", "") for one in documents]
    assert groups == ["flows", "flows", "", "", "some", "some"]
    assert all("nobody" not in one and one["source"]["ip"] == "172.31.16.139" for one in documents)


@pytest.mark.parametrize("blank", ["", " ", "\r\n"])
def test_06_messages_without_text_are_counted_and_not_sent(scene: Scene, blank: str) -> None:
    assert scene.handle(logs_event(payload(lines(2)[0], blank, lines(2)[1]))) == {}
    assert scene.counted("lines", kind="skipped") == 1
    assert failed(scene.handle(kinesis_event(LINE.encode(), blank.encode(), LINE.encode()))) == []
    assert scene.counted("empty_items") == 1
    assert failed(scene.handle(sqs_event(LINE, blank, LINE))) == []
    assert scene.counted("empty_items") == 1
    assert scene.engine.sent == len(scene.engine.documents) == 6
    assert scene.kept() == []


@pytest.mark.parametrize("include", [None, True, False], ids=["no include", "included", "not included"])
@pytest.mark.parametrize("exclude", [None, True, False], ids=["no exclude", "excluded", "not excluded"])
def test_07_include_and_exclude(scene: Scene, include: bool | None, exclude: bool | None) -> None:  # noqa: FBT001
    """Exclude wins. What is left out is settled and counted, and its bad neighbour is kept all the same."""
    fits, fits_not = "dstport == 22", "dstport == 23"
    for name, given in (("INCLUDE", include), ("EXCLUDE", exclude)):
        if given is not None:
            scene.environ[f"FILTER__{name}"] = fits if given else fits_not
    wanted = include is not False and exclude is not True
    assert failed(scene.handle(kinesis_event(payload(LINE, BROKEN), LINE.encode()))) == []
    assert len(scene.engine.documents) == (2 if wanted else 0)
    assert scene.counted("lines", kind="filtered") == (0 if wanted else 2)
    assert scene.counted("items", result="settled") == 2
    assert [letter.raw for letter in scene.kept()] == [BROKEN.encode()]


def test_30_an_empty_message_among_three_costs_nothing(scene: Scene) -> None:
    """A log event, a record of a stream, a message of a queue."""
    events = [logs_event(payload(LINE, "", LINE)), kinesis_event(payload(LINE, tag="k"), b"", payload(LINE, tag="l"))]
    for event in [*events, sqs_event(LINE, "", LINE)]:
        assert scene.handle(event) in ({}, {"batchItemFailures": []})
    assert len(scene.engine.documents) == 6
    assert scene.kept() == []


def test_32_control_messages_are_counted_on_every_way(scene: Scene) -> None:
    probe = payload("CWL CONTROL MESSAGE: Checking health of destination.", kind="CONTROL_MESSAGE")
    base64_text = base64.b64encode(probe).decode()
    for event in (logs_event(probe), kinesis_event(probe), sqs_event(base64_text, gzip.decompress(probe).decode())):
        assert scene.handle(event) in ({}, {"batchItemFailures": []})
        assert scene.counted("lines", kind="control") >= 1
    assert scene.engine.documents == []
    assert scene.kept() == []


def test_41_characters_of_several_bytes_survive_every_cut(scene: Scene) -> None:
    """Blocks end at 64 KiB, and there is such a character around each place where one may end."""
    scene.environ["OBJECTS__BLOCK_BYTES"] = "65536"
    names = [f"{number:05d}-\u20ac\U0001f682\u00e9" * 8 for number in range(2000)]
    rows = [f"2 10.0.0.1 1418530070 {name}" for name in names]
    key = scene.put(gzip.compress("\n".join(["version srcaddr end instance-id", *rows]).encode()))
    assert failed(scene.handle(sqs_event(*notices(scene.bucket, key)))) == []
    documents: list[Any] = scene.engine.documents
    assert sorted(one["cloud"]["instance"]["id"] for one in documents) == names
    assert scene.kept() == []


def test_42_offsets_are_those_of_the_bytes_as_they_came(scene: Scene) -> None:
    """Behind bytes that are no UTF-8 too, and after a stop in the midst of them."""
    scene.environ |= {"OBJECTS__BLOCK_BYTES": "65536", "BULK__MAX_ACTIONS": "100"}
    rows = [line.encode() for line in lines(3000)]
    for place in range(0, len(rows), 3):
        rows[place] = CUT
    content = b"\r\n".join([HEADER.encode(), *rows])
    key = scene.put(gzip.compress(content))
    bodies = notices(scene.bucket, key)
    scene.stop_after_lines(1)
    calls = 0
    while bodies:
        calls += 1
        assert failed(scene.handle(sqs_event(*bodies, arn=scene.queue_arn))) == []
        bodies = [one["Body"] for one in scene.queued()]
    assert calls > 2
    documents = scene.engine.documents
    assert len(documents) == scene.engine.sent == 2000
    for one in documents:
        line = content[offset_of(one) :].partition(b"\r\n")[0]
        assert line == rows[number_of(one)]
    assert [letter.raw.rstrip() for letter in scene.kept()] == [CUT] * 1000


LAYOUTS = [
    object_key(),
    f"some/prefix/{object_key()}",
    f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2014/month=12/day=14/"
    + object_key().rpartition("/")[2],
    f"my-awslogs/{object_key()}",
]


@pytest.mark.parametrize("key", LAYOUTS, ids=["usual", "prefix", "hive", "a bucket of many logs"])
def test_49_the_header_is_the_format_and_no_document(scene: Scene, key: str) -> None:
    names, values = HEADER.split(), LINE.split()
    turned = [" ".join(reversed(row)) for row in (names, values)]
    scene.put(gzip.compress("\n".join(turned).encode()), key)
    assert failed(scene.handle(sqs_event(*notices(scene.bucket, key)))) == []
    (document,) = scene.engine.documents
    found: Any = document
    assert (found["source"]["port"], found["destination"]["port"]) == (20641, 22)
    assert found["aws"]["s3"]["object"]["key"] == key
    assert scene.counted("lines", kind="header") == 1
    assert scene.kept() == []


def test_55_a_record_that_expands_too_far_is_one_dead_letter(scene: Scene) -> None:
    """What it takes to hold it is bounded by settings, and its neighbours are not held up."""
    scene.environ["LIMITS__MAX_INFLATED_BYTES"] = "100000"
    bomb = gzip.compress(b"2 " * 5_000_000)
    assert failed(scene.handle(kinesis_event(LINE.encode(), bomb, LINE.encode()))) == []
    assert scene.handle(logs_event(bomb)) == {}
    assert len(scene.engine.documents) == 2
    assert [(letter.reason, letter.raw) for letter in scene.kept()] == [("too_large", bomb)] * 2


def test_55_bodies_stay_within_their_bounds_whatever_comes(scene: Scene) -> None:
    scene.environ |= {"BULK__MAX_BYTES": "20000", "OBJECTS__BLOCK_BYTES": "65536"}
    key = scene.put(gzip.compress(text(*lines(5000))))
    assert failed(scene.handle(sqs_event(*notices(scene.bucket, key)))) == []
    assert failed(scene.handle(kinesis_event(payload(*lines(3000))))) == []
    assert len(scene.engine.documents) == 8000
    assert max(scene.engine.sink.bodies) <= 20_000
