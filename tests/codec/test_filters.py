"""Expressions one by one: what is true of which line, and what is wrong with those that cannot be read."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.codec.expressions import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES
from vpcflow.codec.filters import MAX_EXPRESSIONS, FilterError, compile_filter
from vpcflow.types import Decoded, LinesAt, Origin, Reason

ORIGIN = Origin(identity=b"here", name="kinesis:flows")
INTERNAL = ("10.0.0.0/8", "fd00::/8")
HTTPS = "2 123456789012 eni-1 10.0.0.5 203.0.113.7 49152 443 6 20 4249 1418530010 1418530070 ACCEPT OK"
SSH = "2 123456789012 eni-2 198.51.100.9 10.0.0.5 40000 22 6 1 40 1418530010 1418530070 REJECT OK"
SIX = "2 123456789012 eni-3 2001:db8::1 fd00::2 0 0 58 1 900 1418530010 1418530100 ACCEPT OK"
NODATA = "2 123456789012 eni-1 - - - - - - - 1418530010 1418530070 - NODATA"
LINES = {"https": HTTPS, "ssh": SSH, "six": SIX, "nodata": NODATA}
ALL = set(LINES)


def chunk(lines: list[str], **options: Any) -> Decoded:  # noqa: ANN401
    (found,) = Decoder(CodecOptions(**options)).decode("\n".join(lines).encode(), ORIGIN)
    return found


def true_of(expression: str, **options: Any) -> set[str]:  # noqa: ANN401
    found = chunk(list(LINES.values()), include=(expression,), internal_cidrs=INTERNAL, **options)
    assert found.lines == len(LINES)
    assert found.count + found.filtered == len(LINES)
    return {name for name, line in LINES.items() if line in found.messages}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("action == REJECT", {"ssh"}),
        ("action != REJECT", {"https", "six"}),
        ("not action == REJECT", {"https", "six", "nodata"}),
        ("action == -", {"nodata"}),
        ("action != -", ALL - {"nodata"}),
        ("action in (REJECT, -)", {"ssh", "nodata"}),
        ("action not in (REJECT, -)", {"https", "six"}),
        ("ACTION == REJECT", None),
        ("log-status in (NODATA, SKIPDATA)", {"nodata"}),
        ("log_status == NODATA", {"nodata"}),
        ("interface-id == eni-1", {"https", "nodata"}),
        ("interface-id like eni-?", ALL),
        ("interface-id not like *-1", {"ssh", "six"}),
        ("interface-id in eni-2", {"ssh"}),
        ('interface-id == "eni-2"', {"ssh"}),
        ("interface-id == 'eni-2'", {"ssh"}),
        ("dstport == 443", {"https"}),
        ("dstport in (22, 3389)", {"ssh"}),
        ("dstport not in (22, 3389)", {"https", "six"}),
        ("dstport < 443", {"ssh", "six"}),
        ("dstport <= 443", {"https", "ssh", "six"}),
        ("dstport > 22", {"https"}),
        ("dstport >= 22", {"https", "ssh"}),
        ("bytes > 1000", {"https"}),  # as text, 900 would be more
        ("bytes < 1000", {"ssh", "six"}),
        ("protocol == tcp", {"https", "ssh"}),
        ("protocol == TCP", {"https", "ssh"}),
        ("protocol == 6", {"https", "ssh"}),
        ("protocol in (icmp, icmpv6)", {"six"}),
        ("protocol != tcp", {"six"}),
        ("end > 1418530070", {"six"}),
        ("end > 1418530070000", {"six"}),
        ("end == 1418530100000", {"six"}),
        ("srcaddr == 10.0.0.5", {"https"}),
        ("srcaddr != 10.0.0.5", {"ssh", "six"}),
        ("srcaddr == 2001:DB8:0:0::1", {"six"}),
        ("srcaddr == ::ffff:10.0.0.5", {"https"}),
        ("srcaddr in 10.0.0.0/8", {"https"}),
        ("srcaddr in ::ffff:10.0.0.0/104", {"https"}),
        ("srcaddr in 0.0.0.0/0", {"https", "ssh"}),
        ("srcaddr in ::/0", {"six"}),
        ("srcaddr in (2001:db8::/32, 198.51.100.9)", {"ssh", "six"}),
        ("srcaddr not in 10.0.0.0/8", {"ssh", "six"}),
        ("srcaddr in internal", {"https"}),
        ("srcaddr in external", {"ssh", "six"}),
        ("srcaddr not in external", {"https"}),
        ("srcaddr in (internal, 198.51.100.9)", {"https", "ssh"}),
        ("srcaddr in (external, internal, -)", ALL),
        ("srcaddr in external and dstport in (22, 3389)", {"ssh"}),
        ("dstport == 22 or dstport == 443 and protocol == udp", {"ssh"}),
        ("(dstport == 22 or dstport == 443) and protocol == tcp", {"https", "ssh"}),
        ("not (dstport == 22 or dstport == 443)", {"six", "nodata"}),
        ("NOT dstport == 22 AND action == ACCEPT", {"https", "six"}),
        ("not not dstport == 22", {"ssh"}),
        ("vpc-id == vpc-1", set()),  # the format does not have it
        ("vpc-id != vpc-1", set()),
        ("vpc-id == -", ALL),
        ("vpc-id != -", set()),
        ("not vpc-id == vpc-1", ALL),
        ("vpc-id == - and dstport == 22", {"ssh"}),
        ("vpc-id == - or dstport == 22", ALL),
        ("source == kinesis:flows", ALL),
        ("source like kinesis:*", ALL),
        ("source like s3:*", set()),
        ("log-group == -", ALL),
        ("log-group like *", set()),
    ],
)
def test_what_an_expression_is_true_of(expression: str, names: set[str] | None) -> None:
    if names is None:
        with pytest.raises(FilterError, match="did you mean action"):
            true_of(expression)
        return
    assert true_of(expression) == names
    excluded = chunk(list(LINES.values()), exclude=(expression,), internal_cidrs=INTERNAL)
    assert {name for name, line in LINES.items() if line in excluded.messages} == ALL - names


@pytest.mark.parametrize("include", [None, True, False], ids=["no include", "included", "not included"])
@pytest.mark.parametrize("exclude", [None, True, False], ids=["no exclude", "excluded", "not excluded"])
def test_truth_table(include: bool | None, exclude: bool | None) -> None:  # noqa: FBT001
    fits, not_fits = "dstport == 22", "dstport == 23"
    found = chunk(
        [SSH],
        include=() if include is None else (fits if include else not_fits,),
        exclude=() if exclude is None else (fits if exclude else not_fits,),
    )
    kept = include is not False and exclude is not True
    assert (found.count, found.filtered, found.lines, list(found.undecodable)) == (int(kept), int(not kept), 1, [])


def test_one_of_several_is_enough() -> None:
    several = ("dstport == 22", "dstport == 443")
    assert list(chunk([HTTPS, SSH, SIX], include=several).messages) == [HTTPS, SSH]
    assert list(chunk([HTTPS, SSH, SIX], exclude=several).messages) == [SIX]


def payload(group: str, stream: str, lines: list[str]) -> bytes:
    events = [{"id": str(at), "timestamp": 1418530070000, "message": line} for at, line in enumerate(lines)]
    body = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": group, "logStream": stream, "logEvents": events}
    return gzip.compress(json.dumps(body).encode(), 1)


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("log-group like prod-*", ["prod-a"]),
        ("log_group == test", ["test"]),
        ("log-group not in (prod-a, test)", []),
        ("log-stream == eni-1", ["prod-a", "test"]),
        ("log-stream == - or source == kinesis:flows and log-group == test", ["test"]),
    ],
)
def test_where_a_line_comes_from(expression: str, kept: list[str]) -> None:
    decoder = Decoder(CodecOptions(include=(expression,)))
    for _ in range(2):  # the second time from what was remembered of the source
        for group in ("prod-a", "test"):
            (found,) = decoder.decode(payload(group, "eni-1", [HTTPS, SSH]), ORIGIN)
            assert (found.count, found.filtered) == ((2, 0) if group in kept else (0, 2))


@pytest.mark.parametrize("name", ["s3:b/a\\x", 's3:b/"a"', "s3:b/\u20ac", "s3:b/a\nb", "s3:b/[a]"])
def test_odd_names_of_sources(name: str) -> None:
    decoder = Decoder(CodecOptions(exclude=("source like s3:b/*",)))
    (found,) = decoder.decode(SSH.encode(), Origin(identity=b"x", name=name))
    (other,) = decoder.decode(SSH.encode(), Origin(identity=b"x", name=name[1:]))
    assert (found.filtered, other.filtered) == (1, 0)


def test_a_source_that_is_left_out_makes_no_dead_letters() -> None:
    found = chunk(["what a server says", HTTPS], exclude=("source like kinesis:*",))
    assert (found.count, found.filtered, list(found.undecodable)) == (0, 2, [])


@pytest.mark.parametrize("at", [3, 6, 12])
def test_what_cannot_be_judged_is_undecodable_and_not_left_out(at: int) -> None:
    tokens = HTTPS.split()
    tokens[at] = "what?"
    decided = {3: "srcaddr in 192.0.2.0/24", 6: "dstport == 22", 12: "action like REJ*"}[at]
    for options in (
        {"include": (decided,)},
        {"exclude": (f"not {decided}",)},
        {"include": (f"{decided} and bytes > 1",)},
    ):
        found = chunk([HTTPS, " ".join(tokens), SSH], **options)
        assert [(one.reason, one.position) for one in found.undecodable] == [(Reason.VALUE, 1)]
        assert found.count + found.filtered == 2
        assert HTTPS not in found.messages


def test_ids_and_places_are_those_of_the_whole() -> None:
    every = chunk([HTTPS, SSH, NODATA, SSH, SIX])
    some = chunk([HTTPS, SSH, NODATA, SSH, SIX], include=("action == REJECT", "dstport == 0"))
    pairs = every.body.split(b"\n")
    assert some.body == b"\n".join([line for at in (1, 3, 4) for line in pairs[2 * at : 2 * at + 2]]) + b"\n"
    assert (list(some.positions), list(some.messages)) == ([1, 3, 4], [SSH, SSH, SIX])
    assert list(some.identities) == [every.identities[at] for at in (1, 3, 4)]


def test_lines_that_name_themselves_keep_their_ids() -> None:
    origin = Origin(name="file", arrival_ms=1418530080000)
    text = f"{SSH}\n{HTTPS}\n{SSH}".encode()
    (every,) = Decoder().decode(text, origin)
    (some,) = Decoder(CodecOptions(exclude=("dstport == 443",))).decode(text, origin)
    ids = [json.loads(line)["create"]["_id"] for line in every.body.split(b"\n")[0:-1:2]]
    assert [json.loads(line)["create"]["_id"] for line in some.body.split(b"\n")[0:-1:2]] == [ids[0], ids[2]]
    assert [some.context(at)["occurrence"] for at in range(2)] == [0, 1]


def test_runs_of_an_object() -> None:
    decoder = Decoder(CodecOptions(include=("dstport == 22",)))
    data = f"{HTTPS}\n{SSH}\n{HTTPS}\n{SSH}".encode()
    (found,) = decoder.decode(data, ORIGIN, at=LinesAt(position=10, offset=1000))
    first = 1000 + len(HTTPS) + 1
    assert list(found.offsets) == [first, first + len(SSH) + len(HTTPS) + 2]
    assert [json.loads(line)["log"]["offset"] for line in found.body.split(b"\n")[1::2]] == list(found.offsets)


def test_a_header_and_columns_that_json_escapes() -> None:
    lines = ["interface-id dstport end", 'eni-"a\\b" 22 1418530070', "eni-é 23 1418530070", "eni-c 24 1418530070"]
    for expression, place in (
        ("interface-id == 'eni-\"a\\b\"'", 1),
        ("interface-id like '*\"'", 1),
        ("interface-id == eni-é", 2),
        ("dstport == 24", 3),
    ):
        chunks = list(Decoder(CodecOptions(include=(expression,))).decode("\n".join(lines).encode(), ORIGIN))
        assert [text for one in chunks for text in one.messages] == [lines[place]]
        assert sum(one.filtered for one in chunks) == 2
        assert sum(one.lines for one in chunks) == 4


def test_formats_of_the_settings() -> None:
    rules = (FormatRule(format="dstport end"),)
    found = chunk(["22 1418530070", "23 1418530070", "24"], formats=rules, exclude=("dstport >= 23",))
    assert (list(found.messages), found.filtered) == (["22 1418530070"], 1)
    assert [one.reason for one in found.undecodable] == [Reason.COLUMNS]


def test_without_expressions_there_is_no_filter() -> None:
    assert compile_filter((), ()) is None


@pytest.mark.parametrize(
    ("expression", "column", "problem"),
    [
        ("", 1, "the expression is empty"),
        ("   ", 1, "the expression is empty"),
        ("acton == REJECT", 1, "unknown field 'acton'; did you mean action?"),
        ("dst_adr == 10.0.0.1", 1, "unknown field 'dst_adr'; did you mean dstaddr?"),
        ("log_grup == x", 1, "unknown field 'log_grup'; did you mean log-group?"),
        ("qqqqq == 1", 1, "unknown field 'qqqqq' (here"),
        ("dstport == 22 and acton == REJECT", 19, "unknown field 'acton'"),
        ("action = REJECT", 8, "'=' is no operator; write =="),
        ("!action == REJECT", 1, "'!' is no operator; write not"),
        ("dstport == 22 && action == ACCEPT", 15, "not '&&'; write and"),
        ("dstport == 22 || action == ACCEPT", 15, "not '||'; write or"),
        ("dstport == 22 action == ACCEPT", 15, "`and`, `or` or the end is wanted, not 'action'"),
        ("action", 7, "is wanted, not the end"),
        ("action REJECT", 8, "is wanted, not 'REJECT'"),
        ("action ==", 10, "a value is wanted, not the end"),
        ("action == and", 11, "quote it"),
        ("action not == REJECT", 12, "`in` or `like` is wanted, not '=='"),
        ("and == 1", 1, "the name of a field is wanted, not 'and'"),
        ("== 1", 1, "the name of a field is wanted, not '=='"),
        ("(dstport == 22", 15, "a ) is missing before the end"),
        ("dstport == 22)", 14, "not ')'"),
        ("dstport in (22 23)", 16, "a comma or ) is wanted, not '23'"),
        ("dstport in (22, 23", 19, "write a JSON list there"),
        ("dstport in ()", 13, "a value is wanted, not ')'"),
        ("action == 'REJECT", 11, "this quote is not closed"),
        ("action == accept", 11, "never 'accept'; did you mean ACCEPT?"),
        ("action == DROP", 11, "action is ACCEPT or REJECT, never 'DROP'"),
        ("log-status in (OK, NODAT)", 20, "log-status is OK or NODATA or SKIPDATA, never 'NODAT'"),
        ("action < REJECT", 8, "`<` compares numbers"),
        ("dstport == ssh", 12, "'ssh' is nothing that dstport can be"),
        ("dstport == 65536", 12, "'65536' is nothing that dstport can be"),
        ("dstport in (22, 022)", 17, "'022' is nothing that dstport can be"),
        ("dstport == -1", 12, "'-1' is nothing"),
        ("dstport like 4*", 9, "this field is a number"),
        ("dstport > -", 9, "is no value"),
        ("interface-id like -", 14, "is no value"),
        ("protocol == tpc", 13, "did you mean tcp?"),
        ("end > yesterday", 7, "'yesterday' is nothing that end can be"),
        ("srcaddr == 10.0.0", 12, "neither an address nor a CIDR"),
        ("srcaddr == 10.0.0.0/8", 12, "write `in`"),
        ("srcaddr in 10.1.2.3/8", 12, "10.0.0.0/8 is the network"),
        ("srcaddr in (10.0.0.0/8, fe80::1%eth0)", 25, "zone"),
        ("srcaddr in interal", 12, "did you mean internal?"),
        ("srcaddr < 10.0.0.1", 9, "`<` cannot be asked of an address"),
        ("srcaddr like 10.*", 9, "`like` cannot be asked of an address"),
        ("srcaddr == internal", 12, "write `in`"),
        ("srcaddr in (10.0.0.0/8, external)", 25, "labels.internal_cidrs"),
        ("not " * (MAX_DEPTH + 1) + "dstport == 1", 4 * MAX_DEPTH + 1, "nested deeper than"),
        ("(" * 3000, MAX_DEPTH + 1, "nested deeper than"),
        (f"dstport in ({', '.join(['1'] * (MAX_VALUES + 1))})", 13 + 3 * MAX_VALUES, "more than 500 values"),
        ("a" * (MAX_CHARACTERS + 1), MAX_CHARACTERS + 1, "longer than 4000 characters"),
    ],
)
def test_what_is_wrong_with_an_expression(expression: str, column: int, problem: str) -> None:
    for options in ({"include": ("dstport == 1", expression)}, {"exclude": ("dstport == 1", expression)}):
        with pytest.raises(FilterError) as caught:
            Decoder(CodecOptions(**options))
        said = str(caught.value)
        assert said.startswith(f"column {column}: ")
        assert problem in said
        assert "\n" not in said
        assert len(said) < 400
        assert (caught.value.key, caught.value.number) == (*options, 1)


def test_the_place_is_shown() -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(("dstport == 22 and action == ACCEPT and acton == REJECT",), ())
    assert "(here: …" in str(caught.value)
    assert "→acton == REJECT)" in str(caught.value)


def test_so_many_expressions_and_no_more() -> None:
    compile_filter(("dstport == 1",) * MAX_EXPRESSIONS, ())
    with pytest.raises(FilterError, match="more than 100 expressions"):
        compile_filter(("dstport == 1",) * (MAX_EXPRESSIONS + 1), ())


def test_depth_and_length_that_are_allowed() -> None:
    depth = MAX_DEPTH - 1
    assert true_of("(" * depth + "dstport == 22" + ")" * depth) == {"ssh"}
    assert true_of(f"dstport in ({', '.join(['22'] * MAX_VALUES)})") == {"ssh"}
    assert true_of(" and ".join(["dstport == 22"] * 200)) == {"ssh"}
