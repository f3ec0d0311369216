"""A child's watch over its own shard: numbers that change with the clock, alarms, one line of counts a minute, the report."""

from __future__ import annotations

import threading
from typing import Protocol

from consumer.expiry import ExpiryAlarm, ExpiryBounds
from consumer.process import Process
from consumer.report import Report, State
from consumer.run_folder import RunFolder
from vpcflow.clock import Clock
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally
from vpcflow.metrics.snapshot import flat

__all__ = ["UNMONITORED", "Monitor", "Monitored"]

log = get_logger(__name__)

_PERIOD_SECONDS = 1.0


class Monitored(Protocol):
    """What a shard's processor tells. Called per batch of records, never per record; does not block."""

    def begins(self, shard: str) -> None:
        """The shard's name is known; its pipeline is being built."""
        ...

    def serves(self) -> None:
        """The pipeline is there."""
        ...

    def reads(self, milliseconds_behind: int | None, *, records: bool) -> None:
        """A batch has come. records: it is not an empty one."""
        ...

    def checkpoint(self, result: str) -> None:
        """The lease table was asked; see `catalog.CHECKPOINTS` for results."""
        ...

    def all_kept(self) -> None:
        """Every record that was read is covered by a checkpoint."""
        ...

    def leaves(self) -> None:
        """The shard is no more this child's."""
        ...


class _Unmonitored:
    def begins(self, shard: str) -> None:
        pass

    def serves(self) -> None:
        pass

    def reads(self, milliseconds_behind: int | None, *, records: bool) -> None:
        pass

    def checkpoint(self, result: str) -> None:
        pass

    def all_kept(self) -> None:
        pass

    def leaves(self) -> None:
        pass


UNMONITORED: Monitored = _Unmonitored()


class Monitor:
    """Told by the processor's thread, and by those that deliver; a thread of its own looks at the clock each second."""

    def __init__(
        self, *, process: Process, folder: RunFolder, clock: Clock, bounds: ExpiryBounds, log_seconds: float
    ) -> None:
        """Nothing is written yet. log_seconds: between two lines of counts."""
        self.meters = Tally()
        self._process = process
        self._folder = folder
        self._clock = clock
        self._alarm = ExpiryAlarm(bounds, clock)
        self._log_seconds = log_seconds
        self._shard = ""
        self._state, self._since = State.STARTING, clock.monotonic()
        self._wait: tuple[str, float, float] | None = None  # reason, since when, answers of the engine until then
        self._behind: tuple[float, float] | None = None  # seconds, and when that was said
        # What no checkpoint covers: since when, at most since the last one, and how far behind it was then.
        self._unkept: tuple[float, float] | None = None
        self._logged_at, self._logged = clock.monotonic(), 0.0
        self._unwritten = False
        self._one = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def begins(self, shard: str) -> None:
        """See `Monitored`."""
        self._shard = shard

    def serves(self) -> None:
        """See `Monitored`."""
        self._wait = None
        self._enter(State.SERVING)

    def reads(self, milliseconds_behind: int | None, *, records: bool) -> None:
        """See `Monitored`."""
        now = self._clock.monotonic()
        if milliseconds_behind is not None:
            self._behind = (milliseconds_behind / 1000, now)
        if records and self._unkept is None:
            self._unkept = (now, self._seconds_behind() or 0.0)

    def checkpoint(self, result: str) -> None:
        """See `Monitored`."""
        self.meters.count(catalog.CHECKPOINTS, result=result)
        if result == "kept":
            self._unkept = (self._clock.monotonic(), self._seconds_behind() or 0.0)

    def all_kept(self) -> None:
        """See `Monitored`."""
        self._unkept = None

    def leaves(self) -> None:
        """See `Monitored`."""
        self._enter(State.LEAVING)

    def waits(self, reason: str) -> float | None:
        """Take note that the engine is waited for, until it answers again; return the seconds until expiry, if known."""
        answers = self._answers()
        wait = self._wait
        since = wait[1] if wait is not None and wait[2] == answers else self._clock.monotonic()
        self._wait = (reason, since, answers)
        return self._until_expiry()

    def start(self) -> None:
        """Look at the clock each second from now on."""
        self._thread.start()

    def close(self) -> None:
        """Write the last report and the last line of counts."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(_PERIOD_SECONDS)
        self._enter(State.LEAVING)
        self.tick(last=True)

    def tick(self, *, last: bool = False) -> None:
        """Bring everything up to date."""
        with self._one:
            self._gauges()
            self._log_counts(last=last)
            self._write()

    def _run(self) -> None:
        while not self._end.is_set():
            self.tick()
            self._end.wait(_PERIOD_SECONDS)

    def _enter(self, state: State) -> None:
        if state is not self._state and self._state is not State.LEAVING:
            self._state, self._since = state, self._clock.monotonic()

    def _answers(self) -> float:
        return self.meters.snapshot().value(catalog.BULK_REQUESTS, result="answered") or 0.0

    def _seconds_behind(self) -> float | None:
        """Return what the KCL said last and the time since: while a batch waits for the engine, nothing new is said."""
        behind = self._behind
        return None if behind is None else behind[0] + self._clock.monotonic() - behind[1]

    def _checkpoint_age(self) -> float:
        return 0.0 if self._unkept is None else self._clock.monotonic() - self._unkept[0]

    def _until_expiry(self) -> float | None:
        """Return what is left to the oldest record that a restart would need: one not read, or one without a checkpoint."""
        behind, retention = self._seconds_behind(), self._folder.retention()
        if behind is None or retention is None:
            return None
        unkept = 0.0 if self._unkept is None else self._unkept[1] + self._checkpoint_age()
        return retention - max(behind, unkept)

    def _gauges(self) -> None:
        if self._state is State.LEAVING:
            for gauge in (
                catalog.MILLISECONDS_BEHIND_LATEST,
                catalog.SECONDS_UNTIL_EXPIRY,
                catalog.CHECKPOINT_AGE_SECONDS,
            ):
                self.meters.clear(gauge, shard=self._shard)
            return
        if not self._shard:
            return
        self.meters.set(catalog.CHECKPOINT_AGE_SECONDS, self._checkpoint_age(), shard=self._shard)
        if (behind := self._seconds_behind()) is not None:
            self.meters.set(catalog.MILLISECONDS_BEHIND_LATEST, round(behind * 1000), shard=self._shard)
        if (left := self._until_expiry()) is not None:
            self.meters.set(catalog.SECONDS_UNTIL_EXPIRY, left, shard=self._shard)
            self._alarm.check(self._shard, left)

    def _log_counts(self, *, last: bool) -> None:
        now = self._clock.monotonic()
        if not last and now - self._logged_at < self._log_seconds:
            return
        self._logged_at = now
        snapshot = self.meters.snapshot()
        happened = sum(snapshot.counters.values())
        if happened != self._logged:
            self._logged = happened
            counts = {name: round(value, 3) for name, value in flat(snapshot).items()}
            log.info("counts of the shard so far", extra={"fields": {"shard": self._shard, **counts}})

    def _write(self) -> None:
        state, since, reason = self._state, self._since, ""
        wait = self._wait
        if wait is not None and state is not State.LEAVING and wait[2] == self._answers():
            state, since, reason = State.WAITING, wait[1], wait[0]
        report = Report(
            process=self._process,
            at=self._clock.monotonic(),
            shard=self._shard,
            state=state,
            since=since,
            reason=reason,
            snapshot=self.meters.snapshot(),
        )
        try:
            self._folder.note_report(self._process.pid, report.written())
        except OSError as error:
            if not self._unwritten:
                fields = {"shard": self._shard, "reason": str(error)}
                log.warning("metrics of the shard cannot be written", extra={"fields": fields})
            self._unwritten = True
        else:
            self._unwritten = False
