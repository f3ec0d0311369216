"""One comparison of a filter: a field, an operator and values, made into verdicts about tokens."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate

from vpcflow.codec.columns import ADDRESSES, PROTOCOLS, token_holds
from vpcflow.codec.conditions import ABSENT, Leaf, Verdicts
from vpcflow.codec.fields import FIELDS, Field, Kind, field_named
from vpcflow.codec.networks import Inside, NetworkError, Networks
from vpcflow.codec.stamps import DIGITS_OF_MILLISECONDS

__all__ = ["ORDERED", "SOURCES", "Comparisons", "ValueProblem", "nearest"]

# What is known of a line beside its columns.
SOURCES = ("log-group", "log-stream", "source")
ORDERED: dict[str, Callable[[int, int], bool]] = {
    "<": int.__lt__,
    "<=": int.__le__,
    ">": int.__gt__,
    ">=": int.__ge__,
}
_NUMBERS = (Kind.NUMBER, Kind.PORT, Kind.BYTE, Kind.SECONDS)
# AWS lists all values of these, so that another one is a slip of the pen.
_LISTED_VALUES = {
    "action": ("ACCEPT", "REJECT"),
    "log-status": ("OK", "NODATA", "SKIPDATA"),
    "flow-direction": ("ingress", "egress"),
}
_PROTOCOL_NUMBERS = {name: number for number, name in PROTOCOLS.items()} | {"icmpv6": "58", "icmp6": "58"}
_SIDES = ("internal", "external")

Test = Callable[[str], bool | None]


class ValueProblem(ValueError):
    """number: of the value it is about; None: the field or the operator."""

    def __init__(self, message: str, number: int | None = None) -> None:
        """Keep where it is."""
        super().__init__(message)
        self.number = number


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?`, or nothing."""
    close = difflib.get_close_matches(name.lower(), list(known), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


class Comparisons:
    """Makes comparisons. Keeps what is inside, for `in internal` and `in external`."""

    def __init__(self, internal: Sequence[str]) -> None:
        """`internal`: CIDRs; none: nothing can be said about inside and outside. Raises NetworkError."""
        self._inside = Inside(internal) if internal else None

    def leaf(self, name: str, operator: str, values: Sequence[str], *, negated: bool) -> Leaf:
        """Return a comparison.

        Args:
            name: as AWS writes it, or with underscores; or one of `SOURCES`.
            operator: `==`, `in`, `like`, or one of `ORDERED`.
            values: one, or the list's. ABSENT only for `==` and `in`.
            negated: `!=`, `not in`, `not like`: true for what is there and does not fit.

        Raises:
            ValueProblem: it makes no sense; `str()` says why.
        """
        field = field_named(name)
        called = name.replace("_", "-") if field is None else field.name
        if field is None and called not in SOURCES:
            known = [one.name for one in FIELDS] + list(SOURCES)
            raise ValueProblem(f"unknown field {name!r}{nearest(called, known)}")
        there = [(number, value) for number, value in enumerate(values) if value != ABSENT]
        if len(there) < len(values) and operator not in ("==", "in"):
            raise ValueProblem(f"`{operator}` cannot be asked of `-`, which is no value; write == - or != -")
        test = self._test(field, operator, there)
        absent = len(there) < len(values) and not negated
        return Leaf(called, Verdicts(_negated(test) if negated else test, absent=absent))

    def _test(self, field: Field | None, operator: str, values: list[tuple[int, str]]) -> Test:
        kind = Kind.TEXT if field is None else field.kind
        if kind is Kind.ADDRESS:
            return self._address(operator, values)
        if field is not None and kind in _NUMBERS:
            return _number(field, operator, values)
        if operator in ORDERED:
            raise ValueProblem(f"`{operator}` compares numbers, and this field is text; use ==, in or like")
        if operator == "like":
            return _like(kind, [value for _, value in values])
        if field is not None and field.name in _LISTED_VALUES:
            _listed(field.name, values)
        return _text(kind, [value for _, value in values])

    def _address(self, operator: str, values: list[tuple[int, str]]) -> Test:
        if operator not in ("==", "in"):
            raise ValueProblem(f"`{operator}` cannot be asked of an address; use ==, or in with CIDRs")
        sides = {value for _, value in values if value in _SIDES}
        inside = self._inside
        number = next((number for number, value in values if value in _SIDES), 0)
        if sides and operator == "==":
            raise ValueProblem("one side holds many addresses; write `in` instead of == or !=", number)
        if sides and inside is None:
            raise ValueProblem("what is internal is not set; give labels.internal_cidrs", number)
        networks = _networks(operator, [(number, value) for number, value in values if value not in _SIDES])
        wanted = {side == "internal" for side in sides}

        def test(token: str) -> bool | None:
            try:
                packed = ADDRESSES[token]
            except ValueError:
                return None
            return networks.find(packed) is not None or (
                inside is not None and bool(wanted) and inside[packed] in wanted
            )

        return test


def _networks(operator: str, values: list[tuple[int, str]]) -> Networks[bool]:
    for number, value in values:
        try:
            Networks([(value, True)])
        except NetworkError as error:
            raise ValueProblem(f"{error}{nearest(value, _SIDES)}", number) from None
        if operator == "==" and "/" in value:
            raise ValueProblem("a CIDR holds many addresses; write `in` instead of == or !=", number)
    return Networks((value, True) for _, value in values)


def _negated(test: Test) -> Test:
    def opposite(token: str) -> bool | None:
        verdict = test(token)
        return None if verdict is None else not verdict

    return opposite


def _text(kind: Kind, values: Sequence[str]) -> Test:
    wanted = frozenset(values)
    return lambda token: token in wanted if token_holds(kind, token) else None


def _like(kind: Kind, patterns: Sequence[str]) -> Test:
    fits = [re.compile(translate(pattern)) for pattern in patterns]
    return lambda token: any(one.match(token) is not None for one in fits) if token_holds(kind, token) else None


def _listed(name: str, values: list[tuple[int, str]]) -> None:
    known = _LISTED_VALUES[name]
    for number, value in values:
        if value not in known:
            same = [one for one in known if one.lower() == value.lower()]
            hint = f"; did you mean {same[0]}?" if same else ""
            raise ValueProblem(f"{name} is {' or '.join(known)}, never {value!r}{hint}", number)


def _milliseconds(token: str) -> int:
    number = int(token)
    return number if len(token) >= DIGITS_OF_MILLISECONDS else number * 1000


def _number(field: Field, operator: str, values: list[tuple[int, str]]) -> Test:
    kind = field.kind
    if operator == "like":
        raise ValueProblem("`like` compares text, and this field is a number; use ==, in, <, <=, > or >=")
    if field.name == "protocol":
        values = [(number, _PROTOCOL_NUMBERS.get(value.lower(), value)) for number, value in values]
    for number, value in values:
        if not token_holds(kind, value):
            known = _PROTOCOL_NUMBERS if field.name == "protocol" else ()
            raise ValueProblem(f"{value!r} is nothing that {field.name} can be{nearest(value, known)}", number)
    read = _milliseconds if kind is Kind.SECONDS else int
    numbers = frozenset(read(value) for _, value in values)
    if operator in ORDERED:
        compare = ORDERED[operator]
        (limit,) = numbers
        return lambda token: compare(read(token), limit) if token_holds(kind, token) else None
    return lambda token: read(token) in numbers if token_holds(kind, token) else None
