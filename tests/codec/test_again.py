"""A line once more, apart from its record: the same id, the same document, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.codec.again import decode_again
from vpcflow.types import Decoded, Origin, Reason, Undecodable

ARRIVAL_MS = 1_418_530_100_000
FLOW = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
NODATA = "2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - NODATA"
SHORT = "2 10.0.0.1 443"  # no time of its own
NAMED = Origin(
    identity=b"shard 0, 17", name="kinesis:flows", arrival_ms=ARRIVAL_MS, fields={"aws.kinesis.name": "flows"}
)
NAMELESS = Origin(name="firehose:flows", arrival_ms=ARRIVAL_MS)


def envelope(*events: object, group: str = "flow-logs") -> bytes:
    fixed = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": group, "logStream": "eni-1-all"}
    return json.dumps({**fixed, "logEvents": list(events)}).encode()


def event(number: int, message: str, **more: object) -> dict[str, object]:
    return {"id": f"event {number}", "timestamp": ARRIVAL_MS - number, "message": message, **more}


RECORDS = {
    "events": envelope(*(event(n, FLOW) for n in range(3)), event(3, NODATA), event(4, FLOW + "\ttail", id=17)),
    "events of two groups": envelope(event(1, FLOW)) + envelope(event(1, FLOW), group="other"),
    "lines": f"{FLOW}\n{FLOW}\n\n{NODATA}\n{FLOW}\n".encode(),
    "header": b"version account-id srcaddr srcport end\n2 1 10.0.0.1 443 1418530070\n2 1 10.0.0.2 443 1418530070",
    "two headers": b"version srcaddr end\n2 10.0.0.1 1418530070\nversion end srcaddr\n2 1418530070 ::1\n2 1418530070 ::1",
    "wrappers": "\n".join(json.dumps({"message": line}) for line in (FLOW, NODATA, FLOW)).encode(),
}


def items(chunks: Iterator[Decoded]) -> Iterator[tuple[bytes, Decoded, int]]:
    for chunk in chunks:
        lines = chunk.body.split(b"\n")
        for at in range(chunk.count):
            yield lines[2 * at] + b"\n" + lines[2 * at + 1], chunk, at


@pytest.mark.parametrize("origin", [NAMED, NAMELESS, Origin()], ids=["named", "nameless", "no arrival"])
@pytest.mark.parametrize("record", RECORDS)
def test_each_document_can_be_had_again_alone(record: str, origin: Origin) -> None:
    decoder = Decoder(CodecOptions(event_original=True))
    first = list(items(decoder.decode(RECORDS[record], origin)))
    assert first
    for item, chunk, at in first:
        raw = chunk.messages[at].encode()
        again = decode_again(decoder, raw, origin, position=chunk.positions[at], context=chunk.context(at))
        assert [found for found, _, _ in items(again)] == [item]


def undecodable(chunks: Iterator[Decoded]) -> list[Undecodable]:
    return [one for chunk in chunks for one in chunk.undecodable]


@pytest.mark.parametrize("origin", [NAMED, NAMELESS], ids=["named", "nameless"])
@pytest.mark.parametrize(
    "record",
    [
        envelope(event(1, FLOW), event(2, SHORT), event(3, SHORT)),
        f"{FLOW}\n{SHORT}\n{SHORT}".encode(),
        f"version srcaddr no-such end end\n{SHORT}\n".encode(),
        json.dumps({"message": SHORT}).encode(),
    ],
    ids=["events", "lines", "bad header", "wrapper"],
)
def test_what_failed_gives_the_document_that_it_would_have_been(record: bytes, origin: Origin) -> None:
    """Settings that know the format are what the record should have met the first time."""
    bad = [one for one in undecodable(Decoder().decode(record, origin)) if one.raw == SHORT.encode()]
    knowing = Decoder(CodecOptions(formats=(FormatRule(format="version srcaddr srcport"),)))
    due = [item for item, _, _ in items(knowing.decode(record, origin)) if b'"port":443' in item]
    assert len(bad) == len(due) > 0
    for one, item in zip(bad, due, strict=True):
        again = decode_again(knowing, one.raw, origin, position=one.position, context=one.context)
        assert [found for found, _, _ in items(again)] == [item]


@pytest.mark.parametrize(
    "record",
    [
        envelope({"message": FLOW, "timestamp": 1}, "nonsense"),
        b'{"messageType": "NOPE"}',
        b"\x1f\x8bno gzip",
        f"{FLOW}\n\xff\n".encode("latin-1"),
        envelope(event(1, "x" * 70_000)),
        b"version srcaddr no-such end end\n",
    ],
    ids=["no id", "no envelope", "no gzip", "no UTF-8", "too long", "header"],
)
def test_what_stays_bad_is_bad_for_the_same_reason(record: bytes) -> None:
    bad = undecodable(Decoder().decode(record, NAMED))
    assert bad
    for one in bad:
        again = decode_again(Decoder(), one.raw, NAMED, position=one.position, context=one.context)
        assert undecodable(again) == [one]


def test_an_event_without_a_name_is_never_taken_for_a_line_of_text() -> None:
    """Alone, its JSON looks like a message wrapper."""
    [bad] = undecodable(Decoder().decode(envelope({"message": FLOW}), NAMED))
    again = list(decode_again(Decoder(), bad.raw, NAMED, position=bad.position, context=bad.context))
    assert sum(chunk.count for chunk in again) == 0
    assert [one.reason for one in undecodable(iter(again))] == [Reason.ENVELOPE]


def test_half_a_surrogate_pair_in_a_log_group() -> None:
    record = envelope(event(1, FLOW), group="g\ud800")
    [(item, chunk, at)] = items(Decoder().decode(record, NAMED))
    again = decode_again(Decoder(), FLOW.encode(), NAMED, position=0, context=chunk.context(at))
    assert [found for found, _, _ in items(again)] == [item]
