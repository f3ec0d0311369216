"""Line formats: how they are written in settings, what is a header, and what may be guessed."""

from __future__ import annotations

import pytest

from vpcflow.codec import CodecOptions, FormatError, FormatRule, parse_format
from vpcflow.codec.fields import FIELDS, PRESETS
from vpcflow.codec.formats import choose, header_format, is_header, rule_for

V2 = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 180 1418530010 1418530070 ACCEPT OK"


@pytest.mark.parametrize(
    "text",
    [
        "${version} ${account-id} ${srcaddr}",
        "${version}${account-id}${srcaddr}",
        "version account-id srcaddr",
        " version,account-id, srcaddr\n",
        "version account_id srcaddr",
        ("version", "account-id", "srcaddr"),
        ["version", "account_id", "srcaddr"],
    ],
)
def test_ways_to_write_a_format(text: str | tuple[str, ...] | list[str]) -> None:
    assert parse_format(text).names == "version account-id srcaddr"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_names(name: str) -> None:
    assert parse_format(name) == parse_format(PRESETS[name])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ((), "empty"),
        ("${srcaddr} dstaddr", "outside"),
        ("${}", "unknown field ''"),
        ("${src addr}", "unknown field"),
        ("v6", "presets are v2"),
        ("srcaddr Dstaddr", "'Dstaddr'"),
        ("account-id account_id", "account-id more than once"),
    ],
)
def test_formats_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        parse_format(text)


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("version account-id srcaddr", True),
        ("srcaddr dstaddr end something-new", True),
        ("instance_id  interface_id  srcaddr", True),
        (" ".join(field.name for field in FIELDS), True),
        ("version account-id", False),
        ("version account-id foo", False),
        ("version account-id srcaddr 10", False),
        ("Version account-id srcaddr", False),
        ("version account-id srcaddr -", False),
        ("version account-id srcaddr ", False),
        ("version\taccount-id\tsrcaddr", False),
        (V2, False),
        ("", False),
        ("a " * 50_000 + "!", False),
    ],
)
def test_what_is_a_header(line: str, *, header: bool) -> None:
    assert is_header(line) is header


def test_unknown_names_of_a_header_are_text_of_their_own() -> None:
    form = header_format("version srcaddr end brand-new")
    assert form.unknown == ("brand-new",)
    assert form.fields[3].places[0].path == "aws.vpcflow.brand_new"


def test_every_preset_alone_in_its_count_is_chosen_and_others_by_their_columns() -> None:
    counts = [len(names) for names in PRESETS.values()]
    assert {count for count in counts if counts.count(count) > 1} == {30}
    assert isinstance(choose(V2.split()), tuple)
    told = choose(V2.replace("OK", "10.0.0.9").split())
    assert isinstance(told, str)
    assert "column 14, log-status" in told
    assert "codec.formats" in told


def test_the_first_rule_that_matches_wins() -> None:
    rules = (
        FormatRule(format="srcaddr", log_group="a-*", log_stream="eni-?-all"),
        FormatRule(format="dstaddr", source="kinesis:*"),
        FormatRule(format="end"),
    )
    options = CodecOptions(formats=rules)

    def chosen(group: str, stream: str, source: str) -> str:
        form = rule_for(options, log_group=group, log_stream=stream, source=source)
        assert form is not None
        return form.names

    assert chosen("a-1", "eni-1-all", "kinesis:x") == "srcaddr"
    assert chosen("a-1", "eni-12-all", "kinesis:x") == "dstaddr"
    assert chosen("A-1", "eni-1-all", "file") == "end"
    assert rule_for(CodecOptions(formats=rules[:1]), log_group="b", log_stream="", source="") is None
