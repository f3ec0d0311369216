"""The codec's front door: one record's bytes in, documents and what is wrong with the rest out. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from vpcflow.codec.envelope import Control, EnvelopeError, Lines, Payload, envelopes
from vpcflow.codec.events import UTF8_BYTES, Events, log_events, without_long
from vpcflow.codec.formats import FormatError, LineFormat, header_format, is_header, parse_format, rule_for
from vpcflow.codec.framing import FramingError, members
from vpcflow.codec.identity import event_hashes, origin_key
from vpcflow.codec.lines import Batch, LineRenderer
from vpcflow.codec.options import CodecOptions
from vpcflow.types import Decoded, Origin, Reason, Undecodable

__all__ = ["Decoder"]

# Rows that are worked on together: enough to make the cost per batch small, few enough to stay in the processor's cache.
_ROWS = 512
_DAY_MS = 86_400_000
_SOURCES = 1024
_FOREVER_MS = 1 << 62


@dataclass(slots=True)
class _Record:
    """What is remembered while one record is decoded."""

    origin: Origin
    window: tuple[int, int] | None
    position: int = 0  # of the next line or event in the record
    occurrences: dict[str, int] | None = None  # of each line's text, where lines name themselves
    header: LineFormat | None = None


class Decoder:
    """Decodes records of any supported kind. Holds compiled plans and caches, nothing of any record."""

    def __init__(self, options: CodecOptions | None = None) -> None:
        """Raises `FormatError` for a format in the options that cannot be read, ValueError for a bad index name."""
        self._options = options or CodecOptions()
        for rule in self._options.formats:
            parse_format(rule.format)
        self._lines = LineRenderer(self._options)
        self._formats: dict[tuple[str, str, str], LineFormat | None] = {}
        self._wanted: dict[str, bool] = {}

    def decode(self, data: bytes, origin: Origin) -> Iterator[Decoded]:
        """Yield the record in chunks, in input order. Never raises for bad data: that is an `Undecodable` in a chunk.

        data: gzip (any number of members) or plain; a CloudWatch Logs subscription payload, flow-log text, or message
        wrappers. Told apart by magic number and structure; base64 is never guessed.
        """
        record = _Record(origin, self._window(origin.arrival_ms))
        try:
            for content in members(data, self._options.max_inflated_bytes):
                yield from self._content(content, record)
        except FramingError as error:
            yield _bad(error.reason, str(error), -1, data)

    def _window(self, arrival_ms: int | None) -> tuple[int, int] | None:
        past, future = self._options.time_past_days, self._options.time_future_days
        if arrival_ms is None or not (past or future):
            return None
        return (
            int(arrival_ms - past * _DAY_MS) if past else -_FOREVER_MS,
            int(arrival_ms + future * _DAY_MS) if future else _FOREVER_MS,
        )

    def _content(self, content: bytes, record: _Record) -> Iterator[Decoded]:
        start = content.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] if content[:1] != b"{" else b"{"
        if start != b"{":
            yield from self._text(content, record)
            return
        text = _utf8(content)
        waiting: list[tuple[str, bytes | None]] = []  # lines of wrappers in a row: worked on together
        for found in envelopes(content if content[:1] == b"{" else content.lstrip(b"\xef\xbb\xbf"), text):
            if isinstance(found, Lines):
                waiting += _wrapped(found.text)
                continue
            yield from self._numbered(waiting, record)
            waiting = []
            if isinstance(found, Payload):
                yield from self._payload(found, record)
            elif isinstance(found, Control):
                record.position += 1
                yield Decoded(lines=1, control=1)
            else:
                yield _bad(Reason.ENVELOPE, str(found), record.position, content)
                record.position += 1
        yield from self._numbered(waiting, record)

    # CloudWatch Logs

    def _payload(self, payload: Payload, record: _Record) -> Iterator[Decoded]:
        group, stream = payload.log_group, payload.log_stream
        if not self._is_wanted(group):
            record.position += len(payload.events)
            yield Decoded(lines=len(payload.events), skipped=len(payload.events))
            return
        form = self._format(group, stream, record.origin.name)
        extras: dict[str, str | int] = {"aws.cloudwatch.log_group": group, "aws.cloudwatch.log_stream": stream}
        if self._options.shape == "raw":
            extras |= {"cloud.account.id": payload.owner, "log.file.path": f"{group}/{stream}"}
        extras |= record.origin.fields
        key = origin_key("cloudwatch", payload.owner, group, stream)
        source = f"log group {group!r}"
        for at in range(0, len(payload.events), _ROWS):
            yield self._events(payload.events[at : at + _ROWS], record, key, form, extras, source)

    def _events(
        self,
        raw_events: list[Any],
        record: _Record,
        key: bytes,
        form: LineFormat | None,
        extras: Mapping[str, str | int],
        source: str,
    ) -> Decoded:
        events, bad = log_events(raw_events, record.position, record.origin.arrival_ms)
        record.position += len(raw_events)
        return self._chunk(events, bad, record, key, form, extras, source, lines=len(raw_events))

    def _is_wanted(self, group: str) -> bool:
        wanted = self._wanted.get(group)
        if wanted is None:
            if len(self._wanted) >= _SOURCES:
                self._wanted.clear()
            options = self._options
            wanted = self._wanted[group] = any(
                fnmatchcase(group, pattern) for pattern in options.include_log_groups
            ) and not any(fnmatchcase(group, pattern) for pattern in options.exclude_log_groups)
        return wanted

    def _format(self, group: str, stream: str, source: str) -> LineFormat | None:
        if not self._options.formats:
            return None
        key = (group, stream, source)
        if key not in self._formats:
            if len(self._formats) >= _SOURCES:
                self._formats.clear()
            self._formats[key] = rule_for(self._options, log_group=group, log_stream=stream, source=source)
        return self._formats[key]

    # Text

    def _text(self, content: bytes, record: _Record) -> Iterator[Decoded]:
        text = _utf8(content)
        if text is not None:
            lines: list[tuple[str, bytes | None]] = [(line, None) for line in text.removeprefix("\ufeff").split("\n")]
        else:
            lines = [(line, None) if line is not None else ("", raw) for line, raw in _line_by_line(content)]
        if lines and lines[-1] == ("", None):
            lines.pop()
        yield from self._numbered(lines, record)

    def _numbered(self, lines: list[tuple[str, bytes | None]], record: _Record) -> Iterator[Decoded]:
        """Decode lines of text; a line whose bytes are no UTF-8 comes with them."""
        for at in range(0, len(lines), _ROWS):
            yield from self._segments(lines[at : at + _ROWS], record)

    def _segments(self, lines: list[tuple[str, bytes | None]], record: _Record) -> Iterator[Decoded]:
        configured = self._format("", "", record.origin.name)
        events, bad = Events(), list[Undecodable]()
        for line, raw in lines:
            position = record.position
            record.position += 1
            text = line.strip()
            if raw is not None:
                bad.append(Undecodable(reason=Reason.ENCODING, message="no UTF-8", position=position, raw=raw))
            elif text.startswith("{"):
                yield self._lines_chunk(events, bad, record, configured)
                events, bad = Events(), []
                record.position = position
                yield from self._inner_json(text, record)
                record.position = position + 1
            elif text and is_header(text):
                yield self._lines_chunk(events, bad, record, configured)
                events, bad = Events(), []
                yield self._header(text, record, configured, position)
            elif text:
                events.add(text, position, _line_identity(text, position, record), record.origin.arrival_ms)
        if events.texts or bad:
            yield self._lines_chunk(events, bad, record, configured)

    def _inner_json(self, text: str, record: _Record) -> Iterator[Decoded]:
        raw = text.encode("utf-8", "surrogatepass")
        for found in envelopes(raw, text):
            if isinstance(found, Payload):
                yield from self._payload(found, record)
            elif isinstance(found, Control):
                yield Decoded(lines=1, control=1)
            elif isinstance(found, EnvelopeError):
                yield _bad(Reason.ENVELOPE, str(found), record.position, raw)
            else:
                yield from self._numbered(_wrapped(found.text), record)

    def _header(self, text: str, record: _Record, configured: LineFormat | None, position: int) -> Decoded:
        try:
            form = header_format(text)
        except FormatError as error:
            record.header = None
            return _bad(Reason.FORMAT, str(error), position, text.encode())
        record.header = form
        notices = []
        if form.unknown:
            notices.append(f"{record.origin.name}: the header names unknown fields: {', '.join(form.unknown)}")
        if configured is not None and configured.fields != form.fields:
            notices.append(f"{record.origin.name}: the header differs from the format in the settings, which is used")
        return Decoded(lines=1, headers=1, notices=notices)

    def _lines_chunk(
        self, events: Events, bad: list[Undecodable], record: _Record, configured: LineFormat | None
    ) -> Decoded:
        origin = record.origin
        arrival = "" if origin.arrival_ms is None else str(origin.arrival_ms)
        key = origin_key("record", origin.identity) if origin.identity else origin_key("text", arrival)
        form = configured or record.header
        return self._chunk(
            events,
            bad,
            record,
            key,
            form,
            origin.fields,
            origin.name or "this source",
            lines=len(events.texts) + len(bad),
        )

    # Both

    def _chunk(
        self,
        events: Events,
        bad: list[Undecodable],
        record: _Record,
        key: bytes,
        form: LineFormat | None,
        extras: Mapping[str, str | int],
        source: str,
        *,
        lines: int,
    ) -> Decoded:
        longest = self._options.max_line_bytes
        if events.texts and max(map(len, events.texts)) * UTF8_BYTES > longest:
            events = without_long(events, bad, longest)
        batch = Batch(
            lines=events.texts,
            hashes=event_hashes(key, events.identities),
            fallback_ms=events.times,
            window=record.window,
            extras=dict(extras),
        )
        rendered, rejected, guesses = self._lines.render(batch, form)
        for one in rejected:
            raw = events.texts[one.place].encode("utf-8", "surrogatepass")
            bad.append(
                Undecodable(reason=one.reason, message=one.message, position=events.positions[one.place], raw=raw)
            )
        bad.sort(key=lambda one: one.position)
        if rejected:
            events = events.only([place for place, text in enumerate(rendered) if text is not None])
        return Decoded(
            body="".join([text for text in rendered if text is not None]).encode(),
            count=len(events.texts),
            messages=events.texts,
            positions=events.positions,
            undecodable=bad,
            lines=lines,
            notices=[f"{source}: format guessed as {name}" for name in sorted(guesses)],
        )


def _line_identity(text: str, position: int, record: _Record) -> bytes:
    """Return the identity of a line of text: its place in a record that has a name, else its own text and how often it came."""
    if record.origin.identity:
        return b"%d" % position
    if record.occurrences is None:
        record.occurrences = {}
    number = record.occurrences.get(text, 0)
    record.occurrences[text] = number + 1
    return b"%d:%b" % (number, text.encode("utf-8", "surrogatepass"))


def _wrapped(message: str) -> list[tuple[str, bytes | None]]:
    return [(line, None) for line in message.rstrip("\r\n").split("\n")]


def _utf8(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _line_by_line(content: bytes) -> Iterator[tuple[str | None, bytes]]:
    for raw in content.split(b"\n"):
        yield _utf8(raw), raw
