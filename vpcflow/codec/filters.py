"""Which flows become documents: those that an `include` fits, or all where there is none, but none that an `exclude` fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vpcflow.codec.columns import Cells
from vpcflow.codec.comparisons import SOURCES, Comparisons
from vpcflow.codec.conditions import ABSENT, All, Condition, Neither, Node, Some, reduced, rows
from vpcflow.codec.document import json_text
from vpcflow.codec.expressions import ExpressionError, condition
from vpcflow.codec.fields import Field

__all__ = ["MAX_EXPRESSIONS", "NOWHERE", "Filter", "FilterError", "Where", "compile_filter"]

MAX_EXPRESSIONS = 100
_SOURCES = 1024
_FORMATS = 1024


class FilterError(ValueError):
    """An expression that cannot be used; `str()` says why. key: `include` or `exclude`; number: which one, from 0."""

    def __init__(self, message: str, key: Literal["include", "exclude"], number: int) -> None:
        """Keep what is wrong and where."""
        super().__init__(message)
        self.key = key
        self.number = number


@dataclass(frozen=True, slots=True)
class Where:
    """Where lines come from, as filters ask; empty: there is no such thing."""

    log_group: str = ""
    log_stream: str = ""
    source: str = ""


NOWHERE = Where()


class Filter:
    """Judges lines column by column. Keeps what is left of its condition for each source and format."""

    def __init__(self, condition: Condition) -> None:
        """`condition`: true for flows that become documents."""
        self._condition = condition
        self._asks_source = not _names(condition).isdisjoint(SOURCES)
        self._by_source: dict[Where, Condition] = {}
        self._by_format: dict[tuple[Where, tuple[str, ...]], Condition] = {}

    def of_source(self, where: Where) -> Condition:
        """Return what is left to ask of lines from there: True: all are kept; False: none."""
        if not self._asks_source:
            return self._condition
        found = self._by_source.get(where)
        if found is None:
            if len(self._by_source) >= _SOURCES:
                self._by_source.clear()
            names = dict(zip(SOURCES, (where.log_group, where.log_stream, where.source), strict=True))
            told = {name: json_text(text)[1:-1] or ABSENT for name, text in names.items()}  # as columns are
            found = self._by_source[where] = reduced(self._condition, told.get)
        return found

    def kept(self, where: Where, fields: tuple[Field, ...], columns: Sequence[Cells]) -> Sequence[bool] | bool:
        """Return which rows become documents, or one answer for all of them.

        Rows that hold what their field does not allow, where the filter looks, are kept: they are undecodable, and that is
        for others to say.
        """
        names = tuple([field.name for field in fields])
        key = (where if self._asks_source else NOWHERE, names)
        found = self._by_format.get(key)
        if found is None:
            if len(self._by_format) >= _FORMATS:
                self._by_format.clear()
            found = reduced(self.of_source(where), lambda name: None if name in names else ABSENT)
            self._by_format[key] = found
        if isinstance(found, bool):
            return found
        bad: set[int] = set()
        verdicts = rows(found, dict(zip(names, columns, strict=True)), bad)
        for row in bad:
            verdicts[row] = True
        return verdicts


def _names(condition: Condition) -> set[str]:
    """Return what the condition asks for."""
    names: set[str] = set()
    reduced(condition, names.add)
    return names


def compile_filter(include: Sequence[str], exclude: Sequence[str], internal_cidrs: Sequence[str] = ()) -> Filter | None:
    """Return the filter, or None where there are no expressions.

    Args:
        include: a flow is kept only if one of these is true of it; none: every flow.
        exclude: a flow of which one of these is true is left out, whatever `include` says.
        internal_cidrs: what `in internal` and `in external` mean.

    Raises:
        FilterError: an expression cannot be read, or there are more than `MAX_EXPRESSIONS`.
        NetworkError: `internal_cidrs` cannot be read.
    """
    if not include and not exclude:
        return None
    comparisons = Comparisons(internal_cidrs)
    wanted, unwanted = _compiled(include, "include", comparisons), _compiled(exclude, "exclude", comparisons)
    parts: list[Node] = []
    if wanted:
        parts.append(Some(tuple(wanted)))
    if unwanted:
        parts.append(Neither(Some(tuple(unwanted))))
    return Filter(All(tuple(parts)))


def _compiled(texts: Sequence[str], key: Literal["include", "exclude"], comparisons: Comparisons) -> list[Node]:
    if len(texts) > MAX_EXPRESSIONS:
        raise FilterError(f"more than {MAX_EXPRESSIONS} expressions; join some with or", key, MAX_EXPRESSIONS)
    found = []
    for number, text in enumerate(texts):
        try:
            found.append(condition(text, comparisons))
        except ExpressionError as error:
            raise FilterError(str(error), key, number) from error
    return found
