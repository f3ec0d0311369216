"""Many lines of one source → documents. Groups lines that share a plan, so that work is done by columns.

Any line that does not fit is looked at alone: it costs itself, never its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

import orjson

from vpcflow.codec.columns import Cells, complaint
from vpcflow.codec.fields import Field
from vpcflow.codec.formats import LineFormat, candidates, choose
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


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why the line at `place` of its batch gives no document."""

    place: int
    reason: Reason
    message: str


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

    def rows(self, places: Sequence[int]) -> Rows:
        batch = self.batch
        if len(places) == len(batch.lines):
            return Rows(
                hashes=list(batch.hashes),
                messages=self.messages,
                fallback_ms=batch.fallback_ms,
                window=batch.window,
                extras=batch.extras,
            )
        return Rows(
            hashes=[batch.hashes[place] for place in places],
            messages=[self.messages[place] for place in places],
            fallback_ms=[batch.fallback_ms[place] for place in places],
            window=batch.window,
            extras=batch.extras,
        )


def _is_plain(text: str) -> bool:
    """Return whether lines joined by spaces are just tokens with one space between, which JSON takes as they are."""
    return (
        text.isascii()
        and text.isprintable()
        and '"' not in text
        and "\\" not in text
        and "  " not in text
        and text[:1] != " "
        and text[-1:] != " "
    )


def _escaped(text: str) -> str:
    try:
        return orjson.dumps(text).decode()[1:-1]
    except TypeError:  # half a surrogate pair: JSON can say it, UTF-8 cannot
        return orjson.dumps(text.encode("utf-8", "replace").decode()).decode()[1:-1]


class LineRenderer:
    """Renders batches of lines. Keeps compiled plans; everything else is in the batch."""

    def __init__(self, options: CodecOptions) -> None:
        """Compile nothing yet: plans are made when their first line comes."""
        self._options = options
        self._stamps = StampCache(options.target if options.index_mode == "pattern" else "")
        self._plans: dict[tuple[str, ...], Plan] = {}

    def render(self, batch: Batch, form: LineFormat | None) -> tuple[list[str | None], list[Rejected], set[str]]:
        """Return by place the rendered action and document (or None), the rejected lines, the names of guessed formats."""
        lines = batch.lines
        joined = " ".join(lines)
        plain = _is_plain(joined)
        messages = list(lines) if plain else [_escaped(line.strip()) for line in lines]
        work = _Work(batch, [None] * len(lines), messages, joined if plain else None)
        counts = [line.count(" ") + 1 for line in lines] if plain else [len(line.split()) for line in lines]
        distinct = set(counts)
        for count in sorted(distinct):
            every = range(len(lines))
            places = every if len(distinct) == 1 else [place for place in every if counts[place] == count]
            self._same_count(work, places, count, form)
        work.rejected.sort(key=lambda one: one.place)
        return work.rendered, work.rejected, work.guesses

    def _same_count(self, work: _Work, places: Sequence[int], count: int, form: LineFormat | None) -> None:
        if form is not None:
            if count == len(form.fields):
                self._known(work, places, form, guessed=False)
            else:
                message = f"{count} columns where the source's format has {len(form.fields)}"
                work.rejected += [Rejected(place, Reason.COLUMNS, message) for place in places]
            return
        known = candidates(count)
        if len(known) == 1:
            name, only = next(iter(known.items()))
            work.guesses.add(name)
            self._known(work, places, only, guessed=True)
            return
        chosen: dict[str, tuple[LineFormat, list[int]]] = {}
        for place in places:
            found = choose(work.tokens(place))
            if isinstance(found, str):
                work.rejected.append(Rejected(place, Reason.FORMAT, found))
            else:
                chosen.setdefault(found[0], (found[1], []))[1].append(place)
        for name, (fitting, some) in chosen.items():
            work.guesses.add(name)
            self._known(work, some, fitting, guessed=True)

    def _known(self, work: _Work, places: Sequence[int], form: LineFormat, *, guessed: bool) -> None:
        """Render lines of one format: split by which columns are `-`, each group with the plan of its other columns."""
        columns = work.columns(places, len(form.fields))
        if guessed and not _listed(form.fields, columns):
            places = self._without_unlisted(work, places, form)
            if not places:
                return
            columns = work.columns(places, len(form.fields))
        absent = ["-" in column for column in columns] if work.may_be_absent() else []
        if not any(absent):
            self._group(work, places, form.fields, columns)
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
            fields = tuple(form.fields[at] for at in kept)
            if len(rows) == len(places):
                self._group(work, places, fields, [columns[at] for at in kept])
            else:
                some = [places[row] for row in rows]
                self._group(work, some, fields, [[columns[at][row] for row in rows] for at in kept])

    def _without_unlisted(self, work: _Work, places: Sequence[int], form: LineFormat) -> list[int]:
        good = []
        for place in places:
            wrong = complaint(form.fields, work.tokens(place), guessed=True)
            if wrong is None:
                good.append(place)
            else:
                hint = "if the line is right, set this source's format in codec.formats (or --format)"
                work.rejected.append(Rejected(place, Reason.VALUE, f"{wrong}; {hint}"))
        return good

    def _group(self, work: _Work, places: Sequence[int], fields: tuple[Field, ...], columns: list[Cells]) -> None:
        plan = self._plan(fields)
        try:
            rendered = plan.render(columns, work.rows(places))
        except (BadColumnError, BadTimeError) as error:
            if len(places) == 1:
                work.rejected.append(self._reason(work, places[0], fields, columns, error))
                return
            for some in _parted(fields, columns):
                self._group(
                    work, [places[row] for row in some], fields, [[cells[row] for row in some] for cells in columns]
                )
            return
        for place, text in zip(places, rendered, strict=True):
            work.rendered[place] = text

    def _plan(self, fields: tuple[Field, ...]) -> Plan:
        key = tuple([one.name for one in fields])
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            plan = self._plans[key] = Plan(fields, self._options, self._stamps)
        return plan

    def _reason(
        self, work: _Work, place: int, fields: tuple[Field, ...], columns: list[Cells], error: Exception
    ) -> Rejected:
        if isinstance(error, BadTimeError):
            if work.batch.window is not None and any(one.name == "end" for one in fields):
                message = "the flow's end is too far from its arrival: see limits.time_past_days and time_future_days"
            else:
                message = "no time: the line has no `end`, and its transport told none that can be used"
            return Rejected(place, Reason.TIME, message)
        wrong = complaint(fields, [column[0] for column in columns], guessed=False)
        return Rejected(place, Reason.VALUE, wrong or "a column does not hold what it should")


def _parted(fields: tuple[Field, ...], columns: Sequence[Cells]) -> list[Sequence[int]]:
    """Part rows of which some are bad: each bad one alone and the good ones together, or in halves if no column tells."""
    good, bad = list[int](), list[int]()
    for row, tokens in enumerate(zip(*columns, strict=True)):
        (good if complaint(fields, list(tokens), guessed=False) is None else bad).append(row)
    if bad:
        return [*([row] for row in bad), *([good] if good else [])]
    middle = len(good) // 2
    return [good[:middle], good[middle:]]


def _listed(fields: tuple[Field, ...], columns: Sequence[Cells]) -> bool:
    for one, column in zip(fields, columns, strict=True):
        if one.check is not None:
            for token in set(column):
                if token != "-" and one.check.fullmatch(token) is None:
                    return False
    return True
