"""Documents against the reference, over every field, and as a batch against line by line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.codec.fields import FIELDS, PRESETS, Field, Kind
from vpcflow.types import Decoded, Origin

Reference = Callable[[list[str], str], dict[str, Any]]
ORIGIN = Origin(identity=b"here", name="test")
BASE = ["version", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start", "end", "action"]

V4 = st.ip_addresses(v=4).map(str)
ADDRESS = st.one_of(V4, st.ip_addresses(v=6).filter(lambda one: one.ipv4_mapped is None).map(str))
TOKEN = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12).filter(
    lambda one: one != "-" and not one.startswith("{") and one.split() == [one]
)
VALUES = {
    Kind.TEXT: TOKEN,
    Kind.NUMBER: st.integers(0, 10**18 - 1).map(str),
    Kind.PORT: st.integers(0, 65535).map(str),
    Kind.BYTE: st.integers(0, 255).map(str),
    Kind.ADDRESS: ADDRESS,
    Kind.SECONDS: st.one_of(st.integers(0, 4_102_444_800), st.integers(10**12, 4 * 10**12)).map(str),
    Kind.ACTION: st.sampled_from(["ACCEPT", "REJECT"]),
}


def decoded(data: bytes, **options: Any) -> list[Decoded]:  # noqa: ANN401
    return list(Decoder(CodecOptions(**options)).decode(data, ORIGIN))


def documents(chunks: list[Decoded]) -> list[dict[str, Any]]:
    return [json.loads(line) for chunk in chunks for line in chunk.body.split(b"\n")[1::2]]


def cell(field: Field) -> st.SearchStrategy[str]:
    if field.name == "end":  # a line without a time gives no document
        return VALUES[field.kind]
    return st.one_of(st.just("-"), VALUES[field.kind], VALUES[field.kind])


@st.composite
def lines(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    fields = draw(st.lists(st.sampled_from(FIELDS), min_size=2, max_size=24, unique=True))
    if not any(field.name == "end" for field in fields):
        fields.append(next(field for field in FIELDS if field.name == "end"))
    row = st.tuples(*[cell(field) for field in fields]).map(" ".join)
    return [field.name for field in fields], draw(st.lists(row, min_size=1, max_size=8))


@given(lines())
@settings(max_examples=300, deadline=None)
def test_any_lines_of_any_format_equal_the_reference(reference: Reference, made: tuple[list[str], list[str]]) -> None:
    names, rows = made
    chunks = decoded("\n".join(rows).encode(), formats=(FormatRule(format=tuple(names)),))
    assert [one for chunk in chunks for one in chunk.undecodable] == []
    assert documents(chunks) == [reference(names, row) for row in rows]


@given(lines(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_broken_line_costs_itself_only(made: tuple[list[str], list[str]], data: st.DataObject) -> None:
    names, rows = made
    rule = FormatRule(format=tuple(names))
    place = data.draw(st.integers(0, len(rows)))
    broken = data.draw(
        st.sampled_from(["x", "- " * (len(names) + 3) + "y", " ".join(["?"] * len(names)), '"\\ \x00 zz'])
    )
    text = [*rows[:place], broken, *rows[place:]]
    chunks = decoded("\n".join(text).encode(), formats=(rule,))
    positions = [at for chunk in chunks for at in chunk.positions]
    assert positions == [at for at in range(len(text)) if at != place]
    assert [bad.position for chunk in chunks for bad in chunk.undecodable] == [place]
    alone = [decoded(f"{row}\n".encode(), formats=(rule,)) for row in rows]
    assert documents(chunks) == [one for chunk in alone for one in documents(chunk)]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_goes_where_the_reference_says(reference: Reference, field: Field) -> None:
    values = {Kind.TEXT: "value", Kind.NUMBER: "3", Kind.PORT: "443", Kind.BYTE: "17", Kind.ADDRESS: "2001:db8::7"}
    base = {
        "version": "2", "srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "srcport": "1", "dstport": "2", "protocol": "6",
        "start": "1418530010", "end": "1418530070", "action": "REJECT",
    }  # fmt: skip
    names = [*BASE] if field.name in base else [*BASE, field.name]
    row = " ".join(base.get(name) or values[field.kind] for name in names)
    chunks = decoded(row.encode(), formats=(FormatRule(format=tuple(names)),))
    assert documents(chunks) == [reference(names, row)]


@pytest.mark.parametrize("protocol", range(256))
def test_every_protocol(reference: Reference, protocol: int) -> None:
    pairs = (
        ("10.0.0.1", "10.0.0.2"),
        ("10.0.0.2", "10.0.0.1"),
        ("::1", "10.0.0.2"),
        ("fe80::2", "fe80::1"),
        ("1.1.1.1", "1.1.1.1"),
    )
    rows = [f"2 {a} {b} 5000 80 {protocol} 1418530010 1418530070 ACCEPT" for a, b in pairs]
    assert documents(decoded("\n".join(rows).encode(), formats=(FormatRule(format=tuple(BASE)),))) == [
        reference(BASE, row) for row in rows
    ]


@pytest.mark.parametrize("mask", range(256))
def test_every_flag_mask(reference: Reference, mask: int) -> None:
    names = [*BASE, "tcp-flags"]
    row = f"2 10.0.0.1 10.0.0.2 1 2 6 1418530010 1418530070 ACCEPT {mask}"
    assert documents(decoded(row.encode(), formats=(FormatRule(format=tuple(names)),))) == [reference(names, row)]


@pytest.mark.parametrize("name", ["v2", "v5", "v7", "v8", "tcp-flags-sequence", "tgw", "v4-region"])
def test_presets_are_guessed(reference: Reference, name: str) -> None:
    sample = {
        "version": "3", "srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "srcport": "4242", "dstport": "80", "protocol": "6",
        "packets": "3", "bytes": "180", "start": "1418530010", "end": "1418530070", "action": "ACCEPT", "log-status": "OK",
        "tcp-flags": "19", "type": "IPv4", "pkt-srcaddr": "10.0.0.1", "pkt-dstaddr": "10.0.0.2", "region": "us-east-1",
        "flow-direction": "ingress", "traffic-path": "1", "account-id": "123456789012", "sublocation-type": "-",
    }  # fmt: skip
    names = list(PRESETS[name])
    row = " ".join(sample.get(one, "-" if one.startswith("packets-lost") else "some-id") for one in names)
    [chunk] = decoded(f"{row}\n".encode())
    assert documents([chunk]) == [reference(names, row)]
    assert name in chunk.notices[0]


@pytest.mark.parametrize(
    ("last", "fits"), [("nat-0a1b", "v9"), ("-", None), ("1", "several")], ids=["resource", "neither", "both"]
)
def test_thirty_columns_have_two_meanings(last: str, fits: str | None) -> None:
    row = (
        "9 123456789012 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 180 1418530010 1418530070 ACCEPT OK vpc-1 subnet-1 i-1 19 IPv4 10.0.0.1"
        f" 10.0.0.2 us-east-1 use1-az1 - - - - ingress 1 {last}"
    )
    [chunk] = decoded(row.encode())
    if fits == "several":
        assert chunk.count == 0
        assert "several formats (v9, v10)" in chunk.undecodable[0].message
        assert "codec.formats" in chunk.undecodable[0].message
    else:
        [document] = documents([chunk])
        assert document["aws"]["vpcflow"].get("resource_id") == (last if fits else None)


def test_the_raw_shape() -> None:
    row = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 180 1418530010 1418530070 ACCEPT OK"
    [document] = documents(decoded(row.encode(), shape="raw"))
    assert document == {
        "@timestamp": "2014-12-14T04:07:50.000Z",
        "message": row,
        "cloud": {"provider": "aws"},
        "data_stream": {"type": "logs", "dataset": "aws.vpcflow", "namespace": "default"},
        "tags": ["forwarded", "aws-vpcflow"],
    }


def test_an_index_by_pattern_is_named_by_the_flows_own_time() -> None:
    rows = "\n".join(
        f"2 123456789010 eni-1 - - - - - - - {end - 60} {end} - NODATA" for end in (1418530070, 1418630070)
    )
    [chunk] = decoded(rows.encode(), index_mode="pattern", index_name="flows-{yyyy.MM.dd}")
    actions = [json.loads(line)["create"] for line in chunk.body.split(b"\n")[0:-1:2]]
    assert [one["_index"] for one in actions] == ["flows-2014.12.14", "flows-2014.12.15"]


def test_a_target_that_takes_no_ids() -> None:
    row = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 4 1700000000 1700000060 ACCEPT OK"
    [chunk] = decoded(row.encode(), index_mode="pattern", index_name="flows-{yyyy}", ids=False)
    action, document = chunk.body.splitlines()
    assert action == b'{"create":{"_index":"flows-2023"}}'
    [usual] = decoded(row.encode(), index_mode="pattern", index_name="flows-{yyyy}")
    assert document == usual.body.splitlines()[1]
