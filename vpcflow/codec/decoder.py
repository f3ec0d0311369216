"""The codec's front door: one record's bytes in, documents and what is wrong with the rest out. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from vpcflow.codec.envelope import Control, EnvelopeError, Payload, envelopes
from vpcflow.codec.events import Events, log_events, without_long
from vpcflow.codec.filters import NOWHERE, Where, compile_filter
from vpcflow.codec.formats import LineFormat, is_header, parse_format, rule_for
from vpcflow.codec.framing import FramingError, members
from vpcflow.codec.identity import event_hashes, origin_key
from vpcflow.codec.lines import Batch, LineRenderer
from vpcflow.codec.options import CodecOptions
from vpcflow.codec.reading import Reading
from vpcflow.codec.text import BOM, HeaderEnds, Item, lines_of, run_of, unpacked, unwrapped
from vpcflow.types import Decoded, LinesAt, Origin, Reason, Undecodable

__all__ = ["Decoder"]

# Rows that are worked on together: enough to make the cost per batch small, few enough to stay in the processor's cache.
_ROWS = 512
_DAY_MS = 86_400_000
_SOURCES = 1024
_FOREVER_MS = 1 << 62
_SPACE = b" \t\r\n"


class Decoder:
    """Decodes records of any supported kind. Holds compiled plans and caches, nothing of any record."""

    def __init__(self, options: CodecOptions | None = None) -> None:
        """Raises `FormatError`, `FilterError`, `NetworkError` for options that cannot be read; ValueError for an index name."""
        self._options = options or CodecOptions()
        for rule in self._options.formats:
            parse_format(rule.format)
        given = self._options
        self._filter = compile_filter(given.include, given.exclude, given.internal_cidrs)
        self._lines = LineRenderer(given, self._filter)
        self._formats: dict[tuple[str, str, str], LineFormat | None] = {}
        self._wanted: dict[str, bool] = {}

    def decode(
        self,
        data: bytes,
        origin: Origin,
        *,
        position: int = 0,
        occurrences: Mapping[str, int] | None = None,
        at: LinesAt | None = None,
    ) -> Iterator[Decoded]:
        """Yield the record in chunks, in input order. Never raises for bad data: that is an `Undecodable` in a chunk.

        data: gzip (any number of members) or plain; a CloudWatch Logs subscription payload, flow-log text, or message
        wrappers. Told apart by magic number and structure; base64 is never guessed.
        position, occurrences: where `data` is only a part of its record, the index of its first line or event, and how often
        a line's text came before it: see `vpcflow.codec.again`. A record that says so itself: see `vpcflow.codec.parts`.
        at: `data` is a run of whole lines of an object, as they are in it: text, never unpacked. However an object is cut into
        runs, its lines give the same documents. Its origin must have an identity (else ValueError).
        """
        known = dict(occurrences) if occurrences else None
        record = Reading(origin, self._window(origin.arrival_ms), position, known)
        if at is not None:
            record.begin_run(at)
            yield from self._items(run_of(data, record), record)
            return
        try:
            for content in members(data, self._options.max_inflated_bytes):
                yield from self._content(content, record)
        except FramingError as error:
            bad = Undecodable(reason=error.reason, message=str(error), position=-1, raw=data)
            yield Decoded(lines=1, undecodable=[bad])

    def _window(self, arrival_ms: int | None) -> tuple[int, int] | None:
        past, future = self._options.time_past_days, self._options.time_future_days
        if arrival_ms is None or not (past or future):
            return None
        return (
            int(arrival_ms - past * _DAY_MS) if past else -_FOREVER_MS,
            int(arrival_ms + future * _DAY_MS) if future else _FOREVER_MS,
        )

    def _content(self, content: bytes, record: Reading) -> Iterator[Decoded]:
        content = content.removeprefix(BOM)
        if content.lstrip(_SPACE)[:1] == b"{":
            record.heed(content)
            yield from self._items(unwrapped(envelopes(content)), record)
        else:
            yield from self._items(unpacked(lines_of(content)), record)

    def _items(self, items: Iterable[Item], record: Reading) -> Iterator[Decoded]:
        """Decode what stands in a record. Lines are gathered into chunks; what is none ends a chunk, to keep the order."""
        events, bad = Events(), list[Undecodable]()
        for item in items:
            position = record.position
            if isinstance(item, EnvelopeError):
                record.position += 1
                bad.append(record.undecodable(item.reason, str(item), position, item.raw))
            elif isinstance(item, str) and not is_header(item):
                record.position += 1
                if item:
                    identity = record.identity(item, position)
                    events.add(item, record.place(position), identity, record.fallback_ms, record.offset)
            else:
                if events.texts or bad:
                    yield self._lines_chunk(events, bad, record)
                    events, bad = Events(), []
                yield from self._other(item, record)
            if len(events.texts) + len(bad) >= _ROWS:
                yield self._lines_chunk(events, bad, record)
                events, bad = Events(), []
        if events.texts or bad:
            yield self._lines_chunk(events, bad, record)

    def _other(self, item: str | Payload | Control | HeaderEnds, record: Reading) -> Iterator[Decoded]:
        if isinstance(item, Payload):
            yield from self._payload(item, record)
            return
        position = record.position
        record.position += 1
        if isinstance(item, str):
            yield self._header(item, record, position)
        elif isinstance(item, Control):
            yield Decoded(lines=1, control=1)
        else:
            record.take_header(item.text)

    # CloudWatch Logs

    def _payload(self, payload: Payload, record: Reading) -> Iterator[Decoded]:
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
        shared = {"owner": payload.owner, "log_group": group, "log_stream": stream}
        source = f"log group {group!r}"
        for at in range(0, len(payload.events), _ROWS):
            raw_events = payload.events[at : at + _ROWS]
            events, bad = log_events(raw_events, record.position, record.fallback_ms)
            record.position += len(raw_events)
            if record.is_run:
                record.put_into_line(events, bad)
            yield self._chunk(events, bad, record, key, form, extras, shared, source)

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

    def _header(self, text: str, record: Reading, position: int) -> Decoded:
        configured = self._format("", "", record.origin.name)
        wrong = record.take_header(text)
        form = record.header
        if form is None:
            bad = record.undecodable(Reason.FORMAT, wrong, position, text.encode())
            return Decoded(lines=1, undecodable=[bad])
        notices = []
        if form.unknown:
            notices.append(f"{record.origin.name}: the header names unknown fields: {', '.join(form.unknown)}")
        if configured is not None and configured.fields != form.fields:
            notices.append(f"{record.origin.name}: the header differs from the format in the settings, which is used")
        return Decoded(lines=1, headers=1, notices=notices)

    def _lines_chunk(self, events: Events, bad: list[Undecodable], record: Reading) -> Decoded:
        origin = record.origin
        arrival = "" if origin.arrival_ms is None else str(origin.arrival_ms)
        key = origin_key("record", origin.identity) if origin.identity else origin_key("text", arrival)
        form = self._format("", "", origin.name) or record.header
        shared: dict[str, str | int] = {"header": record.header_text} if record.header_text else {}
        if record.is_part and origin.arrival_ms is not None:
            shared["arrival_ms"] = origin.arrival_ms
        if form is None and record.bad_header:
            message = f"the header before cannot be used: {record.bad_header}"
            bad += [events.undecodable(place, Reason.FORMAT, message, shared) for place in range(len(events.texts))]
            events = Events()
        return self._chunk(events, bad, record, key, form, origin.fields, shared, origin.name or "this source")

    # Both

    def _chunk(
        self,
        events: Events,
        bad: list[Undecodable],
        record: Reading,
        key: bytes,
        form: LineFormat | None,
        extras: Mapping[str, str | int],
        shared: Mapping[str, str | int],
        source: str,
    ) -> Decoded:
        blank = events.blank
        lines = len(events.texts) + len(bad) + blank
        bad = [replace(one, context={**shared, **one.context}) for one in bad]
        events = without_long(events, bad, self._options.max_line_bytes, shared)
        batch = Batch(
            lines=events.texts,
            hashes=event_hashes(key, events.identities),
            fallback_ms=events.times,
            window=record.window,
            extras=dict(extras),
            offsets=list(map(str, events.offsets)),
            where=NOWHERE if self._filter is None else _where(shared, record),
        )
        rendered, rejected, guesses = self._lines.render(batch, form)
        bad += [events.undecodable(one.place, one.reason, one.message, shared) for one in rejected]
        bad.sort(key=lambda one: (one.position, one.context.get("part", 0)))
        filtered = 0 if self._filter is None else rendered.count(None) - len(rejected)
        if rejected or filtered:
            events = events.only([place for place, text in enumerate(rendered) if text is not None])
        return Decoded(
            body="".join([text for text in rendered if text is not None]).encode(),
            count=len(events.texts),
            messages=events.texts,
            positions=events.positions,
            shared=shared,
            identities=events.identities,
            times=events.times,
            offsets=events.offsets,
            undecodable=bad,
            lines=lines,
            skipped=blank,
            filtered=filtered,
            notices=[f"{source}: format guessed as {name}" for name in sorted(guesses)],
        )


def _where(shared: Mapping[str, str | int], record: Reading) -> Where:
    return Where(str(shared.get("log_group", "")), str(shared.get("log_stream", "")), record.origin.name)
