"""Many lines of one source → documents. Groups lines that share a plan, so that work is done by columns.

Any line that does not fit is looked at alone: it costs itself, never its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

from vpcflow.codec.columns import Cells, described
from vpcflow.codec.document import json_text
from vpcflow.codec.fields import Field
from vpcflow.codec.filters import NOWHERE, Filter, Where
from vpcflow.codec.formats import LineFormat, candidates, choose
from vpcflow.codec.networks import Inside
from vpcflow.codec.options import CodecOptions
from vpcflow.codec.plan import BadColumnError, BadTimeError, Plan, Rows
from vpcflow.codec.stamps import StampCache
from vpcflow.types import Reason

__all__ = ["Batch", "LineRenderer", "Rejected"]

_PLANS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Lines with what belongs to each (parallel lists), and what all of them share: see `Rows`."""

    lines: Sequence[str]
    hashes: Sequence[str]
    fallback_ms: Sequence[int | None]
    window: tuple[int, int] | None
    extras: dict[str, str | int]
    offsets: Sequence[str] = ()
    where: Where = NOWHERE


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why the line at `place` of its batch gives no document."""

    place: int
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """A group of lines. form: all columns; fields: those that are not `-`; guess: the format's name if it was guessed."""

    form: LineFormat
    fields: tuple[Field, ...]
    guess: str


@dataclass(slots=True)
class _Work:
    """rendered: by place in the batch; None where there is no document.

    joined: all lines with a space between, if nothing in them needs an escape.
    """

    batch: Batch
    rendered: list[str | None]
    messages: Cells
    joined: str | None
    rejected: list[Rejected] = field(default_factory=list)
    guesses: set[str] = field(default_factory=set)

    def tokens(self, place: int) -> list[str]:
        """Return the columns of one line."""
        line = self.batch.lines[place]
        return line.split(" ") if self.joined is not None else [_escaped(token) for token in line.split()]

    def columns(self, places: Sequence[int], count: int) -> list[Cells]:
        """Return lines that have `count` columns, by columns."""
        if self.joined is not None:
            lines = self.batch.lines
            whole = len(places) == len(lines)
            cells = (self.joined if whole else " ".join([lines[place] for place in places])).split(" ")
            return [cells[at::count] for at in range(count)]
        return [list(column) for column in zip(*map(self.tokens, places), strict=True)]

    def may_be_absent(self) -> bool:
        """Return False if no column of any line is `-`."""
        return self.joined is None or " - " in f" {self.joined} "

    def reject_value(self, place: int, form: LineFormat, at: int, token: str, guess: str) -> None:
        """Note that a line's column is not what it should be."""
        message = described(at + 1, form.fields[at], token)
        hint = "; if the line is right, set this source's format in codec.formats (or --format)" if guess else ""
        self.rejected.append(Rejected(place, Reason.VALUE, message + hint))

    def rows(self, places: Sequence[int]) -> Rows:
        batch = self.batch
        if len(places) == len(batch.lines):
            return Rows(
                hashes=list(batch.hashes),
                messages=self.messages,
                fallback_ms=batch.fallback_ms,
                window=batch.window,
                extras=batch.extras,
                offsets=list(batch.offsets),
            )
        return Rows(
            hashes=[batch.hashes[place] for place in places],
            messages=[self.messages[place] for place in places],
            fallback_ms=[batch.fallback_ms[place] for place in places],
            window=batch.window,
            extras=batch.extras,
            offsets=[batch.offsets[place] for place in places] if batch.offsets else [],
        )


def _is_plain(text: str) -> bool:
    """Return whether lines joined by spaces are just tokens with one space between, which JSON takes as they are."""
    # The cheapest question first; `isprintable` reads every character, and only ASCII ones cost it little.
    return (
        text != ""
        and text[:1] != " "
        and text[-1:] != " "
        and '"' not in text
        and "\\" not in text
        and "  " not in text
        and text.isascii()
        and text.isprintable()
    )


def _escaped(text: str) -> str:
    return json_text(text)[1:-1]


class LineRenderer:
    """Renders batches of lines. Keeps compiled plans; everything else is in the batch."""

    def __init__(self, options: CodecOptions, wanted: Filter | None = None) -> None:
        """Compile nothing yet: plans are made when their first line comes. wanted: the flows that become documents."""
        self._options = options
        self._wanted = wanted
        self._inside = Inside(options.internal_cidrs)
        self._stamps = StampCache(options.target if options.index_mode == "pattern" else "")
        self._plans: dict[tuple[str, ...], Plan] = {}

    def render(self, batch: Batch, form: LineFormat | None) -> tuple[list[str | None], list[Rejected], set[str]]:
        """Return by place the rendered action and document (or None), the rejected lines, the names of guessed formats.

        A line that is neither rendered nor rejected is left out by the filter.
        """
        lines = batch.lines
        if self._wanted is not None and self._wanted.of_source(batch.where) is False:
            return [None] * len(lines), [], set()
        joined = " ".join(lines)
        plain = _is_plain(joined)
        messages = list(lines) if plain else [_escaped(line.strip()) for line in lines]
        work = _Work(batch, [None] * len(lines), messages, joined if plain else None)
        counts = [line.count(" ") + 1 for line in lines] if plain else [len(line.split()) for line in lines]
        if len(set(counts)) == 1:
            self._same_count(work, range(len(lines)), counts[0], form)
        else:
            by_count: dict[int, list[int]] = {}
            for place, count in enumerate(counts):
                by_count.setdefault(count, []).append(place)
            for count, places in by_count.items():
                self._same_count(work, places, count, form)
        work.rejected.sort(key=lambda one: one.place)
        return work.rendered, work.rejected, work.guesses

    def _same_count(self, work: _Work, places: Sequence[int], count: int, form: LineFormat | None) -> None:
        if form is not None:
            if count == len(form.fields):
                self._known(work, places, form, "")
            else:
                message = f"{count} columns where the source's format has {len(form.fields)}"
                work.rejected += [Rejected(place, Reason.COLUMNS, message) for place in places]
            return
        known = candidates(count)
        if len(known) == 1:
            name, only = next(iter(known.items()))
            self._known(work, places, only, name)
            return
        chosen: dict[str, tuple[LineFormat, list[int]]] = {}
        for place in places:
            found = choose(work.tokens(place))
            if isinstance(found, str):
                work.rejected.append(Rejected(place, Reason.FORMAT, found))
            else:
                chosen.setdefault(found[0], (found[1], []))[1].append(place)
        for name, (fitting, some) in chosen.items():
            self._known(work, some, fitting, name)

    def _known(self, work: _Work, places: Sequence[int], form: LineFormat, guess: str) -> None:
        """Render lines of one format, those that are to become documents.

        `guess`: the format's name if it was guessed: then the values that AWS lists are checked too.
        """
        columns = work.columns(places, len(form.fields))
        unlisted = _unlisted(form.fields, columns) if guess else {}
        if unlisted:
            for row, at in unlisted.items():
                work.reject_value(places[row], form, at, columns[at][row], guess)
            places = [place for row, place in enumerate(places) if row not in unlisted]
            if not places:
                return
            columns = work.columns(places, len(form.fields))
        if self._wanted is not None:
            places, columns = self._kept(work, places, form, columns)
            if not places:
                return
        self._by_absence(work, places, _Shape(form, form.fields, guess), columns)

    def _by_absence(self, work: _Work, places: Sequence[int], whole: _Shape, columns: list[Cells]) -> None:
        """Split lines by which columns are `-`, each group with the plan of its other columns."""
        form = whole.form
        absent = ["-" in column for column in columns] if work.may_be_absent() else []
        if not any(absent):
            self._group(work, places, whole, columns)
            return
        mixed = [at for at, some in enumerate(absent) if some and columns[at].count("-") != len(places)]
        empty = {at for at, some in enumerate(absent) if some} - set(mixed)
        groups: dict[tuple[bool, ...], list[int]] = {}
        for row, pattern in enumerate(zip(*[[token == "-" for token in columns[at]] for at in mixed], strict=True)):
            groups.setdefault(pattern, []).append(row)
        if not mixed:
            groups[()] = list(range(len(places)))
        for pattern, rows in groups.items():
            gone = empty | set(compress(mixed, pattern))
            kept = [at for at in range(len(columns)) if at not in gone]
            shape = _Shape(form, tuple(form.fields[at] for at in kept), whole.guess)
            if len(rows) == len(places):
                self._group(work, places, shape, [columns[at] for at in kept])
            else:
                some = [places[row] for row in rows]
                self._group(work, some, shape, [[columns[at][row] for row in rows] for at in kept])

    def _kept(
        self, work: _Work, places: Sequence[int], form: LineFormat, columns: list[Cells]
    ) -> tuple[Sequence[int], list[Cells]]:
        """Return the lines that the filter does not leave out."""
        kept = self._wanted is None or self._wanted.kept(work.batch.where, form.fields, columns)
        if kept is False:
            return [], []
        if kept is True or all(kept):
            return places, columns
        return list(compress(places, kept)), [list(compress(cells, kept)) for cells in columns]

    def _group(self, work: _Work, places: Sequence[int], shape: _Shape, columns: list[Cells]) -> None:
        try:
            rendered = self._plan(shape.fields).render(columns, work.rows(places))
        except BadColumnError as error:
            for row, at in error.rows.items():
                number = shape.form.fields.index(shape.fields[at])
                work.reject_value(places[row], shape.form, number, columns[at][row], shape.guess)
            bad = set(error.rows)
        except BadTimeError as error:
            message = _time_message(shape.fields, far=error.far)
            work.rejected += [Rejected(places[row], Reason.TIME, message) for row in error.rows]
            bad = set(error.rows)
        else:
            if shape.guess:
                work.guesses.add(shape.guess)
            for place, text in zip(places, rendered, strict=True):
                work.rendered[place] = text
            return
        good = [row for row in range(len(places)) if row not in bad]
        if good:  # fewer each time: the bad ones are named by their error
            self._group(work, [places[row] for row in good], shape, [[cells[row] for row in good] for cells in columns])

    def _plan(self, fields: tuple[Field, ...]) -> Plan:
        key = tuple([one.name for one in fields])
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            plan = self._plans[key] = Plan(fields, self._options, self._stamps, self._inside)
        return plan


def _time_message(fields: tuple[Field, ...], *, far: bool) -> str:
    if not far:
        return "no time: the line has no `end`, and its transport told none that can be used"
    what = "the flow's end" if any(one.name == "end" for one in fields) else "the event's time"
    return f"{what} is too far from its arrival: see limits.time_past_days and time_future_days"


def _unlisted(fields: tuple[Field, ...], columns: Sequence[Cells]) -> dict[int, int]:
    """Return the rows that hold what AWS does not list, each with the first such column."""
    rows: dict[int, int] = {}
    for at, (one, column) in enumerate(zip(fields, columns, strict=True)):
        if one.check is None:
            continue
        strange = {token for token in set(column) if token != "-" and one.check.fullmatch(token) is None}
        if strange:
            for row, token in enumerate(column):
                if token in strange:
                    rows.setdefault(row, at)
    return rows
