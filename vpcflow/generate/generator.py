"""Events, and the shapes in which AWS delivers them: CloudWatch Logs payloads, lines of text, files in S3."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from vpcflow.generate.manifest import Manifest
from vpcflow.generate.options import GeneratorOptions
from vpcflow.generate.traffic import Flow, Traffic, line

__all__ = ["Event", "Generator"]

_VERSIONS = (
    (3, ("vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr")),
    (4, ("region", "az-id", "sublocation-type", "sublocation-id")),
    (5, ("pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction", "traffic-path")),
    (6, ("resource-type", "tgw-id", "tgw-attachment-id")),
    (7, ("ecs-cluster-name", "ecs-service-name", "ecs-task-id")),
    (8, ("reject-reason",)),
    (9, ("resource-id",)),
    (10, ("encryption-status",)),
    (11, ("interface-tag", "instance-tag", "asg-tag", "interface-type", "next-hop-vpc-id")),
)
_BROKEN = ("cut off", "port 99999", "bad address", "garbage")


@dataclass(frozen=True, slots=True)
class Event:
    """One log event: which interface's log stream it is in, its id, its time in milliseconds, its line."""

    interface: str
    name: str
    ms: int
    message: str


class Generator:
    """Makes one set of events; call one of its outputs, then read `manifest`. The same options give the same bytes."""

    def __init__(self, options: GeneratorOptions) -> None:
        """Seed everything."""
        self._options = options
        self._pick = random.Random(options.seed)  # noqa: S311 - to be repeatable is the point
        self._traffic = Traffic(self._pick, interfaces=options.interfaces)
        named = set(options.columns)
        self._version = max((version for version, names in _VERSIONS if named & set(names)), default=2)
        self.manifest = Manifest()

    def events(self) -> Iterator[Event]:
        """Yield the distinct events in order of time, good and broken, and note them in the manifest."""
        options, pick = self._options, self._pick
        for number in range(options.events):
            start = options.start + number * options.span_seconds // max(options.events, 1)
            interface = pick.choice(self._traffic.interfaces)
            silent = pick.random() < options.nodata
            flow = self._traffic.silence(interface, start) if silent else self._traffic.flow(interface, start)
            message = line(flow, options.columns, options.account, options.region, self._version)
            if not silent and pick.random() < options.broken:
                message = self._spoiled(flow, message)
            else:
                self.manifest.add(flow)
            name = f"{start * 1000:020d}{number:012d}{pick.getrandbits(79):024d}"[:56]
            yield Event(interface.name, name, start * 1000, message)

    def _spoiled(self, flow: Flow, message: str) -> str:
        kind = self._pick.choice(_BROKEN)
        if kind == "port 99999" and "dstport" in self._options.columns:
            cells = message.split(" ")
            cells[self._options.columns.index("dstport")] = "99999"
            message = " ".join(cells)
        elif kind == "bad address" and "srcaddr" in self._options.columns:
            cells = message.split(" ")
            cells[self._options.columns.index("srcaddr")] = f"472.{flow.start % 256}.1.1"
            message = " ".join(cells)
        elif kind == "garbage":
            message = f'?? "{self._pick.getrandbits(64):x}" ??'
        else:
            kind = "cut off"
            message = message.rpartition(" ")[0].rpartition(" ")[0]
        self.manifest.add_broken(kind, message)
        return message

    def payloads(self) -> Iterator[bytes]:
        """Yield gzip CloudWatch Logs subscription payloads, one log stream each, a control message first."""
        options = self._options
        waiting: dict[str, list[Event]] = {}
        copies: dict[str, list[Event]] = {}
        yield self._control()
        for event in self.events():
            stream = waiting.setdefault(event.interface, [])
            stream.append(event)
            if self._pick.random() < options.duplicates and event.message not in self.manifest.broken_lines:
                copies.setdefault(event.interface, []).append(event)
            if len(stream) >= options.payload_events:
                yield self._payload(event.interface, stream)
                # The copies come in the stream's next payload: delivered once more, as CloudWatch may do.
                waiting[event.interface] = self._copied(copies.pop(event.interface, []))
        for interface, stream in waiting.items():
            if stream:
                yield self._payload(interface, stream)
            if late := self._copied(copies.pop(interface, [])):
                yield self._payload(interface, late)

    def _copied(self, events: list[Event]) -> list[Event]:
        self.manifest.duplicates += len(events)
        return list(events)

    def _payload(self, interface: str, events: list[Event]) -> bytes:
        self.manifest.payloads += 1
        rows = [{"id": event.name, "timestamp": event.ms, "message": event.message} for event in events]
        return self._packed("DATA_MESSAGE", self._options.account, self._options.log_group, f"{interface}-all", rows)

    def _control(self) -> bytes:
        self.manifest.payloads += 1
        self.manifest.control_messages += 1
        text = "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."
        rows = [{"id": "", "timestamp": self._options.start * 1000, "message": text}]
        return self._packed("CONTROL_MESSAGE", "CloudwatchLogs", "", "", rows)

    def _packed(self, kind: str, owner: str, group: str, stream: str, rows: list[dict[str, object]]) -> bytes:
        payload = {
            "messageType": kind,
            "owner": owner,
            "logGroup": group,
            "logStream": stream,
            "subscriptionFilters": ["everything"] if group else [],
            "logEvents": rows,
        }
        return gzip.compress(json.dumps(payload, separators=(",", ":")).encode(), 6, mtime=0)

    def lines(self) -> Iterator[str]:
        """Yield plain lines, without duplicates: a line that comes twice is two flows there."""
        for event in self.events():
            yield event.message

    def s3_files(self, lines_each: int = 10_000) -> Iterator[tuple[str, bytes]]:
        """Yield (key, gzip text with a header line) under the layout that AWS writes to S3."""
        options, chunk = self._options, list[str]()
        number = 0
        for text in self.lines():
            chunk.append(text)
            if len(chunk) >= lines_each:
                yield self._s3_file(number, chunk)
                number, chunk = number + 1, []
        if chunk or not options.events:
            yield self._s3_file(number, chunk)

    def _s3_file(self, number: int, lines: list[str]) -> tuple[str, bytes]:
        options = self._options
        self.manifest.payloads += 1
        moment = datetime.fromtimestamp(options.start + number * 300, UTC)
        name = f"{options.account}_vpcflowlogs_{options.region}_fl-{options.seed:017x}"
        folder = f"AWSLogs/{options.account}/vpcflowlogs/{options.region}/{moment:%Y/%m/%d}"
        text = "\n".join([" ".join(options.columns), *lines, ""])
        return f"{folder}/{name}_{moment:%Y%m%dT%H%MZ}_{number:08x}.log.gz", gzip.compress(text.encode(), 6, mtime=0)
