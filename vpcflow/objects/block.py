"""What an object gives: blocks of whole lines, and what of it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

from vpcflow.types import LinesAt, Reason

__all__ = ["Block", "Damage", "over_long"]

_CONTINUES, _BEGINS = 0x80, 0xC0  # bytes of characters of several bytes, in UTF-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Whole lines, for `Decoder.decode(data, origin, at=at)`.

    data: lines of text; only the object's last one may lack its newline.
    at: where they stand in the object.
    lines: how many they are, blank ones and headers among them: the next block begins at `at.position + lines`.
    row_group: of Parquet, the one that they stand in; a block never holds lines of two.
    """

    data: bytes
    at: LinesAt
    lines: int
    row_group: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A part of an object that cannot be read: for a dead letter.

    reason: why, as for records.
    message: what is wrong, in words.
    position: index of its first line in the object.
    lines: how many lines it stands for; what comes after it begins at `position + lines`.
    raw: the beginning of what was there, as far as it can be shown.
    offset: where that stands in the inflated object, bytes; None where it is not known.
    row_group: of Parquet.
    """

    reason: Reason
    message: str
    position: int
    lines: int = 1
    raw: bytes = b""
    offset: int | None = None
    row_group: int = 0


def over_long(beginning: bytes, cap: int) -> bytes:
    """Return the beginning of a line that is too long as text of more than `cap` bytes without the space around it.

    beginning: more than `cap + 3` bytes; a character that was cut in two goes.
    """
    while beginning and _CONTINUES <= beginning[-1] < _BEGINS:
        beginning = beginning[:-1]
    if beginning and beginning[-1] >= _BEGINS:
        beginning = beginning[:-1]
    return beginning.strip().ljust(cap + 1, b"~")
