"""What was planted, so that a result can be proven against it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vpcflow.generate.traffic import Flow

__all__ = ["Manifest", "Sums"]


@dataclass(slots=True)
class Sums:
    """Of the flows of one interface with one action."""

    flows: int = 0
    packets: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Manifest:
    """documents: distinct good events. duplicates: copies of some of them on top. broken: lines by kind."""

    documents: int = 0
    duplicates: int = 0
    payloads: int = 0
    control_messages: int = 0
    without_traffic: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    broken_lines: list[str] = field(default_factory=list)
    sums: dict[tuple[str, str], Sums] = field(default_factory=dict)
    rejected_ports: Counter[int] = field(default_factory=Counter)
    rejected_sources: Counter[str] = field(default_factory=Counter)

    def add(self, flow: Flow) -> None:
        """Note a good event."""
        self.documents += 1
        if flow.status != "OK":
            self.without_traffic += 1
            return
        sums = self.sums.setdefault((flow.interface.name, flow.action), Sums())
        sums.flows += 1
        sums.packets += flow.packets
        sums.bytes += flow.bytes
        if flow.action == "REJECT":
            self.rejected_ports[flow.destination_port] += 1
            self.rejected_sources[flow.source] += 1

    def add_broken(self, kind: str, line: str) -> None:
        """Note a line that nobody can decode."""
        self.broken[kind] += 1
        self.broken_lines.append(line)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        interfaces: dict[str, dict[str, dict[str, int]]] = {}
        for (interface, action), one in sorted(self.sums.items()):
            sums = {"flows": one.flows, "packets": one.packets, "bytes": one.bytes}
            interfaces.setdefault(interface, {})[action] = sums
        return {
            "documents": self.documents,
            "duplicates": self.duplicates,
            "payloads": self.payloads,
            "control_messages": self.control_messages,
            "without_traffic": self.without_traffic,
            "broken": dict(sorted(self.broken.items())),
            "broken_lines": self.broken_lines,
            "interfaces": interfaces,
            "rejected_ports": {str(port): count for port, count in self.rejected_ports.most_common()},
            "rejected_sources": dict(self.rejected_sources.most_common()),
        }
