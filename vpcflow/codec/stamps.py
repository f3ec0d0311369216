"""A moment, written in every way a document needs it, worked out once per distinct value."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from vpcflow.codec.identity import sortable

__all__ = ["DIGITS_OF_MILLISECONDS", "LATEST_MS", "Stamp", "StampCache", "index_namer"]

# 9999-12-31T23:59:59.999Z: what a four-digit year can say.
LATEST_MS = 253_402_300_799_999
_DAY_MS = 86_400_000
_CACHED = 65_536
DIGITS_OF_MILLISECONDS = 12
_SECONDS = re.compile("[0-9]{1,15}")


class Stamp(NamedTuple):
    """iso: `2016-10-31T11:37:00.000Z`; prefix: the id's first 8 characters; index_name: time, or ''."""

    iso: str
    prefix: str
    ms: int
    index_name: str


# An index name can hold none of these; in a name they would end the JSON text that they stand in.
_FORBIDDEN = frozenset('\\/*?"<>| ,#:')
_PARTS = re.compile(r"\{([^{}]*)\}")
_PART_FORMATS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "yyyy.MM.dd": "%Y.%m.%d", "yyyy.MM": "%Y.%m"}


def index_namer(pattern: str) -> Callable[[datetime], str]:
    """Return a function that writes `pattern` for a time. Raises ValueError on an unknown `{part}` or a forbidden character."""
    forbidden = sorted(one for one in set(pattern) if one in _FORBIDDEN or not one.isprintable())
    if forbidden:
        message = f"{' '.join(map(repr, forbidden))} cannot be in an index name: {pattern!r}"
        raise ValueError(message)

    def part(found: re.Match[str]) -> str:
        if found[1] not in _PART_FORMATS:
            known = ", ".join(f"{{{name}}}" for name in _PART_FORMATS)
            message = f"unknown part {found[0]} in index name {pattern!r}; known are {known}"
            raise ValueError(message)
        return _PART_FORMATS[found[1]]

    pieces = _PARTS.sub(part, pattern.replace("%", "%%"))
    return lambda moment: moment.strftime(pieces)


class StampCache(dict[str, Stamp]):
    """`cache["1477913820"]` → Stamp. Raises ValueError for what is no time. Bounded: emptied when full."""

    def __init__(self, pattern: str = "") -> None:
        """`pattern`: index name made from the time; empty for a data stream."""
        super().__init__()
        self._namer = index_namer(pattern) if pattern else None
        self._days: dict[int, str] = {}

    def __missing__(self, text: str) -> Stamp:
        """Work out a flow log's `start` or `end`."""
        if not _SECONDS.fullmatch(text) or not text.isascii():
            raise ValueError(text)
        number = int(text)
        stamp = self.of_ms(number if len(text) >= DIGITS_OF_MILLISECONDS else number * 1000)
        if len(self) >= _CACHED:
            self.clear()
        self[text] = stamp
        return stamp

    def of_ms(self, ms: int) -> Stamp:
        """Return the stamp of milliseconds since 1970. Raises ValueError out of range."""
        if not 0 <= ms <= LATEST_MS:
            raise ValueError(ms)
        day, rest = divmod(ms, _DAY_MS)
        date = self._days.get(day)
        if date is None:
            if len(self._days) >= _CACHED:
                self._days.clear()
            date = self._days[day] = datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%dT")
        seconds, thousandths = divmod(rest, 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        index = self._namer(datetime.fromtimestamp(ms // 1000, UTC)) if self._namer else ""
        return Stamp(
            f"{date}{hour:02d}:{minute:02d}:{second:02d}.{thousandths:03d}Z", sortable(ms.to_bytes(6, "big")), ms, index
        )
