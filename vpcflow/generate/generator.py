"""Events, and the shapes in which AWS delivers them: CloudWatch Logs payloads, lines of text, files in S3."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from vpcflow.generate.fields import line_writer
from vpcflow.generate.manifest import Manifest
from vpcflow.generate.options import GeneratorOptions
from vpcflow.generate.traffic import Flow, Traffic

__all__ = ["Event", "Generator"]

_LEVEL = 6  # as CloudWatch Logs does
_LEAST_COLUMNS = 3  # of a line that can lose two
# Columns, by what can be spoiled in them.
_SPOILED = (("port 99999", ("dstport", "srcport")), ("bad address", ("srcaddr", "dstaddr")))


@dataclass(frozen=True, slots=True)
class Event:
    """One log event: whose log stream it is in, its id (56 digits), its time in milliseconds, its line, is that good."""

    interface: str
    name: str
    ms: int
    message: str
    good: bool


class Generator:
    """Makes one set of events: read one of its outputs to the end, then `manifest`. The same options give the same bytes."""

    def __init__(self, options: GeneratorOptions) -> None:
        """Seed everything."""
        self._options = options
        self._pick = random.Random(options.seed)  # noqa: S311 - to be repeatable is the point
        self._traffic = Traffic(self._pick, interfaces=options.interfaces)
        self._line = line_writer(options.columns, options.account, options.region)
        self._kinds = _kinds(options.columns)
        self.manifest = Manifest()

    def events(self) -> Iterator[Event]:
        """Yield the distinct events in order of time, good and broken, and note them in the manifest."""
        options, pick, traffic, own = self._options, self._pick, self._traffic, self._traffic.interfaces
        for number in range(options.events):
            start = options.start + number * options.span_seconds // options.events
            interface = own[int(pick.random() * len(own))]
            silent = pick.random() < options.nodata
            flow = traffic.silence(interface, start) if silent else traffic.flow(interface, start)
            message = self._line(flow)
            good = silent or pick.random() >= options.broken
            if good:
                self.manifest.add(flow, message)
            else:
                message = self._spoiled(flow, message)
            name = f"{start * 1000:020d}{number:012d}{pick.getrandbits(79):024d}"
            yield Event(interface.name, name, start * 1000, message, good)

    def _spoiled(self, flow: Flow, message: str) -> str:
        """Return the line as something that nobody can decode, and note it."""
        pick, names = self._pick, self._options.columns
        kind, at = pick.choice(self._kinds)
        cells = message.split(" ")
        if kind == "port 99999":
            cells[at] = "99999"
        elif kind == "bad address":
            cells[at] = f"472.{flow.start % 256}.{pick.randrange(256)}.1"
        elif kind == "too few columns":
            del cells[-2:]
        else:
            cells = ["??", f'"{pick.getrandbits(64):x}"', "\\u00", "??"][: 3 if len(names) == 4 else 4]  # noqa: PLR2004
        message = " ".join(cells)
        self.manifest.add_broken(kind, message)
        return message

    def payloads(self) -> Iterator[bytes]:
        """Yield gzip CloudWatch Logs subscription payloads, one log stream each, a control message first.

        Events that are delivered twice come again in a later payload of their stream, as they may from CloudWatch Logs.
        """
        for payload in self.documents():
            yield gzip.compress(payload, _LEVEL, mtime=0)

    def documents(self) -> Iterator[bytes]:
        """Yield the JSON of `payloads`, not compressed."""
        options = self._options
        waiting: dict[str, list[Event]] = {}
        again: dict[str, list[Event]] = {}
        yield self._control()
        for event in self.events():
            stream = waiting.setdefault(event.interface, [])
            stream.append(event)
            if event.good and self._pick.random() < options.duplicates:
                again.setdefault(event.interface, []).append(event)
            if len(stream) >= options.payload_events:
                yield self._payload(event.interface, stream)
                waiting[event.interface] = self._repeated(again.pop(event.interface, []))
        for interface, stream in waiting.items():
            if stream:
                yield self._payload(interface, stream)
            if late := self._repeated(again.pop(interface, [])):
                yield self._payload(interface, late)

    def _repeated(self, events: list[Event]) -> list[Event]:
        self.manifest.duplicates += len(events)
        return events

    def _payload(self, interface: str, events: list[Event]) -> bytes:
        rows = [{"id": event.name, "timestamp": event.ms, "message": event.message} for event in events]
        return self._json("DATA_MESSAGE", self._options.account, self._options.log_group, f"{interface}-all", rows)

    def _control(self) -> bytes:
        self.manifest.control_messages += 1
        text = "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."
        rows = [{"id": "", "timestamp": self._options.start * 1000, "message": text}]
        return self._json("CONTROL_MESSAGE", "CloudwatchLogs", "", "", rows)

    def _json(self, kind: str, owner: str, group: str, stream: str, rows: list[dict[str, object]]) -> bytes:
        self.manifest.payloads += 1
        payload = {
            "messageType": kind,
            "owner": owner,
            "logGroup": group,
            "logStream": stream,
            "subscriptionFilters": ["everything"] if group else [],
            "logEvents": rows,
        }
        return json.dumps(payload, separators=(",", ":")).encode()

    def lines(self) -> Iterator[str]:
        """Yield plain lines, without duplicates: a line that comes twice is two flows there."""
        for event in self.events():
            yield event.message

    def s3_files(self, lines_each: int = 10_000) -> Iterator[tuple[str, bytes]]:
        """Yield (key, gzip text with a header line) under the layout that AWS writes to S3."""
        chunk: list[str] = []
        number = 0
        for text in self.lines():
            chunk.append(text)
            if len(chunk) >= lines_each:
                yield self._s3_file(number, chunk)
                number, chunk = number + 1, []
        if chunk or not number:
            yield self._s3_file(number, chunk)

    def _s3_file(self, number: int, lines: list[str]) -> tuple[str, bytes]:
        options = self._options
        self.manifest.payloads += 1
        moment = datetime.fromtimestamp(options.start + number * 300, UTC)
        name = f"{options.account}_vpcflowlogs_{options.region}_fl-{options.seed:017x}"
        folder = f"AWSLogs/{options.account}/vpcflowlogs/{options.region}/{moment:%Y/%m/%d}"
        text = "\n".join([" ".join(options.columns), *lines, ""])
        return f"{folder}/{name}_{moment:%Y%m%dT%H%MZ}_{number:08x}.log.gz", gzip.compress(
            text.encode(), _LEVEL, mtime=0
        )


def _kinds(names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return how a line with these columns can be spoiled, and in which column."""
    kinds = [("garbage", 0)] + [("too few columns", 0)] * (len(names) >= _LEAST_COLUMNS)
    for kind, fitting in _SPOILED:
        kinds += [(kind, names.index(name)) for name in fitting if name in names][:1]
    return kinds
