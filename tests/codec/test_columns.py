"""What a column may hold: a whole column is good exactly when each of its tokens is."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.codec.columns import ADDRESSES, holds, token_holds, written
from vpcflow.codec.fields import Form, Kind
from vpcflow.codec.stamps import StampCache

ODD = [
    *("", "0", "00", "01", "-1", "+1", "1.0", "1e3", "0x1", "\u0661", "\u00b2", "1_0"),
    *("255", "256", "65535", "65536", "99999", "-"),
]


@pytest.mark.parametrize("token", [*ODD, "9" * 18, "1" + "0" * 18, "6553", "65529", "65530", "65539", "70000"])
@pytest.mark.parametrize(("kind", "below"), [(Kind.PORT, 65536), (Kind.BYTE, 256), (Kind.NUMBER, 10**18)], ids=str)
def test_numbers(kind: Kind, below: int, token: str) -> None:
    good = token.isascii() and token.isdigit() and str(int(token)) == token and int(token) < below
    assert token_holds(kind, token) is good


@pytest.mark.parametrize(("kind", "below"), [(Kind.PORT, 65536), (Kind.BYTE, 256)], ids=["port", "byte"])
def test_every_port_and_byte(kind: Kind, below: int) -> None:
    assert holds(kind, list(map(str, range(below))))
    assert not any(token_holds(kind, str(number)) for number in range(below, below + 3000))


@given(st.lists(st.one_of(st.sampled_from(ODD), st.integers(0, 70_000).map(str)), min_size=1, max_size=8))
def test_a_column_is_as_good_as_its_tokens(column: list[str]) -> None:
    for kind in (Kind.NUMBER, Kind.PORT, Kind.BYTE, Kind.ACTION, Kind.TEXT):
        assert holds(kind, column) is all(token_holds(kind, token) for token in column)


@given(st.one_of(st.ip_addresses().map(str), st.text("0123456789abcf:.%/ ", max_size=20)))
def test_addresses_are_those_of_the_standard_library(text: str) -> None:
    try:
        expected = ipaddress.ip_address(text)
    except ValueError:
        assert not token_holds(Kind.ADDRESS, text)
        return
    if "%" in text:
        assert not token_holds(Kind.ADDRESS, text)
        return
    mapped = expected.ipv4_mapped if isinstance(expected, ipaddress.IPv6Address) else None
    assert ADDRESSES[text] == (mapped or expected).packed


@given(
    st.one_of(st.integers(0, 10**15).map(str), st.integers(0, 10**11).map(str), st.text("0123456789 -", max_size=16))
)
def test_a_time_is_checked_as_it_is_read(text: str) -> None:
    try:
        StampCache()[text]
    except ValueError:
        assert not token_holds(Kind.SECONDS, text)
    else:
        assert token_holds(Kind.SECONDS, text)


def test_the_forms_of_values() -> None:
    assert written(Form.FLAGS, ["0", "1", "18", "255"]) == [
        "[]", '["fin"]', '["syn","ack"]', '["fin","syn","rst","psh","ack","urg"]',
    ]  # fmt: skip
    assert written(Form.TRANSPORT, ["6", "3"]) == [',"transport":"tcp"', ""]
    assert written(Form.OUTCOME, ["ACCEPT", "REJECT"]) == ["success", "failure"]
    assert written(Form.LONG, ["7"]) == ["7"]
