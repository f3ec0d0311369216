"""Columns of tokens: are they what their field allows, and what they look like in a document.

Whole columns are checked with one regular expression each; only when that fails is the one bad token looked for.
"""

from __future__ import annotations

import ipaddress
import re

from vpcflow.codec.fields import Field, Form, Kind
from vpcflow.codec.stamps import DIGITS_OF_MILLISECONDS, LATEST_MS

__all__ = ["ADDRESSES", "PROTOCOLS", "Cells", "complaint", "described", "holds", "token_holds", "written"]

Cells = list[str]

_NUMBER = "(?:0|[1-9][0-9]{0,17})"
_PORT = "(?:[1-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_PORT = f"(?:0|(?!0){_PORT})"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ACTION = "(?:ACCEPT|REJECT)"


def _all(one: str) -> re.Pattern[str]:
    # The space belongs to the token: without it the possessive loop could not go back for the rest of a longer number.
    return re.compile(f"(?:{one} )++", re.ASCII)


_COLUMN = {kind: _all(one) for kind, one in {Kind.NUMBER: _NUMBER, Kind.PORT: _PORT, Kind.BYTE: _BYTE}.items()}
_COLUMN[Kind.ACTION] = _all(_ACTION)
_EXPECTED = {
    Kind.TEXT: "one of the values that AWS lists",
    Kind.NUMBER: "a whole number below 10^18",
    Kind.PORT: "a port, 0 to 65535",
    Kind.BYTE: "a number from 0 to 255",
    Kind.ADDRESS: "an IPv4 or IPv6 address",
    Kind.SECONDS: "a time in seconds since 1970",
    Kind.ACTION: "ACCEPT or REJECT",
}
_V4 = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}", re.ASCII)
_TIME = re.compile("[0-9]{1,15}")
_CACHED = 131_072
_SHOWN = 40


class _Addresses(dict[str, bytes]):
    """`cache["10.0.0.1"]` → 4 or 16 bytes. Raises ValueError for what is no address. Bounded: emptied when full."""

    def __missing__(self, text: str) -> bytes:
        if _V4.fullmatch(text):
            packed = bytes(map(int, text.split(".")))
        elif ":" in text and "%" not in text:
            address = ipaddress.IPv6Address(text)
            mapped = address.ipv4_mapped  # Java, and with it the community_id processor, unpacks these
            packed = (mapped or address).packed
        else:
            raise ValueError(text)
        if len(self) >= _CACHED:
            self.clear()
        self[text] = packed
        return packed


ADDRESSES = _Addresses()


def holds(kind: Kind, column: Cells) -> bool:
    """Return whether every token of a column is what its kind allows. Addresses and times: see the caches."""
    pattern = _COLUMN.get(kind)
    return pattern is None or pattern.fullmatch(" ".join(column) + " ") is not None


def _is_time(number: int, digits: int) -> bool:
    return (number if digits >= DIGITS_OF_MILLISECONDS else number * 1000) <= LATEST_MS


def token_holds(kind: Kind, token: str) -> bool:
    """Return whether one token is what its kind allows."""
    if kind is Kind.ADDRESS:
        try:
            ADDRESSES[token]
        except ValueError:
            return False
        return True
    if kind is Kind.SECONDS:
        return _TIME.fullmatch(token) is not None and _is_time(int(token), len(token))
    return holds(kind, [token])


def complaint(fields: tuple[Field, ...], tokens: list[str], *, guessed: bool) -> str | None:
    """Return what is wrong with the first bad column of one line, in words, or None.

    `guessed`: the format is a guess, so values that AWS lists are checked too.
    """
    for number, (field, token) in enumerate(zip(fields, tokens, strict=True), start=1):
        if token == "-":
            continue
        listed = not guessed or field.check is None or field.check.fullmatch(token) is not None
        if not listed or not token_holds(field.kind, token):
            return described(number, field, token)
    return None


def described(number: int, field: Field, token: str) -> str:
    """Return what is wrong with the token in column `number` (1 is the first), in words."""
    shown = token if len(token) <= _SHOWN else f"{token[:_SHOWN]}…"
    return f"column {number}, {field.name}: {shown!r} is not {_EXPECTED[field.kind]}"


# The list that Elastic's integration and Beats use, and no other.
PROTOCOLS = {
    "0": "hopopt", "1": "icmp", "2": "igmp", "6": "tcp", "8": "egp", "17": "udp", "47": "gre", "50": "esp",
    "58": "ipv6-icmp", "112": "vrrp", "132": "sctp",
}  # fmt: skip
_TRANSPORTS = {str(number): "" for number in range(256)} | {
    number: f',"transport":"{name}"' for number, name in PROTOCOLS.items()
}
_FLAG_NAMES = ((1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"))
_FLAGS = {
    str(mask): "[" + ",".join(f'"{name}"' for bit, name in _FLAG_NAMES if mask & bit) + "]" for mask in range(256)
}
_OUTCOMES = {"ACCEPT": "success", "REJECT": "failure"}
_TYPES = {"ACCEPT": '["connection","allowed"]', "REJECT": '["connection","denied"]'}
_LOOKUPS = {Form.TRANSPORT: _TRANSPORTS, Form.FLAGS: _FLAGS, Form.OUTCOME: _OUTCOMES, Form.TYPE: _TYPES}


def written(form: Form, column: Cells) -> Cells:
    """Return a checked column in the form that the document's place wants (times come from the stamps)."""
    lookup = _LOOKUPS.get(form)
    return column if lookup is None else [lookup[token] for token in column]
