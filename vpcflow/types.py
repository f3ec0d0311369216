"""Values that more than one room handles. The floor: imports nothing of ours."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "Answer",
    "Answered",
    "Bulk",
    "Decoded",
    "ItemError",
    "LinesAt",
    "Origin",
    "Outcome",
    "Reason",
    "Undecodable",
    "line_context",
]


class Outcome(enum.Enum):
    """What became of one bulk action. Exactly one each; there is no default."""

    CREATED = "created"
    DUPLICATE = "duplicate"  # 409 on create: the same event is there already
    DIVERTED = "diverted"  # taken by the failure store, not by the index
    REJECTED = "rejected"  # will never be accepted: a dead letter
    RETRYABLE = "retryable"  # not decided: send this item again


class Reason(enum.StrEnum):
    """Why something could not be decoded. Stable names: metrics, dead letters and docs use them."""

    GZIP = "gzip"  # damaged or truncated gzip
    PARQUET = "parquet"  # damaged or truncated Parquet
    TOO_LARGE = "too_large"  # inflates beyond the limit
    LINE_TOO_LONG = "line_too_long"
    ENVELOPE = "envelope"  # JSON that is neither a CloudWatch Logs payload nor a message wrapper
    ENCODING = "encoding"  # not UTF-8
    COLUMNS = "columns"  # the wrong number of columns for the known format
    FORMAT = "format"  # no format known and none, or several, could be guessed
    VALUE = "value"  # a column holds what it cannot hold
    TIME = "time"  # no time in line, envelope or transport, or one outside the window


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecodable:
    """One thing that could not be decoded: a line, or a record that has no lines.

    `position` is the index of the event or line in its record (0-based), or -1 for the record as a whole.
    `raw` is what was there: the line's bytes, or the record's.
    `context` is what a replay needs beside it: see `line_context`.
    """

    reason: Reason
    message: str
    position: int
    raw: bytes
    context: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a record came from, as its transport told us.

    identity: bytes that name this record for ever (stream, shard, sequence number, …): the `_id` of plain lines is made
        of it. Empty: the line's own text and its occurrence number in the record make the `_id` instead.
    name: for people and for choosing a line format, e.g. `kinesis:flow-logs` or a file's path.
    arrival_ms: when the transport took the record, in milliseconds since 1970; None where it does not say.
    time_ms: a time, milliseconds, for lines that have none from anywhere else, e.g. out of an object's name. No window of
        time is made of it: it says too little.
    fields: flat ECS fields that every document of this record carries, e.g. {"aws.kinesis.name": "flow-logs"}.
    """

    identity: bytes = b""
    name: str = ""
    arrival_ms: int | None = None
    time_ms: int | None = None
    fields: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesAt:
    """Where a run of lines stands in its object.

    position: index of its first line in the object, 0-based; the header line counts, blank lines count.
    header: the header line in force for it; "" where none was seen.
    offset: byte offset of its first line in the inflated object; None where it is not known (Parquet): no `log.offset` then.
    """

    position: int
    header: str = ""
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    r"""One chunk of a decoded record. A record gives one or more chunks, in input order.

    body: `count` pairs of lines, `{"create":…}\\n{document}\n`, UTF-8, each line ending in \n.
    messages: the flow-log line that each document was made of, by position in `body`.
    positions: the index of that line or event in its record, by position in `body`.
    shared: what all these lines have in common beside their origin: a CloudWatch event's `owner`, `log_group`, `log_stream`,
        or the `header` of a text, and `arrival_ms` if it is a part (`vpcflow.codec.parts`); identities, times: of each line,
        by position in `body`, see `line_context`.
    offsets: of lines of a run whose offset is known, by position in `body`; else empty.
    undecodable: what could not be decoded, in input order.
    lines: lines or events seen in this chunk (documents + undecodables + headers + control + skipped + filtered).
    control: CONTROL_MESSAGEs (they carry no flow logs).
    headers: header lines.
    skipped: events of log groups that the settings leave out, and events without any text.
    filtered: flows that the filter leaves out.
    notices: things worth one log line per source (a guessed format, unknown field names in a header).
    """

    body: bytes = b""
    count: int = 0
    messages: Sequence[str] = ()
    positions: Sequence[int] = ()
    shared: Mapping[str, str | int] = field(default_factory=dict)
    identities: Sequence[bytes] = ()
    times: Sequence[int | None] = ()
    offsets: Sequence[int] = ()
    undecodable: Sequence[Undecodable] = ()
    lines: int = 0
    control: int = 0
    headers: int = 0
    skipped: int = 0
    filtered: int = 0
    notices: Sequence[str] = ()

    def context(self, at: int) -> Mapping[str, str | int]:
        """Return the `line_context` of the line that the document at this position was made of; empty if none was kept."""
        if not self.identities:
            return {}
        offset = self.offsets[at] if self.offsets else None
        return line_context(self.shared, self.identities[at], self.times[at], offset)


def line_context(
    shared: Mapping[str, str | int], identity: bytes, ms: int | None, offset: int | None = None
) -> dict[str, str | int]:
    """Return what `_id` and document of a line depend on beside its bytes, its place and its record's origin.

    A CloudWatch event: `owner`, `log_group`, `log_stream`, `event_id`, and `event_timestamp` where it has a time. A line of
    text: the `header` that it stood under, its `occurrence` where lines name themselves, and the `arrival_ms` of the record
    that it came in first, if that was another one. A line of a run: its `offset` where that is known, and its `part` if it
    was the second, third, … of those in one message wrapper.
    """
    context = dict(shared)
    if offset is not None:
        context["offset"] = offset
    if "log_group" in shared:
        context["event_id"] = identity.decode("utf-8", "surrogatepass")
        if ms is not None:
            context["event_timestamp"] = ms
    elif b":" in identity:
        context["occurrence"] = int(identity.partition(b":")[0])
    elif b"." in identity:
        context["part"] = int(identity.partition(b".")[2])
    return context


@dataclass(frozen=True, slots=True)
class Bulk:
    r"""A `_bulk` body: `count` pairs of action line and document line, each ending in \n."""

    body: bytes
    count: int

    def items(self) -> list[bytes]:
        r"""Return one `action\ndocument\n` each, by position. Costs a copy: used off the happy path only."""
        lines = self.body.split(b"\n")
        return [b"%b\n%b\n" % pair for pair in zip(lines[0:-1:2], lines[1::2], strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemError:
    """Why the engine did not take one item, in its own words (`error.type`, `error.reason`)."""

    status: int
    type: str
    reason: str

    @property
    def words(self) -> str:
        """Return the HTTP status and the reason, as dead letters tell them."""
        return f"{self.status}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One outcome per action, by position in the body sent; errors by that position.

    wire_bytes: the size of the request as it was sent, compressed.
    """

    outcomes: Sequence[Outcome]
    errors: Mapping[int, ItemError] = field(default_factory=dict)
    wire_bytes: int = 0


class Answered(Protocol):
    """What an engine answers to anything but a bulk, as far as most callers look at it."""

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        ...

    @property
    def body(self) -> object:
        """Return the parsed JSON, None where it was none."""
        ...
