"""Damage costs what is damaged: no raise, no neighbour, and a dead letter that holds what was there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.types import Decoded, Origin, Reason

LINE = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
HERE = Origin(identity=b"here", name="test")
NAMELESS = Origin(name="test", arrival_ms=1_418_530_100_000)


def payload(events: list[Any], **more: object) -> bytes:
    body = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": events, **more}
    return json.dumps(body).encode()


def event(number: int, message: str = LINE) -> dict[str, Any]:
    return {"id": f"{number:056d}", "timestamp": 1_418_530_010_000, "message": message}


def wrapper(message: str = LINE) -> bytes:
    return json.dumps({"message": message}).encode()


def run(data: bytes, origin: Origin = HERE, **options: Any) -> list[Decoded]:  # noqa: ANN401
    chunks = list(Decoder(CodecOptions(**options)).decode(data, origin))
    for chunk in chunks:
        assert chunk.lines == chunk.count + len(chunk.undecodable) + chunk.headers + chunk.control + chunk.skipped
        assert chunk.lines > 0
        assert chunk.body.count(b"\n") == 2 * chunk.count == 2 * len(chunk.messages) == 2 * len(chunk.positions)
        assert [json.loads(line) for line in chunk.body.splitlines()] == [
            json.loads(x) for x in chunk.body.split(b"\n")[:-1]
        ]
        assert [bad.position for bad in chunk.undecodable] == sorted(bad.position for bad in chunk.undecodable)
    return chunks


def bad(chunks: list[Decoded]) -> list[tuple[Reason, int, bytes]]:
    return [(one.reason, one.position, one.raw) for chunk in chunks for one in chunk.undecodable]


def positions(chunks: list[Decoded]) -> list[int]:
    return [at for chunk in chunks for at in chunk.positions]


def ids(chunks: list[Decoded]) -> list[str]:
    return [json.loads(row)["create"]["_id"] for chunk in chunks for row in chunk.body.split(b"\n")[0:-1:2]]


SPOILED = b"\\ud800"


@pytest.mark.parametrize(
    "data",
    [
        payload(["SPOIL"]).replace(b"SPOIL", SPOILED),
        payload([{**event(1), "id": "SPOIL"}]).replace(b"SPOIL", SPOILED),
        payload([event(1)], logGroup="SPOIL").replace(b"SPOIL", SPOILED),
        payload([event(1)], logStream="SPOIL", owner="SPOIL").replace(b"SPOIL", SPOILED),
        payload([event(1)], messageType="SPOIL").replace(b"SPOIL", SPOILED),
        payload([event(1, "SPOIL " + LINE[2:])]).replace(b"SPOIL", SPOILED),
        wrapper("SPOIL").replace(b"SPOIL", SPOILED),
        wrapper('{"message":"SPOIL"}').replace(b"SPOIL", SPOILED),
        payload(["DEEP"]).replace(b'"DEEP"', b"[" * 1000 + b"]" * 1000),
        payload([], logGroup="DEEP").replace(b'"DEEP"', b"[" * 1000 + b"]" * 1000),
        b'{"messageType":' + b"[" * 1015 + b"]" * 1015 + b"}",
        b'{"messageType":"' + b"x" * 100_000 + b'"}',
        b'{"message":' * 900 + b'"x"' + b"}" * 900,
        payload([{**event(1), "timestamp": 10**30}]),
        payload([{**event(1), "timestamp": -1, "message": "10.0.0.1"}]),
        payload([{**event(1), "timestamp": True}]),
        payload([{**event(1), "id": 10**25}]),
        payload([event(1, "")]),
        payload([event(1, "\0")]),
        b'{"a":' + b"9" * 5000 + b"}",
        b"{",
        b'{"message":"',
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf{",
        b"\xff\n{\n\xff",
        b"[]",
        b'"text"',
        b"-",
        b" ",
        b"\r\n\r\n",
    ],
)
@pytest.mark.parametrize("shape", ["ecs", "raw"])
def test_nothing_raises(data: bytes, shape: str) -> None:
    run(data, shape=shape, event_original=True)
    run(b"x\n" + data, NAMELESS, shape=shape, formats=(FormatRule(format="srcaddr"),))


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=4), st.just(LINE)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["message", "id", "timestamp", "logEvents", "messageType", "x"]), inner, max_size=4
        ),
    ),
    max_leaves=8,
)


def without_text(event: object) -> bool:
    message = event.get("message") if isinstance(event, dict) else None
    return isinstance(message, str) and not message.strip()


@given(
    st.lists(JSON, max_size=4),
    st.dictionaries(st.sampled_from(["owner", "logGroup", "logStream", "messageType", "message"]), JSON),
)
@example([{"message": ""}, {"message": " ", "id": "1", "timestamp": 1}], {})
@settings(max_examples=300, deadline=None)
def test_any_json_in_any_place_of_a_payload(events: list[Any], more: dict[str, Any]) -> None:
    run(payload(events, **more))
    around = run(payload([event(1), *events, event(2)]))
    found = positions(around)
    assert (found[0], found[-1]) == (0, len(events) + 1)
    blank = [at for at, each in enumerate(events, 1) if without_text(each)]
    assert sum(chunk.skipped for chunk in around) == len(blank)
    assert sorted([*found, *blank, *(at for _, at, _ in bad(around))]) == list(range(len(events) + 2))


@given(
    st.lists(
        st.sampled_from(
            [LINE.encode(), wrapper(), b"{damaged", b"\xff\xfe", b"", b"x", wrapper("{no"), wrapper(f"{LINE}\n{LINE}")]
        ),
        max_size=12,
    )
)
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("origin", [HERE, NAMELESS], ids=["named", "nameless"])
def test_lines_of_every_kind_side_by_side(origin: Origin, lines: list[bytes]) -> None:
    chunks = run(b"\n".join(lines), origin)
    good = sum({LINE.encode(): 1, wrapper(): 1, wrapper(f"{LINE}\n{LINE}"): 2}.get(one, 0) for one in lines)
    broken = [one for one in lines if one in {b"{damaged", b"\xff\xfe", b"x"} or one == wrapper("{no")]
    assert sum(chunk.count for chunk in chunks) == good
    assert [raw for _, _, raw in bad(chunks)] == [b"{no" if one == wrapper("{no") else one for one in broken]
    assert len(set(ids(chunks))) == good
    places = positions(chunks) + [at for _, at, _ in bad(chunks)]
    assert len(set(places)) == len(places)
    assert ids(run(b"\n".join(lines), origin)) == ids(chunks)


def test_bytes_that_are_no_utf8_cost_their_line_among_wrappers() -> None:
    chunks = run(b"\n".join([wrapper(), b'{"message":"\xff"}', wrapper()]))
    assert bad(chunks) == [(Reason.ENCODING, 1, b'{"message":"\xff"}')]
    assert positions(chunks) == [0, 2]


def test_a_byte_order_mark_stays_out_of_a_line_whose_neighbour_is_no_utf8() -> None:
    assert positions(run(b"\xef\xbb\xbf" + LINE.encode() + b"\n\xff\n")) == [0]
    assert positions(run(b"\xef\xbb\xbf" + wrapper() + b"\n" + wrapper())) == [0, 1]


def test_events_without_an_id_are_not_taken_for_one_another() -> None:
    chunks = run(payload([{**event(1), "id": ""}, {**event(1), "id": ""}, event(2)]))
    assert positions(chunks) == [2]
    assert [reason for reason, _, _ in bad(chunks)] == [Reason.ENVELOPE] * 2
    assert json.loads(bad(chunks)[0][2])["message"] == LINE


def test_the_column_is_named_by_its_number_in_the_line() -> None:
    line = LINE.replace(" 10.0.0.1 10.0.0.2 20641 22 ", " - - - 99999 ")
    [chunk] = run(line.encode())
    assert chunk.undecodable[0].message.startswith("column 7, dstport: '99999' is not a port")
    assert "codec.formats" in chunk.undecodable[0].message  # the format was a guess
    [chunk] = run(line.encode(), formats=(FormatRule(format="v2"),))
    assert chunk.undecodable[0].message == "column 7, dstport: '99999' is not a port, 0 to 65535"


def test_a_guess_that_gave_no_document_is_no_notice() -> None:
    assert [chunk.notices for chunk in run(b"the quick brown fox jumps over the lazy dog and runs away from it")] == [
        []
    ]


def test_why_a_time_is_refused() -> None:
    late = Origin(arrival_ms=1_900_000_000_000)
    rule = (FormatRule(format="srcaddr"),)
    [chunk] = run(payload([event(1, "10.0.0.1")]), late, formats=rule)
    assert "event's time is too far" in chunk.undecodable[0].message
    [chunk] = run(LINE.encode(), late)
    assert "flow's end is too far" in chunk.undecodable[0].message
    [chunk] = run(b"10.0.0.1", formats=rule)
    assert chunk.undecodable[0].message.startswith("no time")


def test_the_window_has_its_boundaries_inside() -> None:
    end = 1_418_530_070_000
    for arrival in (end + 400 * 86_400_000, end - 86_400_000):
        assert positions(run(LINE.encode(), Origin(arrival_ms=arrival))) == [0]
    for arrival in (end + 400 * 86_400_000 + 1, end - 86_400_000 - 1):
        assert positions(run(LINE.encode(), Origin(arrival_ms=arrival))) == []
    assert positions(run(LINE.encode(), Origin(arrival_ms=1), time_past_days=0, time_future_days=0)) == [0]


def test_lines_after_a_header_that_cannot_be_used_are_not_guessed() -> None:
    text = f"version srcaddr end srcaddr\n{LINE}\nversion srcaddr end\n2 10.0.0.1 1418530070\n"
    chunks = run(text.encode())
    assert [(reason, at) for reason, at, _ in bad(chunks)] == [(Reason.FORMAT, 0), (Reason.FORMAT, 1)]
    assert positions(chunks) == [3]
    assert positions(run(text.encode(), formats=(FormatRule(format="v2"),))) == [1]


def test_unknown_names_that_go_to_one_place_are_refused() -> None:
    [chunk] = run(b"version srcaddr end brand-new brand_new\n")
    assert chunk.undecodable[0].reason is Reason.FORMAT


def decode_calls(data: bytes) -> int:
    """Return how many functions are called to decode a record: a measure of work that no other process can disturb."""
    calls = 0

    def count(_frame: object, kind: str, _argument: object) -> None:
        nonlocal calls
        calls += kind in ("call", "c_call")

    decoder = Decoder()
    list(decoder.decode(data, NAMELESS))
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        list(decoder.decode(data, NAMELESS))
    finally:
        sys.setprofile(before)
    return calls


BAD_PORT = LINE.replace(" 22 ", " 99999 ")
CLIFFS: dict[str, Callable[[int], str]] = {
    "all bad": lambda _: BAD_PORT,
    "one bad in 512": lambda at: BAD_PORT if at % 512 == 7 else LINE,
    "every other bad": lambda at: BAD_PORT if at % 2 else LINE,
    "not listed": lambda at: LINE.replace("OK", "MAYBE") if at % 2 else LINE,
    "bad in every column": lambda at: " ".join("?" if n == at % 14 else one for n, one in enumerate(LINE.split())),
    "many column counts": lambda at: "x " * (at % 40 + 1),
    "out of time": lambda _: LINE.replace("1418530070", "1018530070"),
    "wrappers after a line": lambda at: wrapper().decode() if at else LINE,
    "damaged JSON after a line": lambda at: '{"message":' if at else LINE,
    "damaged JSON": lambda _: '{"message":',
}


@pytest.mark.parametrize("name", CLIFFS)
def test_five_thousand_odd_lines_are_no_cliff(name: str) -> None:
    good = decode_calls("\n".join([LINE] * 5000).encode())
    odd = decode_calls("\n".join(map(CLIFFS[name], range(5000))).encode())
    assert odd < good * 6


def test_the_dead_letters_of_a_damaged_record_are_its_lines() -> None:
    chunks = run(b"\n".join([b'{"message":'] * 2000))
    assert sum(len(raw) for _, _, raw in bad(chunks)) == 2000 * len(b'{"message":')
