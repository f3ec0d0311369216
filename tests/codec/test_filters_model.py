"""Filters against a naive evaluator: random expressions over random lines, each line judged alone by Python's own rules."""

from __future__ import annotations

import fnmatch
import ipaddress
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.types import Origin

NAMES = ("interface-id", "srcaddr", "dstaddr", "dstport", "bytes", "action", "end")
INTERNAL = "10.0.0.0/9"
ADDRESSES = ("10.0.0.1", "10.200.0.1", "192.0.2.7", "2001:db8::1", "fd00::7")
CIDRS = ("10.0.0.0/8", "10.0.0.1", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "internal", "external")
TOKENS = {
    "interface-id": ("eni-1", "eni-2", 'eni-"3"', "eni-\u20ac"),
    "srcaddr": ADDRESSES,
    "dstaddr": ADDRESSES,
    "dstport": ("0", "22", "443", "3389", "65535"),
    "bytes": ("9", "10", "100", "99999999999999999"),
    "action": ("ACCEPT", "REJECT"),
}


@dataclass(frozen=True)
class Compare:
    name: str
    operator: str
    values: tuple[str, ...]

    def text(self) -> str:
        quoted = [f"'{value}'" if '"' in value else value for value in self.values]
        listed = f"({', '.join(quoted)})" if self.operator.endswith("in") else quoted[0]
        return f"{self.name} {self.operator} {listed}"

    def true(self, row: dict[str, str]) -> bool:
        token = row.get(self.name, "-")
        if token == "-":
            return self.operator in ("==", "in") and "-" in self.values
        positive = {"!=": "==", "not in": "in", "not like": "like"}.get(self.operator, self.operator)
        found = any(self.fits(positive, token, value) for value in self.values)
        return found if positive == self.operator else not found

    def fits(self, operator: str, token: str, value: str) -> bool:
        if value == "-":
            return False
        if operator == "like":
            return fnmatch.fnmatchcase(token, value)
        if self.name.endswith("addr"):
            address = ipaddress.ip_address(token)
            if value in ("internal", "external"):
                return (address in ipaddress.ip_network(INTERNAL)) == (value == "internal")
            return address in ipaddress.ip_network(value)
        if self.name in ("dstport", "bytes"):
            left, right = int(token), int(value)
            return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}.get(
                operator, left == right
            )
        return token == value


@dataclass(frozen=True)
class Joined:
    word: str
    parts: tuple[Any, ...]

    def text(self) -> str:
        if self.word == "not":
            return f"not ({self.parts[0].text()})"
        return "(" + f" {self.word} ".join(part.text() for part in self.parts) + ")"

    def true(self, row: dict[str, str]) -> bool:
        found = [part.true(row) for part in self.parts]
        return not found[0] if self.word == "not" else (all(found) if self.word == "and" else any(found))


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    name = draw(st.sampled_from((*TOKENS, "vpc-id", "log-group")))
    tokens = TOKENS.get(name, ("x",))
    if draw(st.booleans()) and name in ("dstport", "bytes"):
        return Compare(name, draw(st.sampled_from(("<", "<=", ">", ">="))), (draw(st.sampled_from(tokens)),))
    if draw(st.booleans()) and name in ("interface-id", "vpc-id", "log-group"):
        pattern = draw(st.sampled_from(("*", "eni-?", "*1", "e*", "?")))
        return Compare(name, draw(st.sampled_from(("like", "not like"))), (pattern,))
    if draw(st.booleans()):
        return Compare(name, draw(st.sampled_from(("==", "!="))), (draw(st.sampled_from((*tokens, "-"))),))
    known = CIDRS if name.endswith("addr") else tokens
    values = draw(st.lists(st.sampled_from((*known, "-")), min_size=1, max_size=3))
    return Compare(name, draw(st.sampled_from(("in", "not in"))), tuple(values))


def joined(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Joined]:
    several = st.lists(part, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Joined, st.sampled_from(("and", "or")), several),
        st.builds(Joined, st.just("not"), st.tuples(part)),
    )


EXPRESSIONS = st.recursive(comparisons(), joined, max_leaves=6)
ROWS = st.fixed_dictionaries(
    {**{name: st.sampled_from((*tokens, "-")) for name, tokens in TOKENS.items()}, "end": st.just("1418530070")}
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EXPRESSIONS, max_size=2), st.lists(EXPRESSIONS, max_size=2), st.lists(ROWS, min_size=1, max_size=12))
def test_filters_agree_with_the_naive_evaluator(
    include: list[Any], exclude: list[Any], rows: list[dict[str, str]]
) -> None:
    options = CodecOptions(
        formats=(FormatRule(format=NAMES),),
        include=tuple(one.text() for one in include),
        exclude=tuple(one.text() for one in exclude),
        internal_cidrs=(INTERNAL,),
    )
    lines = [" ".join(row[name] for name in NAMES) for row in rows]
    (found,) = Decoder(options).decode("\n".join(lines).encode(), Origin(identity=b"here"))
    kept = [
        at
        for at, row in enumerate(rows)
        if (not include or any(one.true(row) for one in include)) and not any(one.true(row) for one in exclude)
    ]
    assert list(found.positions) == kept
    assert found.filtered == len(rows) - len(kept)
    assert not found.undecodable
    if kept:  # and they are the documents of the whole
        every = Decoder(CodecOptions(formats=options.formats, internal_cidrs=(INTERNAL,)))
        (whole,) = every.decode("\n".join(lines).encode(), Origin(identity=b"here"))
        documents = [json.loads(line) for line in whole.body.split(b"\n")[1::2]]
        assert [json.loads(line) for line in found.body.split(b"\n")[1::2]] == [documents[at] for at in kept]
