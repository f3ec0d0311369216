"""The text of a filter's expression → a condition. The grammar is in docs/filters.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vpcflow.codec.comparisons import ORDERED, Comparisons, ValueProblem
from vpcflow.codec.conditions import All, Neither, Node, Some

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_VALUES", "ExpressionError", "condition"]

MAX_CHARACTERS = 4_000
MAX_DEPTH = 32
MAX_VALUES = 500
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<sign>==|!=|<=|>=|<|>|\(|\)|,)|(?P<word>[^\s()<>=!,"']+)|(?P<wrong>\S))"""
)
_KEYWORDS = ("and", "or", "not", "in", "like")
_INSTEAD = {"=": "==", "!": "not", "&&": "and", "||": "or", "&": "and", "|": "or", "~": "like"}
_SHOWN = 30


class ExpressionError(ValueError):
    """An expression that cannot be read; `str()` names the column and shows the place."""

    def __init__(self, text: str, at: int, problem: str) -> None:
        """`at`: index of the character where it is wrong."""
        before = text[:at] if at <= _SHOWN else f"…{text[at - _SHOWN : at]}"
        after = text[at : at + _SHOWN] + ("…" if len(text) > at + _SHOWN else "")
        super().__init__(f"column {at + 1}: {problem} (here: {' '.join(f'{before}→{after}'.split())})")
        self.column = at + 1


@dataclass(frozen=True, slots=True)
class _Token:
    """kind: `word`, `quoted`, `sign` or `end`. keyword: in small letters, of a word that is one."""

    kind: str
    text: str
    at: int

    @property
    def keyword(self) -> str:
        return self.text.lower() if self.kind == "word" and self.text.lower() in _KEYWORDS else ""

    @property
    def shown(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


def condition(text: str, comparisons: Comparisons) -> Node:
    """Return what the expression says.

    Raises:
        ExpressionError: it cannot be read, or it is beyond the caps of this module.
    """
    return _Parser(text, comparisons).whole()


class _Parser:
    def __init__(self, text: str, comparisons: Comparisons) -> None:
        self._text = text
        self._comparisons = comparisons
        self._next = 0
        self._depth = 0
        if len(text) > MAX_CHARACTERS:
            raise ExpressionError(
                text, MAX_CHARACTERS, f"longer than {MAX_CHARACTERS} characters; use several expressions"
            )
        self._tokens = self._split()

    def _split(self) -> list[_Token]:
        tokens, text = [], self._text.rstrip()
        end = 0
        while (found := _TOKEN.match(text, end)) is not None:
            kind = found.lastgroup or ""
            token, at, end = found[kind], found.start(kind), found.end()
            if kind == "wrong":
                raise ExpressionError(text, at, self._stray(token))
            tokens.append(_Token(kind, token[1:-1] if kind == "quoted" else token, at))
        return [*tokens, _Token("end", "", len(text))]

    @staticmethod
    def _stray(sign: str) -> str:
        if sign in "\"'":
            return "this quote is not closed"
        return f"{sign!r} is no operator; write {_INSTEAD[sign]}"

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _takes(self, keyword: str) -> bool:
        """Take the keyword or sign if it comes next."""
        token = self._token
        there = token.keyword == keyword or (token.kind == "sign" and token.text == keyword)
        self._next += there
        return there

    def _wrong(self, problem: str, token: _Token | None = None) -> ExpressionError:
        return ExpressionError(self._text, (token or self._token).at, problem)

    def whole(self) -> Node:
        if self._token.kind == "end":
            raise self._wrong("the expression is empty; leave it out, or write one such as action == REJECT")
        found = self._either()
        if self._token.kind != "end":
            raise self._wrong(f"`and`, `or` or the end is wanted, not {self._token.shown}{self._instead()}")
        return found

    def _instead(self) -> str:
        known = _INSTEAD.get(self._token.text)
        return f"; write {known}" if known and self._token.kind == "word" else ""

    def _either(self) -> Node:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _both(self) -> Node:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"nested deeper than {MAX_DEPTH}")
        if self._takes("not"):
            found: Node = Neither(self._one())
        elif self._takes("("):
            found = self._either()
            if not self._takes(")"):
                raise self._wrong(f"a ) is missing before {self._token.shown}{self._comma()}")
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comma(self) -> str:
        # VPCFLOW_FILTER__INCLUDE is split at commas unless it is a JSON list.
        hint = "; in an environment variable a comma begins the next expression: write a JSON list there"
        return hint if self._token.kind == "end" else ""

    def _comparison(self) -> Node:
        name = self._take()
        if name.kind in ("sign", "end") or name.keyword:
            raise self._wrong(f"the name of a field is wanted, not {name.shown}", name)
        sign = self._token
        negated = self._takes("not")
        operator = self._take()
        if operator.keyword in ("in", "like"):
            written = operator.keyword
        elif operator.kind == "sign" and operator.text in ("==", "!=", *ORDERED) and not negated:
            written = operator.text
        else:
            hint = f"; write {_INSTEAD[operator.text]}" if operator.text in _INSTEAD else ""
            wanted = "`in` or `like`" if negated else "==, !=, <, <=, >, >=, in, not in, like or not like"
            raise self._wrong(f"{wanted} is wanted, not {operator.shown}{hint}", operator)
        values = self._list() if written == "in" and self._takes("(") else [self._value()]
        if written == "!=":
            written, negated = "==", True
        try:
            return self._comparisons.leaf(name.text, written, [value.text for value in values], negated=negated)
        except ValueProblem as problem:
            place = values[problem.number] if problem.number is not None else sign
            if str(problem).startswith("unknown field"):
                place = name
            raise self._wrong(str(problem), place) from None

    def _value(self) -> _Token:
        value = self._take()
        if value.kind in ("sign", "end") or value.keyword:
            hint = "; quote it if it is one" if value.keyword else ""
            raise self._wrong(f"a value is wanted, not {value.shown}{hint}", value)
        return value

    def _list(self) -> list[_Token]:
        values = [self._value()]
        while self._takes(","):
            values.append(self._value())
            if len(values) > MAX_VALUES:
                raise self._wrong(f"more than {MAX_VALUES} values; use several expressions", values[-1])
        if not self._takes(")"):
            raise self._wrong(f"a comma or ) is wanted, not {self._token.shown}{self._comma()}")
        return values
