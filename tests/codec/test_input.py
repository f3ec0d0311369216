"""Everything that can come in: kinds, wrappers, headers, damage. Nothing raises, nothing is lost without a word."""

from __future__ import annotations

import base64
import gzip
import json
import random
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcflow.codec import CodecOptions, Decoder, FormatError, FormatRule
from vpcflow.codec.origins import kinesis_origin
from vpcflow.types import Decoded, Origin, Reason

LINE = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
NODATA = "2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - NODATA"
ORIGIN = Origin(identity=b"here", name="test")


def payload(*messages: object, kind: str = "DATA_MESSAGE", **more: object) -> bytes:
    events = [
        {"id": f"{number:056d}", "timestamp": 1_418_530_010_000, "message": one} for number, one in enumerate(messages)
    ]
    body = {"messageType": kind, "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": events, **more}
    return json.dumps(body).encode()


def run(data: bytes, origin: Origin = ORIGIN, **options: Any) -> Decoded:  # noqa: ANN401
    """Return all chunks as one, and check what must hold of each."""
    chunks = list(Decoder(CodecOptions(**options)).decode(data, origin))
    for chunk in chunks:
        rows = chunk.body.split(b"\n")
        assert rows.pop() == b""
        assert len(rows) == 2 * chunk.count
        assert [sorted(json.loads(row)) for row in rows[::2]] == [["create"]] * chunk.count
        assert all(json.loads(row)["@timestamp"] for row in rows[1::2])
        assert len(chunk.messages) == len(chunk.positions) == chunk.count
        assert chunk.lines == chunk.count + len(chunk.undecodable) + chunk.headers + chunk.control + chunk.skipped
    return Decoded(
        body=b"".join(chunk.body for chunk in chunks),
        count=sum(chunk.count for chunk in chunks),
        messages=[one for chunk in chunks for one in chunk.messages],
        positions=[one for chunk in chunks for one in chunk.positions],
        undecodable=[one for chunk in chunks for one in chunk.undecodable],
        lines=sum(chunk.lines for chunk in chunks),
        control=sum(chunk.control for chunk in chunks),
        headers=sum(chunk.headers for chunk in chunks),
        skipped=sum(chunk.skipped for chunk in chunks),
        notices=[one for chunk in chunks for one in chunk.notices],
    )


def ids(found: Decoded) -> list[str]:
    return [json.loads(row)["create"]["_id"] for row in found.body.split(b"\n")[0:-1:2]]


def documents(found: Decoded) -> list[dict[str, Any]]:
    return [json.loads(row) for row in found.body.split(b"\n")[1::2]]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda one: gzip.compress(gzip.compress(one))])
@pytest.mark.parametrize(
    ("data", "count"),
    [
        (payload(LINE, NODATA), 2),
        (payload(LINE, subscriptionFilters=["a"], policyLevel="ACCOUNT_LEVEL_POLICY", new={"key": 1}), 1),
        (LINE.encode(), 1),
        (f"{LINE}\n{LINE}\n".encode(), 2),
        (f"{LINE}\r\n{LINE}\r\n".encode(), 2),
        (f"\ufeff{LINE}\n\n{LINE}".encode(), 2),
        (json.dumps({"message": LINE}).encode(), 1),
        (json.dumps({"message": LINE + "\n"}).encode() + b"\n", 1),
        ((json.dumps({"message": LINE}) * 3).encode(), 3),
        ("\n".join([json.dumps({"message": LINE})] * 3).encode(), 3),
        (payload(LINE) + payload(LINE), 2),
        (json.dumps({"message": LINE}).encode() + b"\n" + LINE.encode() + b"\n", 2),
    ],
)  # fmt: skip
def test_every_kind_plain_and_packed(pack: Any, data: bytes, count: int) -> None:  # noqa: ANN401
    found = run(pack(data))
    assert (found.count, list(found.undecodable)) == (count, [])


def test_gzip_members_may_each_bring_a_header() -> None:
    first = f"version srcaddr dstaddr end\n2 10.0.0.1 10.0.0.2 {1418530070}\n"
    second = f"end dstaddr srcaddr version\n{1418530071} 10.0.0.4 10.0.0.3 2\n"
    found = run(gzip.compress(first.encode()) + gzip.compress(second.encode()))
    assert [one["source"]["ip"] for one in documents(found)] == ["10.0.0.1", "10.0.0.3"]
    assert found.headers == 2


def test_unknown_names_of_a_header_become_fields_with_a_notice() -> None:
    found = run(b"version srcaddr end brand-new\n2 10.0.0.1 1418530070 42\n")
    assert documents(found)[0]["aws"]["vpcflow"]["brand_new"] == "42"
    assert "brand-new" in found.notices[0]


@pytest.mark.parametrize("name", ["sublocation", "tcp_flags_array", "pkt-src-service"])
def test_a_header_cannot_overwrite_what_the_table_fills(name: str) -> None:
    found = run(f"version srcaddr end {name}\n".encode())
    assert found.undecodable[0].reason is Reason.FORMAT
    assert "overwrite" in found.undecodable[0].message


def test_a_header_that_names_a_column_twice_is_refused() -> None:
    assert run(b"version srcaddr end srcaddr\n").undecodable[0].reason is Reason.FORMAT


def test_settings_win_over_the_header_and_say_so() -> None:
    found = run(b"version end srcaddr\n2 10.0.0.1 1418530070\n", formats=(FormatRule(format="version srcaddr end"),))
    assert documents(found)[0]["source"]["ip"] == "10.0.0.1"
    assert "settings" in found.notices[0]


def test_formats_belong_to_sources() -> None:
    rules = (FormatRule(format="${srcaddr} ${end}", log_group="custom-*"), FormatRule(format="v2", log_group="*"))
    body = payload("10.0.0.1 1418530070", logGroup="custom-a")
    assert documents(run(body, formats=rules))[0]["source"]["ip"] == "10.0.0.1"
    assert run(payload("10.0.0.1 1418530070"), formats=rules).undecodable[0].reason is Reason.COLUMNS


@pytest.mark.parametrize("form", ["", "version srcadr", "version version", "${version} x ${end}", "nonsense"])
def test_a_format_in_the_options_that_cannot_be_read_is_fatal(form: str) -> None:
    with pytest.raises(FormatError):
        Decoder(CodecOptions(formats=(FormatRule(format=form),)))


def test_control_messages_give_no_document() -> None:
    found = run(gzip.compress(payload("CWL CONTROL MESSAGE: Checking health of destination.", kind="CONTROL_MESSAGE")))
    assert (found.control, found.count, list(found.undecodable)) == (1, 0, [])


@pytest.mark.parametrize("blank", ["", "  ", "\r\n"])
@pytest.mark.parametrize("spoil", [None, 7])
def test_events_without_text_are_counted_and_nothing_else(blank: str, spoil: int | None) -> None:
    """Also where the events beside them are no regular ones, which are looked at one by one."""
    body = json.loads(payload(LINE, blank, LINE))
    body["logEvents"] += [spoil] if spoil else []
    found = run(json.dumps(body).encode())
    assert (found.count, found.skipped, list(found.positions)) == (2, 1, [0, 2])
    assert [one.raw for one in found.undecodable] == ([b"7"] if spoil else [])


def test_log_groups_are_chosen_before_decoding() -> None:
    found = run(payload(LINE, "garbage", logGroup="/aws/lambda/x"), exclude_log_groups=("/aws/lambda/*",))
    assert (found.skipped, found.count, list(found.undecodable)) == (2, 0, [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(LINE.encode(), mtime=0)[:-4], Reason.GZIP),
        (b"\x1f\x8b\x08nonsense", Reason.GZIP),
        (gzip.compress(LINE.encode(), mtime=0) + b"tail", Reason.GZIP),
        (gzip.compress(b"0" * 2_000_000, mtime=0), Reason.TOO_LARGE),
        (b'{"messageType":"DATA_MESSAGE"', Reason.ENVELOPE),
        (b'{"a":1}', Reason.ENVELOPE),
        (payload(LINE, kind="OTHER"), Reason.ENVELOPE),
        (payload(LINE, logEvents=3), Reason.ENVELOPE),
        (payload(LINE, logEvents=[7]), Reason.ENVELOPE),
        (payload(None), Reason.ENVELOPE),
        (b"[" * 1_000, Reason.FORMAT),
        (b'{"a":' * 50_000, Reason.ENVELOPE),
        (b"2 \xff\xfe 3", Reason.ENCODING),
        (b"\x00\x01\x02", Reason.FORMAT),
        (LINE.replace(" 22 ", " 99999 ").encode(), Reason.VALUE),
        (LINE.replace("172.31.16.21", "472.1.1.1").encode(), Reason.VALUE),
        (LINE.replace("172.31.16.21", "010.1.1.1").encode(), Reason.VALUE),
        (LINE.replace("172.31.16.21", "fe80::1%eth0").encode(), Reason.VALUE),
        (LINE.replace(" 4249 ", " 0x10 ").encode(), Reason.VALUE),
        (LINE.replace(" 4249 ", " 12345678901234567890123 ").encode(), Reason.VALUE),
        (LINE.replace("1418530070", "99999999999999999").encode(), Reason.VALUE),
        (LINE.replace("ACCEPT", "PERHAPS").encode(), Reason.VALUE),
        (f"{LINE} more".encode(), Reason.FORMAT),
        (f"{LINE} {'x' * 70_000}".encode(), Reason.LINE_TOO_LONG),
    ],
)  # fmt: skip
def test_damage_is_a_value_with_a_reason(data: bytes, reason: Reason) -> None:
    found = run(data, max_inflated_bytes=1_000_000)
    assert [bad.reason for bad in found.undecodable] == [reason]


def test_members_before_the_damage_are_kept() -> None:
    found = run(gzip.compress(f"{LINE}\n".encode()) + gzip.compress(LINE.encode())[:-5])
    assert found.count == 1
    assert found.undecodable[0].reason is Reason.GZIP


@pytest.mark.parametrize(
    "line",
    [f"  {LINE} ", LINE.replace(" ", "\t"), LINE.replace(" ", "  "), LINE.replace("eni-1235b8ca", 'eni-\u0435"\\')],
)
def test_white_space_and_strange_identifiers_are_fine(line: str) -> None:
    [document] = documents(run(line.encode(), event_original=True))
    assert document["event"]["original"] == line.strip()
    assert document["aws"]["vpcflow"]["interface_id"] == line.split()[2]


def test_half_a_surrogate_in_json_costs_its_event_only() -> None:
    data = payload(LINE, "SPOIL", LINE).replace(b"SPOIL", b"\\ud800 x")
    found = run(data)
    assert found.count == 2
    assert len(found.undecodable) == 1


def test_rows_never_align_anew() -> None:
    cut, long = LINE.rpartition(" ")[0], f"{LINE} OK"
    found = run(payload(LINE, cut, long, LINE))
    assert list(found.positions) == [0, 3]
    assert [bad.position for bad in found.undecodable] == [1, 2]


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise(data: bytes) -> None:
    run(data)
    run(gzip.compress(data))


@given(st.randoms(use_true_random=False), st.integers(1, 6))
@settings(max_examples=300, deadline=None)
def test_no_mutation_raises_or_loses_a_line(pick: random.Random, times: int) -> None:
    data = bytearray(payload(*[LINE.replace("20641", str(port)) for port in range(20)]))
    for _ in range(times):
        data[pick.randrange(len(data))] = pick.choice(b'{}[]",: 0a-\\\n\xff')
    found = run(bytes(data))
    assert found.count + len(found.undecodable) + found.control >= 1


def test_ids_name_the_event_wherever_it_comes_from() -> None:
    data = payload(LINE, LINE)
    on_kinesis = kinesis_origin(stream="s", shard="0", sequence="1", subsequence=0, arrival_ms=1_418_530_100_000)
    here, there = ids(run(data)), ids(run(gzip.compress(data), on_kinesis))
    assert here == there
    assert len(set(here)) == 2
    other = ids(run(data.replace(b'"logGroup": "g"', b'"logGroup": "h"')))
    assert not set(other) & set(here)


def test_ids_are_what_they_always_were() -> None:
    assert ids(run(payload(LINE))) == ["0Ke6zmslf7RQNJixLkBkhFr5HCw0qjHa"]
    origin = kinesis_origin(stream="s", shard="shardId-0", sequence="49", subsequence=2)
    assert ids(run(LINE.encode(), origin)) == ["0Ke6zmsl_kV34vTzpBnZzOgrNj5hHSsG"]
    assert ids(run(f"{LINE}\n{LINE}\n".encode(), Origin())) == [
        "0Ke6zmsla6u3PBtaUVbX~uyt8DM_jyWu",
        "0Ke6zmsl4JI4U_OLv0HO8oQZHbTpjSpY",
    ]


def test_ids_sort_by_time() -> None:
    rows = [LINE.replace("1418530070", str(1418530070 + step)) for step in (0, 1, 60, 86_400, 10**8)]
    made = ids(run(payload(*rows)))
    assert made == sorted(made)
    assert {len(one) for one in made} == {32}


@pytest.mark.parametrize(
    ("days", "good"), [(-400.0001, False), (-399.999, True), (0, True), (0.999, True), (1.0001, False)]
)
def test_flows_far_from_their_arrival_are_undecodable(days: float, good: bool) -> None:  # noqa: FBT001
    arrival = 1_418_530_070_000
    end = int((arrival + days * 86_400_000) / 1000)
    found = run(LINE.replace("1418530070", str(end)).encode(), Origin(arrival_ms=arrival))
    assert (found.count == 1) is good
    assert [bad.reason for bad in found.undecodable] == ([] if good else [Reason.TIME])


def test_time_falls_back_from_the_line_to_the_event_to_the_arrival() -> None:
    rule = (FormatRule(format="srcaddr dstaddr"),)
    [document] = documents(run(payload("10.0.0.1 10.0.0.2"), formats=rule))
    assert document["@timestamp"] == "2014-12-14T04:06:50.000Z"
    [document] = documents(run(b"10.0.0.1 10.0.0.2", Origin(arrival_ms=1_000), formats=rule))
    assert document["@timestamp"] == "1970-01-01T00:00:01.000Z"
    assert run(b"10.0.0.1 10.0.0.2", formats=rule).undecodable[0].reason is Reason.TIME


def test_without_isal_it_is_the_same() -> None:
    code = (
        "import sys, base64; sys.modules['isal'] = None; sys.modules['isal.isal_zlib'] = None\n"
        "from vpcflow.codec import Decoder, framing; from vpcflow.types import Origin\n"
        "assert framing._zlib.__name__ == 'zlib'\n"
        "data = base64.b64decode(sys.stdin.read())\n"
        "sys.stdout.buffer.write(b''.join(c.body for c in Decoder().decode(data, Origin(identity=b'here', name='test'))))"
    )
    import subprocess

    data = gzip.compress(payload(LINE, NODATA)) + gzip.compress(payload(LINE))
    done = subprocess.run([sys.executable, "-c", code], input=base64.b64encode(data), capture_output=True, check=True)
    assert done.stdout == run(data).body
