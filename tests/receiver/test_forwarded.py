"""Records that hold documents already."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.receiver.firehose import cloudwatch, lines
from vpcflow.codec import CodecOptions, Decoder
from vpcflow.receiver.forwarded import Forwarding
from vpcflow.types import Decoded, Origin, Reason

END = 1_764_000_000
DAY = "2025.11.24"


def made(count: int, **options: Any) -> bytes:  # noqa: ANN401
    """Return what the codec makes of lines: bulk lines."""
    decoder = Decoder(CodecOptions(**options))
    return b"".join(chunk.body for chunk in decoder.decode(lines(0, count, end=END), Origin(identity=b"r", name="x")))


def passed(data: bytes, **options: Any) -> Decoded:  # noqa: ANN401
    forwarding = Forwarding(CodecOptions(**options))
    assert forwarding.recognise(data)
    (chunk,) = forwarding.decode(data)
    assert len(chunk.messages) == len(chunk.positions) == chunk.count == chunk.body.count(b"\n") / 2
    assert chunk.lines == chunk.count + len(chunk.undecodable)
    return chunk


@pytest.mark.parametrize(
    "data", [lines(0, 2), cloudwatch(0, 2), b"", b"{", b"{}\n", b'{"message":"x","@timestamp":"y"}', b"\x1f\x8b"]
)
def test_what_comes_from_aws_is_not_taken_for_ours(data: bytes) -> None:
    assert not Forwarding(CodecOptions()).recognise(data)


def test_bulk_lines_are_passed_on_byte_for_byte() -> None:
    data = made(1_000)
    forwarding = Forwarding(CodecOptions())
    chunks = list(forwarding.decode(data))
    assert b"".join(chunk.body for chunk in chunks) == data
    assert [chunk.count for chunk in chunks] == [512, 488]
    assert chunks[1].positions[0] == 1024
    assert chunks[0].messages[0].encode() == b"\n".join(data.split(b"\n")[:2])


def test_the_index_is_the_targets() -> None:
    pattern = {"index_mode": "pattern", "index_name": "flows-{yyyy.MM.dd}"}
    named = json.loads(passed(made(1), **pattern).body.split(b"\n")[0])["create"]
    assert named["_index"] == f"flows-{DAY}"
    elsewhere = made(1, index_mode="pattern", index_name="theirs-{yyyy}")
    assert passed(elsewhere, **pattern).body == passed(made(1), **pattern).body
    assert b"theirs" not in passed(elsewhere).body
    assert json.loads(passed(made(1), ids=False).body.split(b"\n")[0]) == {"create": {}}


def test_documents_with_our_id_are_passed_on() -> None:
    bulk = made(3)
    actions, documents = bulk.split(b"\n")[0:-1:2], bulk.split(b"\n")[1::2]
    ids = [json.loads(action)["create"]["_id"] for action in actions]
    told = [json.dumps({**json.loads(one), "event": {"id": name}}) for one, name in zip(documents, ids, strict=True)]
    chunk = passed("\r\n".join(told).encode())
    assert [json.loads(action)["create"]["_id"] for action in chunk.body.split(b"\n")[0:-1:2]] == ids
    raw = json.dumps({"@timestamp": json.loads(documents[0])["@timestamp"], "message": "m", "event": {"id": ids[0]}})
    assert passed(raw.encode()).count == 1


def spoilt(**changes: object) -> bytes:
    action, document = made(1).split(b"\n")[:2]
    meta = {**json.loads(action)["create"], **changes}
    return json.dumps({"create": meta}).encode() + b"\n" + document + b"\n"


ID = json.loads(made(1).split(b"\n")[0])["create"]["_id"]
BAD = [
    (spoilt(_id="mine"), "a create action without an id of vpcflow"),
    (spoilt(_id=7), "a create action without an id of vpcflow"),
    (spoilt(_id="~" * 32), "a create action without an id of vpcflow"),
    (spoilt(_id="0" * 32), "the id and the @timestamp of the document do not belong together"),
    (b'{"create":[]}\n{}\n', "a create action without an id of vpcflow"),
    (b'{"create":{"_id":"%b"}}\n' % ID.encode(), "no JSON object where a document should be"),
    (b'{"create":{"_id":"%b"}}\n[1]\n' % ID.encode(), "no JSON object where a document should be"),
    (b'{"index":{"_id":"x"}}\n{}\n', "bulk operation 'index': only create is passed on"),
    (b'{"update":{"_id":"x"}}\n{}\n', "bulk operation 'update': only create is passed on"),
    (b'{"delete":{"_id":"x"}}\n', "bulk operation 'delete': only create is passed on"),
    (b'{"@timestamp":"2025-11-24T16:00:00.000Z"}\n', "a document without an id of vpcflow in event.id"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_a_bad_one_costs_itself(bad: bytes, message: str) -> None:
    good = made(2)
    chunk = passed(good + bad + good)
    assert chunk.body == good + good
    (one,) = chunk.undecodable
    assert one.message.startswith(message)
    assert (one.reason, one.position, one.raw) == (Reason.ENVELOPE, 4, bad.rstrip(b"\n"))


def test_text_between_actions_is_one_line_each() -> None:
    chunk = passed(made(1) + b"stray\n\nstray\n" + made(1))
    assert chunk.count == 2
    assert [one.raw for one in chunk.undecodable] == [b"stray", b"stray"]
