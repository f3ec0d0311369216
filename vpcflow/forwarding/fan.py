"""One batch of records into several outputs, each of which may fail by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from vpcflow.clock import Clock
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import Stopped, VpcFlowError
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.pipeline.counts import Counts
from vpcflow.pipeline.pipeline import Pipeline, Record
from vpcflow.pipeline.positions import Position

__all__ = ["Fan", "Leg"]

_SLICE_SECONDS = 0.2  # for one output, while several are waited for


@dataclass(slots=True)
class Leg:
    """One output in a batch. trouble: why it takes nothing more; what it settled before stays settled.

    should_stop: asked while the output is waited for, by its sender threads too. since: when the others began to wait for it.
    """

    name: str
    should_stop: Callable[[], bool] = lambda: False
    since: float | None = None
    pipeline: Pipeline | None = None
    keeper: DeadLetters | None = None
    trouble: VpcFlowError | None = None


class Fan:
    """Used by one thread. `add` each output, `begin`, `submit` records, `flush`, look at what is `open`, `close`."""

    def __init__(
        self,
        clock: Clock,
        should_stop: Callable[[], bool],
        *,
        patience_seconds: float | None,
        meters: Meters = UNMETERED,
    ) -> None:
        """Begin without outputs.

        Args:
            clock: for patience.
            should_stop: asked while an output is waited for.
            patience_seconds: so long, in one piece, may one output hold up the others; None: there is only one, and errors
                need not name it.
            meters: told of dead letters of what was no record.
        """
        self._clock = clock
        self._stop = should_stop
        self._patience = patience_seconds
        self._meters = meters
        self._legs: list[Leg] = []
        self._missed: set[Position] = set()  # what some output was not given
        self._closed = False

    def add(self, name: str, fill: Callable[[Leg], None]) -> None:
        """Add an output. `fill` makes its pipeline and keeper, or raises: then this leg is broken, and only this one."""
        leg = Leg(name)
        leg.should_stop = lambda: self._must_stop(leg)
        self._legs.append(leg)
        with self._watched(leg, since=self._clock.monotonic()):
            fill(leg)

    def begin(self) -> None:
        """Say whether there is an output at all. Raises VpcFlowError: all of them are broken."""
        self._raise_if_all_broken()

    @property
    def open(self) -> set[Position]:
        """Return the positions that are not settled by every output."""
        waiting = {position for leg in self._legs if leg.pipeline is not None for position in leg.pipeline.open}
        return waiting | self._missed

    @property
    def counts(self) -> Mapping[str, Counts]:
        """Return the totals so far, by output."""
        return {leg.name: leg.pipeline.counts for leg in self._legs if leg.pipeline is not None}

    def submit(self, record: Record) -> None:
        """Give a record to each output that takes something. Blocks as `Pipeline.submit`, within the patience.

        Raises:
            VpcFlowError: no output takes anything any more. One that breaks while another takes records is told by `flush`,
                and all that it was not given stays `open`.
        """
        for leg in self._legs:
            if leg.trouble is None and leg.pipeline is not None:
                with self._watched(leg, since=self._clock.monotonic()):
                    leg.pipeline.submit(record)
            if leg.trouble is not None:
                self._missed.add(record.position)
        self._raise_if_all_broken()

    def keep(self, letter: DeadLetter) -> None:
        """Keep a dead letter of something that was no record, in each place that outputs keep theirs in.

        Raises:
            VpcFlowError: one of them did not keep it; the output takes nothing more.
        """
        kept: list[DeadLetters] = []
        for leg in self._legs:
            if leg.keeper is not None and leg.keeper not in kept:
                with self._watched(leg, since=self._clock.monotonic()):
                    leg.keeper.put(letter)
                    kept.append(leg.keeper)
                    self._meters.count(catalog.DEAD_LETTERS, reason=letter.reason)
            if leg.keeper not in kept:
                raise leg.trouble or VpcFlowError(f"output {leg.name} keeps no dead letters")

    def flush(self, seconds: float) -> bool:
        """Wait so long at most for what is under way, for all outputs alike; return whether every record is settled.

        Once an output has settled all, patience with the others begins.

        Raises:
            VpcFlowError: what the first output that broke says. The others were waited for all the same.
        """
        end = self._clock.monotonic() + seconds
        waiting = [leg for leg in self._legs if leg.pipeline is not None]
        ahead: float | None = None  # since when an output waits for the others
        while waiting:
            left = max(0.0, end - self._clock.monotonic())
            share = left if len(self._legs) == 1 else min(left, _SLICE_SECONDS)
            done = [leg for leg in waiting if self._flushed(leg, share, ahead)]
            waiting = [leg for leg in waiting if leg not in done]
            if ahead is None and any(leg.trouble is None for leg in done):
                ahead = self._clock.monotonic()
            if left <= 0:
                break
        for leg in self._legs:
            if leg.trouble is not None:
                raise leg.trouble
        return not self.open

    def close(self) -> None:
        """Let all go; what is not settled stays so, and is waited for by no thread. May be called twice.

        Raises:
            Exception: what the first output that could not be closed says. The others were closed all the same.
        """
        self._closed = True
        with ExitStack() as stack:
            for leg in self._legs:
                if leg.pipeline is not None:
                    stack.callback(leg.pipeline.close)

    def _flushed(self, leg: Leg, seconds: float, since: float | None) -> bool:
        """Return whether there is nothing more to wait for at this output. One that is broken is asked once more only."""
        if leg.pipeline is None:
            return True
        broken, done = leg.trouble is not None, True
        with self._watched(leg, since=since):
            done = leg.pipeline.flush(seconds=seconds)
            if not done and not broken and self._holds_up(leg):  # its threads did not notice: a request that hangs
                raise Stopped("no answer")
        return done or broken

    @contextmanager
    def _watched(self, leg: Leg, *, since: float | None) -> Iterator[None]:
        """Keep what an output says; anything but a VpcFlowError is a fault of ours, and goes on."""
        leg.since = since
        try:
            yield
        except Stopped as error:
            self._break(leg, error if self._stop() else Stopped("left behind: it would have held up the other outputs"))
        except VpcFlowError as error:
            self._break(leg, error)
        finally:
            leg.since = None

    def _break(self, leg: Leg, error: VpcFlowError) -> None:
        if leg.trouble is not None:
            return
        if self._patience is not None:
            error.args = (f"output {leg.name}: {error}",)
        leg.trouble = error

    def _must_stop(self, leg: Leg) -> bool:
        return self._closed or leg.trouble is not None or self._holds_up(leg) or self._stop()

    def _holds_up(self, leg: Leg) -> bool:
        since = leg.since
        return self._patience is not None and since is not None and self._clock.monotonic() - since > self._patience

    def _raise_if_all_broken(self) -> None:
        troubles = [leg.trouble for leg in self._legs]
        if troubles and all(troubles):
            raise troubles[0] or VpcFlowError("no output")
