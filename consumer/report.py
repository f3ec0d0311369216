"""What a child tells the supervisor each second, in a file of its own: how it is, and its numbers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from consumer.process import Process
from vpcflow.metrics.snapshot import Snapshot

__all__ = ["Report", "State"]


class State(enum.StrEnum):
    """How a child is."""

    STARTING = "starting"  # no shard yet, or its pipeline is being built
    SERVING = "serving"
    WAITING = "waiting"  # for the search engine
    LEAVING = "leaving"  # the lease is lost, the shard has ended, or the child is about to go


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One child at one moment. Times are seconds of the machine's monotonic clock, which all processes share.

    at: when this was written.
    since: when the state began.
    reason: why it waits.
    """

    process: Process
    at: float
    shard: str = ""
    state: State = State.STARTING
    since: float = 0.0
    reason: str = ""
    snapshot: Snapshot = field(default_factory=Snapshot)

    def written(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "pid": self.process.pid,
            "start": self.process.start,
            "at": self.at,
            "shard": self.shard,
            "state": self.state.value,
            "since": self.since,
            "reason": self.reason,
            **self.snapshot.written(),
        }

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Self:
        """Return what `written` wrote."""
        return cls(
            process=Process(written["pid"], written["start"]),
            at=written["at"],
            shard=written["shard"],
            state=State(written["state"]),
            since=written["since"],
            reason=written["reason"],
            snapshot=Snapshot.read(written),
        )
