"""Flow-log text in blocks of whole lines, out of bytes that stream by: plain, or gzip."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vpcflow.codec.formats import is_header
from vpcflow.objects.block import Block, Damage, over_long
from vpcflow.objects.inflating import BrokenError, inflated
from vpcflow.types import LinesAt

__all__ = ["blocks"]

_BOM = b"\xef\xbb\xbf"
_NAME = rb"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*"
_AROUND = rb"[\t\x0b-\r\x1c- \x80-\xe3]*"  # whatever begins or goes on a space in UTF-8, as `str.strip` knows spaces; and more
# After a newline, so that the search can jump from one to the next.
_HEADER_SHAPE = re.compile(rb"\n(" + _AROUND + _NAME + rb"(?: +" + _NAME + rb"){2,}" + _AROUND + rb")(?=\n|\Z)")
_OVER = 8  # a piece of a line that is too long is longer than the cap, also where a character was cut off it


class _Cutter:
    """Gathers text and cuts whole lines off its beginning."""

    def __init__(self, block_bytes: int, max_line_bytes: int, from_line: int) -> None:
        self._block_bytes = block_bytes
        self._max_line_bytes = max_line_bytes
        self._longest = max(block_bytes, max_line_bytes + _OVER)
        self._from_line = from_line
        self._text = bytearray()
        self._begun = False
        self._skipping = False  # the rest of a line that is too long
        self._header = ""
        self._offset = 0
        self._position = 0

    def add(self, piece: bytes) -> Iterator[Block]:
        """Take more text; yield the blocks that are full."""
        self._text += piece
        if not self._begun and len(self._text) < len(_BOM):
            return
        self._begin()
        while (cut := self._full()) is not None:
            yield from self._long() if cut == 0 else self._cut(cut)

    def end(self, *, whole: bool) -> Iterator[Block]:
        """Yield what is left; a last line without a newline only if the text is `whole`."""
        self._begin()
        if self._skipping:
            self._skip_rest()
        cut = len(self._text) if whole else self._text.rfind(b"\n") + 1
        if cut:
            yield from self._cut(cut)

    def damage(self, error: BrokenError) -> Iterator[Damage]:
        """Yield what is wrong here, unless it was settled before."""
        if self._position >= self._from_line:
            yield Damage(
                reason=error.reason,
                message=str(error),
                position=self._position,
                raw=bytes((error.raw or self._text)[: self._max_line_bytes]),
                offset=self._offset,
            )

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            if self._text.startswith(_BOM):
                del self._text[: len(_BOM)]
                self._offset = len(_BOM)

    def _full(self) -> int | None:
        """Return the size of a block that is complete; 0 where a line is too long for any; None: more text is needed."""
        if self._skipping and not self._skip_rest():
            return None
        if len(self._text) < self._block_bytes:
            return None
        cut = self._text.rfind(b"\n", 0, self._block_bytes) + 1
        if cut == 0:
            cut = self._text.find(b"\n", self._block_bytes, self._longest) + 1
        if cut == 0 and len(self._text) < self._longest:
            return None
        return cut

    def _cut(self, size: int) -> Iterator[Block]:
        data = bytes(memoryview(self._text)[:size])
        del self._text[:size]
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        yield from self._given(data, lines, size)

    def _given(self, data: bytes, lines: int, size: int) -> Iterator[Block]:
        """Yield a block of the lines that are wanted, and go on behind it."""
        skipped = min(max(self._from_line - self._position, 0), lines)
        if skipped == lines:
            self._pass(data, lines, size)
            return
        if skipped:
            start = _after_lines(data, skipped)
            self._pass(data[:start], skipped, start)
            data, lines, size = data[start:], lines - skipped, size - start
        at = LinesAt(position=self._position, header=self._header, offset=self._offset)
        self._pass(data, lines, size)
        yield Block(data=data, at=at, lines=lines)

    def _pass(self, data: bytes, lines: int, size: int) -> None:
        self._header = _last_header(data) or self._header
        self._position += lines
        self._offset += size

    def _long(self) -> Iterator[Block]:
        """Yield the beginning of a line that is too long, for the codec to refuse; the rest will be skipped."""
        data = over_long(bytes(memoryview(self._text)[: self._max_line_bytes + _OVER]), self._max_line_bytes)
        if self._position >= self._from_line:
            at = LinesAt(position=self._position, header=self._header, offset=self._offset)
            yield Block(data=data + b"\n", at=at, lines=1)
        self._skipping = True
        self._position += 1

    def _skip_rest(self) -> bool:
        """Skip to the end of the line that is too long; return whether it came."""
        end = self._text.find(b"\n") + 1
        size = end or len(self._text)
        del self._text[:size]
        self._offset += size
        self._skipping = end == 0
        return not self._skipping


def blocks(
    stream: Iterable[bytes],
    *,
    block_bytes: int = 1_000_000,
    max_line_bytes: int = 65_536,
    max_inflated_bytes: int = 5_000_000_000,
    from_line: int = 0,
) -> Iterator[Block | Damage]:
    r"""Yield the lines of an object in order, in blocks; if it is damaged, all whole lines before that, then the damage.

    Lines end in `\n`. Positions and offsets count all of the object, also what `from_line` leaves out.

    Args:
        stream: the object as it is stored: plain text, or gzip of any number of members, told apart by the first bytes.
        block_bytes: of lines, in one block; a single line may be longer.
        max_line_bytes: of a longer line that fills a block only the beginning is given, too long for a codec of the same cap.
        max_inflated_bytes: what comes after so many is damage.
        from_line: index of the first line that is wanted. Those before it are inflated all the same.

    Raises:
        VpcFlowError: what `stream` raises.
    """
    cutter = _Cutter(block_bytes, max_line_bytes, from_line)
    try:
        for piece in inflated(stream, max_inflated_bytes):
            yield from cutter.add(piece)
    except BrokenError as error:
        yield from cutter.end(whole=error.whole)
        yield from cutter.damage(error)
    else:
        yield from cutter.end(whole=True)


def _after_lines(data: bytes, count: int) -> int:
    at = 0
    for _ in range(count):
        at = data.index(b"\n", at) + 1
    return at


def _last_header(data: bytes) -> str:
    """Return the last header line of whole lines, "" if there is none."""
    first, _, rest = data.partition(b"\n")
    found = ""
    for one in _HEADER_SHAPE.finditer(b"\n" + first):
        found = _header_of(one[1])
    for one in _HEADER_SHAPE.finditer(data, len(first)) if rest else ():
        found = _header_of(one[1]) or found
    return found


def _header_of(line: bytes) -> str:
    """Return a header line without the space around it, as the codec sees it; "" if it is none."""
    try:
        text = line.decode().strip()
    except UnicodeDecodeError:
        return ""
    return text if is_header(text) else ""
