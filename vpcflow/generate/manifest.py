"""What was planted, so that a result can be proven against it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from vpcflow.generate.traffic import Flow

__all__ = ["FINGERPRINT_BITS", "Manifest", "Sums", "fingerprint"]

FINGERPRINT_BITS = 64


def fingerprint(line: str) -> int:
    """Return a number for a line. Their sum, in 64 bits, tells whether two heaps hold the same lines equally often."""
    return int.from_bytes(blake2b(line.encode(), digest_size=FINGERPRINT_BITS // 8).digest())


@dataclass(slots=True)
class Sums:
    """Of the flows of one interface with one action."""

    flows: int = 0
    packets: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Manifest:
    """What was planted so far: complete when the output has been read to its end.

    documents: distinct good events, those without traffic among them. duplicates: events delivered once more, in another
    payload, with the same id. fingerprint: of all good lines, see there. broken: lines that nobody can decode, by kind.
    sums: by interface and action.
    """

    documents: int = 0
    duplicates: int = 0
    fingerprint: int = 0
    payloads: int = 0
    control_messages: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(default_factory=dict)
    sums: dict[tuple[str, str], Sums] = field(default_factory=dict)
    rejected_ports: Counter[int] = field(default_factory=Counter)
    rejected_sources: Counter[str] = field(default_factory=Counter)

    @property
    def broken_lines(self) -> list[str]:
        """Return all broken lines."""
        return [line for lines in self.broken.values() for line in lines]

    @property
    def without_traffic(self) -> int:
        """Return how many good events are NODATA or SKIPDATA."""
        return self.documents - self.statuses["OK"]

    def add(self, flow: Flow, line: str) -> None:
        """Note a good event."""
        self.documents += 1
        self.fingerprint = (self.fingerprint + fingerprint(line)) % (1 << FINGERPRINT_BITS)
        self.statuses[flow.status] += 1
        if flow.status != "OK":
            return
        sums = self.sums.get((flow.interface.name, flow.action))
        if sums is None:
            sums = self.sums[flow.interface.name, flow.action] = Sums()
        sums.flows += 1
        sums.packets += flow.packets
        sums.bytes += flow.bytes
        if flow.action == "REJECT":
            self.rejected_ports[flow.destination_port] += 1
            self.rejected_sources[flow.source] += 1

    def add_broken(self, kind: str, line: str) -> None:
        """Note a line that nobody can decode."""
        self.broken.setdefault(kind, []).append(line)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        interfaces: dict[str, dict[str, dict[str, int]]] = {}
        for (interface, action), one in sorted(self.sums.items()):
            sums = {"flows": one.flows, "packets": one.packets, "bytes": one.bytes}
            interfaces.setdefault(interface, {})[action] = sums
        broken = [{"kind": kind, "line": line} for kind, lines in sorted(self.broken.items()) for line in lines]
        return {
            "events": self.documents + len(broken),
            "documents": self.documents,
            "duplicates": self.duplicates,
            "fingerprint": f"{self.fingerprint:016x}",
            "payloads": self.payloads,
            "control_messages": self.control_messages,
            "statuses": dict(sorted(self.statuses.items())),
            "without_traffic": self.without_traffic,
            "broken": {kind: len(lines) for kind, lines in sorted(self.broken.items())},
            "broken_lines": broken,
            "interfaces": interfaces,
            "rejected_ports": {str(port): count for port, count in self.rejected_ports.most_common()},
            "rejected_sources": dict(self.rejected_sources.most_common()),
        }
