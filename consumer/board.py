"""What the supervisor knows of itself, its daemon and the children, for those who ask over HTTP."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass

from consumer.report import Report, State
from consumer.run_folder import RunFolder
from vpcflow.clock import Clock
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally
from vpcflow.metrics.snapshot import Snapshot, merged

__all__ = ["Board", "Problem"]

_STILL_SECONDS = 30.0  # the supervisor's loop turns at least each half second
_SILENT_SECONDS = 30.0  # a child reports each second
_WAIT_SECONDS = 5.0  # a wait that is over sooner is no news
_SETTLE_SECONDS = (
    120.0  # a daemon without a child after so long is a spare, without a lease; a first start takes about 100
)
_FOLD_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why this replica is not ready or not well. seconds: for how long."""

    reason: str
    shard: str = ""
    seconds: float = 0.0
    seconds_until_expiry: float | None = None

    def shown(self) -> dict[str, object]:
        """Return what is worth showing."""
        fields = {key: round(value, 1) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return {key: value for key, value in fields.items() if value not in ("", None)}


class Board:
    """Written by the supervisor's thread, read by the endpoint's."""

    def __init__(self, folder: RunFolder, clock: Clock, *, absence: float = 120.0) -> None:
        """`absence`: so many seconds without a daemon are too many."""
        self._folder = folder
        self._clock = clock
        self._absence = absence
        self._turned = clock.monotonic()
        self._running = False
        self._since = clock.monotonic()  # the daemon runs, or does not run
        self._stopping = False
        self._starts = 0
        self._lock = threading.Lock()
        self._ended = Snapshot()  # of children that are gone
        self._folded = 0.0

    def forget(self) -> None:
        """Remove what a supervisor and its children leave behind: the counters of one are not those of the next."""
        self._folder.forget_numbers()

    def turns(self) -> None:
        """The supervisor's loop does its round."""
        now = self._clock.monotonic()
        self._turned = now
        if now - self._folded >= _FOLD_SECONDS:
            self._folded = now
            self._live()

    def daemon_starts(self) -> None:
        """A daemon runs now."""
        self._running, self._since = True, self._clock.monotonic()
        self._starts += 1

    def daemon_ended(self) -> None:
        """It does not run any more, nor do its children."""
        self._running, self._since = False, self._clock.monotonic()
        self._live()

    def stops(self) -> None:
        """The supervisor was asked to stop."""
        self._stopping = True

    def illness(self) -> list[Problem]:
        """Return why this program should be restarted: nothing else would help."""
        now = self._clock.monotonic()
        found = []
        if now - self._turned > _STILL_SECONDS:
            found.append(Problem(reason="the supervisor's loop stands still", seconds=now - self._turned))
        if not self._running and now - self._since > self._absence:
            found.append(Problem(reason="there is no daemon", seconds=now - self._since))
        return found

    def obstacles(self) -> list[Problem]:
        """Return why records of this replica's shards do not flow now. A replica without a shard has none: it is a spare."""
        now = self._clock.monotonic()
        if self._stopping:
            return [Problem(reason="the consumer stops")]
        if not self._running:
            return [Problem(reason="the daemon does not run; it will be started again", seconds=now - self._since)]
        children = [report for report in self._live() if report.state is not State.LEAVING]
        if not children and now - self._since < _SETTLE_SECONDS:
            return [Problem(reason="the daemon starts", seconds=now - self._since)]
        serving = any(child.state is State.SERVING for child in children)
        found = (_obstacle(child, now, _WAIT_SECONDS if serving else 0.0) for child in children)
        return [problem for problem in found if problem is not None]

    def snapshot(self) -> Snapshot:
        """Return the metrics of this replica: all its children, those that are gone, and its own."""
        with self._lock:
            live = self._collect()
            ended = self._ended
        own = Tally()
        own.count(catalog.DAEMON_RESTARTS, max(0, self._starts - 1))
        own.set(catalog.SHARDS, sum(1 for one in live if one.shard and one.state is not State.LEAVING))
        own.set(catalog.READY, 0 if self.obstacles() else 1)
        return merged([ended, *(one.snapshot for one in live), own.snapshot()])

    def _live(self) -> list[Report]:
        with self._lock:
            return self._collect()

    def _collect(self) -> list[Report]:
        """Return the reports of live children; add those of dead ones, which change no more, to what has ended."""
        live = []
        for report in self._reports():
            if report.process.alive():
                live.append(report)
                continue
            # Read once more: it may have written its last words between the two looks.
            last = next((one for one in self._reports() if one.process == report.process), report)
            self._ended = merged([self._ended, last.snapshot.without_gauges()])
            self._folder.drop_report(report.process.pid)
        return live

    def _reports(self) -> list[Report]:
        return [Report.read(written) for written in self._folder.reports()]


def _obstacle(child: Report, now: float, patience: float) -> Problem | None:
    if now - child.at > _SILENT_SECONDS:
        return Problem(
            shard=child.shard, reason="no word from the child that serves this shard", seconds=now - child.at
        )
    lasted = now - child.since
    if child.state is State.WAITING and lasted >= _WAIT_SECONDS:
        left = child.snapshot.value(catalog.SECONDS_UNTIL_EXPIRY, shard=child.shard)
        return Problem(shard=child.shard, reason=child.reason, seconds=lasted, seconds_until_expiry=left)
    if child.state is State.STARTING and lasted >= patience:
        return Problem(shard=child.shard, reason="the child that serves this shard starts", seconds=lasted)
    return None
