"""What is remembered while one record, or one run of an object's lines, is decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vpcflow.codec.events import Events
from vpcflow.codec.formats import FormatError, LineFormat, header_format
from vpcflow.codec.parts import read_mark
from vpcflow.types import LinesAt, Origin, Reason, Undecodable

__all__ = ["Reading"]


@dataclass(slots=True)
class Reading:
    """position: of the next line or event, counted from the beginning of the record.

    In a run, `line` is the index of the line that is being read, and `offset` where it begins; what stands in one line
    (messages in wrappers, events in a payload) all has that place, and `position` tells them apart.
    """

    origin: Origin
    window: tuple[int, int] | None
    position: int = 0
    occurrences: dict[str, int] | None = None  # of each line's text, where lines name themselves
    header: LineFormat | None = None
    header_text: str = ""
    bad_header: str = ""  # why the last header cannot be used: to guess against what it says would lie
    is_part: bool = False
    is_run: bool = False
    line: int = 0
    offset: int | None = None

    @property
    def fallback_ms(self) -> int | None:
        """Return the time of what has none itself."""
        return self.origin.time_ms if self.origin.arrival_ms is None else self.origin.arrival_ms

    def heed(self, content: bytes) -> None:
        """Take over what the mark of a part says; the window stays that of the real arrival."""
        mark = read_mark(content)
        if mark is not None:
            self.origin = replace(self.origin, arrival_ms=mark.arrival_ms)
            self.occurrences = dict(mark.occurrences)
            self.is_part = True

    def begin_run(self, at: LinesAt) -> None:
        """Begin where the run does.

        Raises:
            ValueError: its lines could not be named: they would count how often they came, and a run does not know.
        """
        if not self.origin.identity:
            raise ValueError("a run of lines needs an origin with an identity")
        self.is_run = True
        self.line, self.offset = at.position, at.offset
        self.take_header(at.header)

    def take_header(self, text: str) -> str:
        """Read the next lines as this header says, empty: as without one; return why that cannot be, else an empty text."""
        self.header_text = text
        try:
            self.header, self.bad_header = header_format(text) if text else None, ""
        except FormatError as error:
            self.header, self.bad_header = None, str(error)
        return self.bad_header

    def place(self, position: int) -> int:
        """Return the place that people know an item by."""
        return self.line if self.is_run else position

    def identity(self, text: str, position: int) -> bytes:
        """Return the identity of a line: its place in a record that has a name, else its own text and how often it came."""
        if self.is_run:
            part = position - self.line
            return b"%d.%d" % (self.line, part) if part else b"%d" % self.line
        if self.origin.identity:
            return b"%d" % position
        if self.occurrences is None:
            self.occurrences = {}
        number = self.occurrences.get(text, 0)
        self.occurrences[text] = number + 1
        return b"%d:%b" % (number, text.encode("utf-8", "surrogatepass"))

    def undecodable(self, reason: Reason, message: str, position: int, raw: bytes) -> Undecodable:
        """Return an item that is no line at all."""
        context: dict[str, str | int] = {}
        if self.offset is not None:
            context["offset"] = self.offset
        if self.is_run and position > self.line:
            context["part"] = position - self.line
        place = self.place(position)
        return Undecodable(reason=reason, message=message, position=place, raw=raw, context=context)

    def put_into_line(self, events: Events, bad: list[Undecodable]) -> None:
        """Give all of a payload that stands in a line the place of that line."""
        count = len(events.texts)
        events.positions = [self.line] * count
        events.offsets = [] if self.offset is None else [self.offset] * count
        context = {} if self.offset is None else {"offset": self.offset}
        bad[:] = [replace(one, position=self.line, context=context) for one in bad]
