"""An object's lines, run by run: the same documents however it was cut, each with the place of its line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.codec.again import decode_again
from vpcflow.codec.formats import is_header
from vpcflow.codec.origins import s3_origin
from vpcflow.types import Decoded, LinesAt, Origin, Reason, Undecodable

ORIGIN = s3_origin(
    bucket="logs", key="AWSLogs/flows.log.gz", etag="9b2cf535f27731c974343645a3985328", time_ms=1_418_530_000_000
)
FLOW = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
NODATA = "2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - NODATA"
HEADER = "version srcaddr end"
DECODER = Decoder(CodecOptions(event_original=True, max_line_bytes=400, exclude_log_groups=("skipped",)))


def event(number: int, message: str, **more: object) -> dict[str, object]:
    return {"id": f"event {number}", "timestamp": 1_418_530_010_000, "message": message, **more}


def payload(*events: object, group: str = "flows") -> str:
    fixed = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": group, "logStream": "eni-1-all"}
    return json.dumps({**fixed, "logEvents": list(events)})


def wrapped(*lines: str, **more: object) -> str:
    return json.dumps({"message": "\n".join(lines), **more})


LINES = [
    FLOW.encode(),
    FLOW.encode() + b"\r",
    b"  " + FLOW.encode() + b"\t",
    NODATA.encode(),
    b"",
    b"\r",
    b" \t ",
    HEADER.encode(),
    HEADER.encode() + b"\r",
    b"version account_id srcaddr end",
    b"version srcaddr srcaddr end",  # nobody can read what comes below
    b"version srcaddr brand-new",  # no time
    b"2 10.0.0.1 1418530070",
    b"2 10.0.0.1 1418530070\r",
    b"2 1 10.0.0.2 1418530071",
    b"2 nowhere 1418530070",
    b"a b c d e f g",
    "2 10.0.0.1 tr\u00e4\u00efn\u20ac\U0001f682".encode(),
    "\u3000\u00a02 10.0.0.1 1418530070\u2028".encode(),
    b"2 10.0.0.1 \xff\xfe",
    b"\x80" + FLOW.encode(),
    b"\x1f\x8b\x08",
    "\ufeff".encode() + FLOW.encode(),
    FLOW.encode() + b" x" * 200,
    wrapped(FLOW).encode(),
    wrapped(FLOW, "", FLOW, "2 bad", NODATA).encode() + b"\r",
    wrapped(HEADER, "2 10.0.0.1 1418530070", wrapped("2 10.0.0.2 1418530070", FLOW)).encode(),
    wrapped("version srcaddr srcaddr end", "2 10.0.0.1 1418530070").encode(),
    (wrapped(FLOW) + " " + wrapped(FLOW, "2 \ud800") + '{"neither":1}').encode(),
    b'{"vpcflow": {"hops": 1, "arrival_ms": 1}, "message": "' + FLOW.encode() + b'"}',
    payload(event(1, FLOW), event(2, NODATA), event(3, "bad")).encode(),
    (
        payload(event(1, FLOW), group="others") + payload(event(4, FLOW, timestamp="none"), {"message": FLOW}, 3)
    ).encode(),
    payload(event(5, FLOW), group="skipped").encode(),
    b'{"messageType": "CONTROL_MESSAGE"}',
    b'{"messageType": "NOPE"}',
    wrapped('{"no": 1}', '{"no": 1}', "version srcaddr srcaddr end", "version srcaddr srcaddr end").encode(),
    b'{"damaged',
]
OBJECTS = st.builds(
    lambda bom, lines, end: bom + b"\n".join(lines) + end,
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.sampled_from(LINES) | st.binary(max_size=8).map(lambda one: one.replace(b"\n", b"")), max_size=12),
    st.sampled_from([b"", b"\n", b"\n\n", b"\r\n"]),
)


def cut(data: bytes, cuts: list[int], *, offsets: bool = True) -> Iterator[tuple[bytes, LinesAt]]:
    """Cut an object after so many lines each, and tell what stands before a piece, line by line."""
    lines = [one + b"\n" for one in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    header, position, offset = "", 0, 0
    for end in (*cuts, len(lines)):
        piece = lines[position:end]
        if not piece or piece == [b""]:
            continue
        yield b"".join(piece), LinesAt(position=position, header=header, offset=offset if offsets else None)
        for line in piece:
            text = line.removeprefix(b"\xef\xbb\xbf" if offset == 0 else b"").decode(errors="replace").strip()
            header = text if is_header(text) else header
            offset += len(line)
        position = end


class Found:
    """All that some runs give."""

    def __init__(self, chunks: list[Decoded]) -> None:
        self.items: list[tuple[bytes, str, int, dict[str, Any]]] = []
        for chunk in chunks:
            rows = chunk.body.split(b"\n")
            assert len(rows) == 2 * chunk.count + 1
            assert chunk.lines == chunk.count + len(chunk.undecodable) + chunk.headers + chunk.control + chunk.skipped
            self.items += [
                (
                    rows[2 * at] + b"\n" + rows[2 * at + 1],
                    chunk.messages[at],
                    chunk.positions[at],
                    dict(chunk.context(at)),
                )
                for at in range(chunk.count)
            ]
        self.bad: list[Undecodable] = [one for chunk in chunks for one in chunk.undecodable]
        self.counts = [
            sum(getattr(chunk, name) for chunk in chunks) for name in ("headers", "control", "skipped", "lines")
        ]
        self.notices = {notice for chunk in chunks for notice in chunk.notices}

    @property
    def all(self) -> list[object]:
        return [self.items, self.bad, self.counts, self.notices]

    @property
    def ids(self) -> list[str]:
        return [orjson.loads(item.split(b"\n")[0])["create"]["_id"] for item, *_ in self.items]

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [orjson.loads(item.split(b"\n")[1]) for item, *_ in self.items]


def whole(data: bytes, decoder: Decoder = DECODER, *, offset: int | None = 0, origin: Origin = ORIGIN) -> Found:
    return Found(list(decoder.decode(data, origin, at=LinesAt(position=0, offset=offset))))


@given(OBJECTS, st.lists(st.integers(1, 12), max_size=6).map(sorted), st.booleans())
@settings(max_examples=400)
def test_however_an_object_is_cut_its_lines_give_the_same(data: bytes, cuts: list[int], offsets: bool) -> None:  # noqa: FBT001
    parts = [list(DECODER.decode(piece, ORIGIN, at=at)) for piece, at in cut(data, cuts, offsets=offsets)]
    assert Found([chunk for part in parts for chunk in part]).all == whole(data, offset=0 if offsets else None).all


@given(OBJECTS)
@settings(max_examples=200)
def test_each_document_carries_the_place_of_its_line(data: bytes) -> None:
    found = whole(data)
    lines = data.split(b"\n")
    starts = [sum(map(len, lines[:at])) + at for at in range(len(lines))]
    if data.startswith(b"\xef\xbb\xbf"):
        starts[0] = 3
    for (_, message, position, context), document in zip(found.items, found.documents, strict=True):
        assert document["log"]["offset"] == context["offset"] == starts[position]
        line = data[starts[position] :].split(b"\n")[0].decode()
        assert document["event"]["original"] == message.strip()
        assert line.strip() == message or (line.strip().startswith("{") and message[:12] in line)
    for one in found.bad:
        assert one.context["offset"] == starts[one.position]


@given(OBJECTS)
@settings(max_examples=200)
def test_no_two_lines_have_one_id(data: bytes) -> None:
    found = whole(data)
    names = [name for name, (*_, context) in zip(found.ids, found.items, strict=True) if "log_group" not in context]
    assert len(set(names)) == len(names)
    bad = [(one.position, *sorted(one.context.items())) for one in found.bad if "log_group" not in one.context]
    assert len(set(bad)) == len(bad)


PLAIN = st.lists(
    st.sampled_from([one for one in LINES if not one.startswith(b"{") and one[:1] != b"\x1f"]), max_size=12
)


@given(PLAIN.map(b"\n".join))
@settings(max_examples=200)
def test_a_text_gives_the_same_as_a_record_but_for_the_offsets(data: bytes) -> None:
    assert whole(data, offset=None).all == Found(list(DECODER.decode(data, ORIGIN))).all


@given(OBJECTS)
@settings(max_examples=200)
def test_each_line_can_be_had_again_alone(data: bytes) -> None:
    for offset in (0, None):
        found = whole(data, offset=offset)
        for item in found.items:
            _, message, position, context = item
            raw = message.encode("utf-8", "surrogatepass")
            again = Found(list(decode_again(DECODER, raw, ORIGIN, position=position, context=context)))
            assert again.items == [item]
            assert again.bad == []
        if offset is None:
            continue
        for one in found.bad:
            again = Found(list(decode_again(DECODER, one.raw, ORIGIN, position=one.position, context=one.context)))
            assert (again.items, again.bad) == ([], [one])


def test_a_character_of_several_bytes_beside_a_cut() -> None:
    lines = ["2 10.0.0.1 1418530070 \u20ac", "\u20ac 10.0.0.1 1418530070 a", "2 10.0.0.2 1418530070 \U0001f682\u00e9"]
    decoder = Decoder(CodecOptions(formats=(FormatRule(format="version srcaddr end instance-id"),)))
    data = "\n".join(lines).encode()
    for cuts in ([], [1], [2], [1, 2]):
        parts = [decoder.decode(piece, ORIGIN, at=at) for piece, at in cut(data, cuts)]
        found = Found([chunk for part in parts for chunk in part])
        assert [one["log"]["offset"] for one in found.documents] == [0, 52]
        assert [one["cloud"]["instance"]["id"] for one in found.documents] == ["\u20ac", "\U0001f682\u00e9"]
        assert [(one.position, one.context["offset"]) for one in found.bad] == [(1, 26)]


def test_many_lines_are_numbered_over_the_bounds_of_chunks() -> None:
    lines = [f"2 10.0.{at // 200}.{at % 200} 1418530070" for at in range(1500)]
    at = LinesAt(position=40, header=HEADER, offset=100_000)
    chunks = list(DECODER.decode("\n".join(lines).encode(), ORIGIN, at=at))
    assert len(chunks) > 2
    found = Found(chunks)
    assert [position for _, _, position, _ in found.items] == list(range(40, 1540))
    assert found.documents[-1]["log"]["offset"] == 100_000 + len("\n".join(lines)) - len(lines[-1])


def test_a_byte_order_mark_is_one_at_the_beginning_only() -> None:
    for at in (LinesAt(position=1), LinesAt(position=1, offset=1)):
        [chunk] = DECODER.decode(b"\xef\xbb\xbf" + FLOW.encode(), ORIGIN, at=at)
        assert [one.reason for one in chunk.undecodable] == [Reason.VALUE]
    assert whole(b"\xef\xbb\xbf" + FLOW.encode()).documents[0]["log"]["offset"] == 3


def test_a_run_is_text_whatever_it_begins_with() -> None:
    found = whole(gzip.compress(FLOW.encode()))
    assert found.items == []
    assert found.bad[0].reason is Reason.ENCODING


def test_a_value_over_several_lines_is_none() -> None:
    found = whole(json.dumps({"message": FLOW}, indent=1).encode())
    assert (found.items, {one.reason for one in found.bad}) == ([], {Reason.ENVELOPE, Reason.FORMAT})


def test_a_header_before_it_is_not_counted_once_more() -> None:
    [chunk] = DECODER.decode(b"2 10.0.0.1 1418530070", ORIGIN, at=LinesAt(position=7, header=HEADER))
    assert (chunk.count, chunk.headers, chunk.lines) == (1, 0, 1)
    assert "log" not in orjson.loads(chunk.body.split(b"\n")[1])


def test_a_bad_header_before_it_is_no_reason_to_guess() -> None:
    [chunk] = DECODER.decode(FLOW.encode(), ORIGIN, at=LinesAt(position=7, header="version srcaddr srcaddr end"))
    assert [one.reason for one in chunk.undecodable] == [Reason.FORMAT]


def test_lines_that_name_themselves_cannot_be_counted_over_runs() -> None:
    with pytest.raises(ValueError, match="identity"):
        list(DECODER.decode(FLOW.encode(), Origin(name="file"), at=LinesAt(position=0)))


@pytest.mark.parametrize("shape", ["ecs", "raw"])
def test_both_shapes_say_the_offset_beside_the_path(shape: Any) -> None:  # noqa: ANN401
    decoder = Decoder(CodecOptions(shape=shape))
    found = whole(f"\n{payload(event(1, FLOW))}\n{FLOW}".encode(), decoder)
    assert [one["log"]["offset"] for one in found.documents] == [1, 2 + len(payload(event(1, FLOW)))]
    if shape == "raw":
        assert found.documents[0]["log"]["file"]["path"] == "flows/eni-1-all"


# Time


@pytest.mark.parametrize(
    ("line", "arrival_ms", "time_ms", "expected"),
    [
        ("2 10.0.0.1 443 1418530070", 5_000, 7_000, "2014-12-14T04:07:50.000Z"),
        ("2 10.0.0.1 443 -", 5_000, 7_000, "1970-01-01T00:00:05.000Z"),
        ("2 10.0.0.1 443 -", None, 7_000, "1970-01-01T00:00:07.000Z"),
        ("2 10.0.0.1 443 -", None, 0, "1970-01-01T00:00:00.000Z"),
        (payload(event(1, "2 10.0.0.1 443 -", timestamp=3_000)), 5_000, 7_000, "1970-01-01T00:00:03.000Z"),
        (payload(event(1, "2 10.0.0.1 443 -", timestamp=None)), 5_000, 7_000, "1970-01-01T00:00:05.000Z"),
        (payload(event(1, "2 10.0.0.1 443 -", timestamp=None)), None, 7_000, "1970-01-01T00:00:07.000Z"),
        ("2 10.0.0.1 443 -", None, None, None),
        (payload(event(1, "2 10.0.0.1 443 -", timestamp=None)), None, None, None),
        ("2 10.0.0.1 443 -", None, -1, None),
        ("2 10.0.0.1 443 -", None, 253_402_300_800_000, None),
    ],
)
@pytest.mark.parametrize("at", [None, LinesAt(position=0)], ids=["record", "run"])
def test_the_order_of_times(
    line: str, arrival_ms: int | None, time_ms: int | None, expected: str | None, at: LinesAt | None
) -> None:
    options = CodecOptions(
        formats=(FormatRule(format="version srcaddr srcport end"),), time_past_days=0, time_future_days=0
    )
    origin = Origin(identity=b"1", name="s3:b/k", arrival_ms=arrival_ms, time_ms=time_ms)
    found = Found(list(Decoder(options).decode(line.encode(), origin, at=at)))
    assert [one["@timestamp"] for one in found.documents] == ([] if expected is None else [expected])
    assert [one.reason for one in found.bad] == ([Reason.TIME] if expected is None else [])


def test_a_time_out_of_a_name_opens_no_window() -> None:
    origin = Origin(identity=b"1", name="s3:b/k", time_ms=1)
    assert whole(FLOW.encode(), Decoder(CodecOptions(time_past_days=1, time_future_days=1)), origin=origin).bad == []


# Ids


def test_vectors() -> None:
    """A change here makes every object that is read again new documents: a breaking release."""
    origin = s3_origin(
        bucket="logs", key="AWSLogs/1/x y+z.gz", etag="9b2cf535f27731c974343645a3985328-2", region="eu-west-1"
    )
    data = f"{FLOW}\n{wrapped(FLOW, FLOW)}\n{payload(event(36, FLOW))}".encode()
    found = whole(data, origin=origin)
    assert origin.identity.hex() == "977aee5d2bc1af2bde9c1bf2899be545"
    assert found.ids == [
        "0Ke6zmslVN0QDkUrcRPPZwdOSOESDzta",
        "0Ke6zmsl7K1glbTBHAAUzYmi~b~p0~h6",
        "0Ke6zmslMUXhJ~mCykQSdVFEA5Roij3h",
        "0Ke6zmsl3tEtDq9ytUi3RavWHVnJvZN9",
    ]
    assert found.documents[0]["aws"]["s3"] == {"bucket": {"name": "logs"}, "object": {"key": "AWSLogs/1/x y+z.gz"}}
    assert (origin.name, found.documents[0]["cloud"]["region"]) == ("s3:logs/AWSLogs/1/x y+z.gz", "eu-west-1")


def test_the_id_is_of_bucket_key_content_and_line() -> None:
    fixed = {"bucket": "b", "key": "k", "etag": "e"}
    origins = [s3_origin(**{**fixed, name: "x"}) for name in fixed] + [s3_origin(**fixed)]
    names = [name for origin in origins for name in whole(f"{FLOW}\n{FLOW}".encode(), origin=origin).ids]
    assert len(set(names)) == 8
    other = s3_origin(**fixed, region="r", time_ms=1)
    assert whole(f"{FLOW}\n{FLOW}".encode(), origin=other).ids == names[-2:]


def test_an_event_of_cloudwatch_has_the_id_that_it_has_on_every_path() -> None:
    text = payload(event(1, FLOW), event(2, FLOW))
    elsewhere = Found(list(DECODER.decode(text.encode(), Origin(identity=b"k", name="kinesis:s"))))
    assert whole(f"\n{text}".encode()).ids == elsewhere.ids


def test_the_line_s_own_region_goes_before_that_of_the_object() -> None:
    origin = s3_origin(bucket="b", key="k", etag="e", region="eu-west-1")
    found = whole(b"version region end\n2 us-east-1 1418530070\n2 - 1418530070", origin=origin)
    assert [one["cloud"]["region"] for one in found.documents] == ["us-east-1", "eu-west-1"]
