"""One compiled plan per set of fields: checked columns in, rendered bulk actions out. The hot path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Literal

from vpcflow.codec.columns import ADDRESSES, Cells, holds, token_holds, written
from vpcflow.codec.community import community_ids
from vpcflow.codec.document import LABELLED, Layout, Site, layout, pieces
from vpcflow.codec.fields import Field, Form, Kind
from vpcflow.codec.labels import directions
from vpcflow.codec.networks import Inside
from vpcflow.codec.options import CodecOptions
from vpcflow.codec.stamps import LATEST_MS, Stamp, StampCache

__all__ = ["BadColumnError", "BadTimeError", "Plan", "Rows"]

_STAMP_PART: dict[str, Literal[0, 1, 3]] = {"time": 0, "id": 1, "index": 3}
_PORT_FIELDS = ("srcport", "dstport", "protocol")


class BadColumnError(Exception):
    """Some tokens are not what their field allows. rows: the bad ones, with the place of the first bad column."""

    def __init__(self, rows: dict[int, int]) -> None:
        """Keep what is bad."""
        super().__init__()
        self.rows = rows


class BadTimeError(Exception):
    """Some rows have no time, or one outside the window (`far`)."""

    def __init__(self, rows: Sequence[int], *, far: bool) -> None:
        """Keep what is bad."""
        super().__init__()
        self.rows = rows
        self.far = far


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What rows have beside their columns; lists are parallel to the columns.

    hashes: the ids' second part. messages: the lines, ready to stand in JSON. fallback_ms: the time of rows whose format
    has no `end`, milliseconds; None where the transport told none. window: allowed time, (from, to) in milliseconds.
    offsets: of the lines in their object, written down; empty where they are not known.
    """

    hashes: Cells
    messages: Cells
    fallback_ms: Sequence[int | None]
    window: tuple[int, int] | None
    extras: Mapping[str, str | int]
    offsets: Cells = field(default_factory=list)


class Plan:
    """Renders rows that all have these fields, each with a value (never `-`)."""

    def __init__(self, fields: tuple[Field, ...], options: CodecOptions, stamps: StampCache, inside: Inside) -> None:
        """Work out once what every row of these fields needs."""
        self._fields = fields
        self._options = options
        self._stamps = stamps
        self._inside = inside
        self._layouts: dict[tuple[tuple[str, ...], bool], Layout] = {}
        self._at = {one.name: place for place, one in enumerate(fields)}
        self._checked = [(place, one.kind) for place, one in enumerate(fields)]

    def _layout(self, names: tuple[str, ...], *, offsets: bool) -> Layout:
        key = (names, offsets)
        found = self._layouts.get(key)
        if found is None:
            if len(self._layouts) >= 64:  # noqa: PLR2004 - transports have a handful of field sets
                self._layouts.clear()
            found = self._layouts[key] = layout(self._fields, self._options, names, offsets=offsets)
        return found

    def render(self, columns: Sequence[Cells], rows: Rows) -> list[str]:
        r"""Return `action\ndocument\n` for each row. Raises BadColumnError or BadTimeError if any row is bad."""
        packed, stamps = self._checked_columns(columns)
        times = self._times(stamps, rows)
        shape = self._layout(tuple(rows.extras), offsets=bool(rows.offsets))
        cells = [self._cells(site, columns, rows, packed, stamps, times) for site in shape.sites]
        parts: list[Iterable[str]] = []
        for text, at in zip(pieces(shape, rows.extras), (*shape.order, None), strict=True):
            parts.append(repeat(text))
            if at is not None:
                parts.append(cells[at])
        return list(map("".join, zip(*parts)))  # noqa: B905 - the texts repeat for ever, the cells have been checked

    def _checked_columns(self, columns: Sequence[Cells]) -> tuple[dict[str, list[bytes]], dict[str, list[Stamp]]]:
        """Return addresses and times by field, having looked at every column."""
        packed: dict[str, list[bytes]] = {}
        stamps: dict[str, list[Stamp]] = {}
        bad: dict[int, int] = {}
        for place, kind in self._checked:
            column = columns[place]
            try:
                if kind is Kind.ADDRESS:
                    packed[self._fields[place].name] = list(map(ADDRESSES.__getitem__, column))
                elif kind is Kind.SECONDS:
                    stamps[self._fields[place].name] = list(map(self._stamps.__getitem__, column))
                good = holds(kind, column)
            except ValueError:
                good = False
            if not good:
                for row, token in enumerate(column):
                    if not token_holds(kind, token):
                        bad.setdefault(row, place)
        if bad:
            raise BadColumnError(bad)
        return packed, stamps

    def _times(self, stamps: Mapping[str, list[Stamp]], rows: Rows) -> list[Stamp]:
        times = stamps.get("end")
        if times is None:
            missing = [row for row, ms in enumerate(rows.fallback_ms) if ms is None or not 0 <= ms <= LATEST_MS]
            if missing:
                raise BadTimeError(missing, far=False)
            times = [self._stamps.of_ms(ms) for ms in rows.fallback_ms if ms is not None]
        if rows.window is not None:
            seen = [stamp.ms for stamp in times]
            first, last = rows.window
            if min(seen) < first or max(seen) > last:
                raise BadTimeError([row for row, ms in enumerate(seen) if not first <= ms <= last], far=True)
        return times

    def _cells(  # noqa: PLR0911 - one line for each source
        self,
        site: Site,
        columns: Sequence[Cells],
        rows: Rows,
        packed: Mapping[str, list[bytes]],
        stamps: Mapping[str, list[Stamp]],
        times: list[Stamp],
    ) -> Cells:
        name = site.source
        if name == "hash":
            return rows.hashes
        if name == "message":
            return rows.messages
        if name == "offset":
            return rows.offsets
        if name in _STAMP_PART:
            return [stamp[_STAMP_PART[name]] for stamp in times]
        if name == "direction":
            return directions(self._inside, packed["srcaddr"], packed["dstaddr"])
        if name == "labels":
            return self._labels(columns)
        if name == "community_id":
            ports = [columns[self._at[one]] for one in _PORT_FIELDS]
            return community_ids(zip(packed["srcaddr"], packed["dstaddr"], *ports, strict=True))
        if site.form is Form.TIME:
            return [stamp.iso for stamp in stamps[name]]
        if name == "network_type":
            return ["ipv6" if ":" in one else "ipv4" for one in columns[self._at["srcaddr"]]]
        return written(site.form, columns[self._at[name]])

    def _labels(self, columns: Sequence[Cells]) -> Cells:
        labels = self._options.labels
        by_name = {name: columns[at] for name, at in self._at.items() if name in LABELLED}
        return [] if labels is None else labels.written(by_name)
