"""Parts into the stream: only what was not taken again, with backoff, and never beyond the deadline."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from firehose_transform.doors import MAX_BATCH_BYTES, MAX_BATCH_RECORDS, BusyError, Door, Part, ShutError
from firehose_transform.splitting import MAX_PART_BYTES
from vpcflow.clock import Clock
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import UNMETERED, Meters

__all__ = ["Reingestion"]

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.2, 5.0
_LATE = "no time was left to put all of its parts into the stream"


class Reingestion:
    """One invocation's. Holds at most one request's worth of parts.

    problems: by number of the record why not all of its parts are in the stream.
    """

    def __init__(
        self,
        door: Door,
        *,
        attempts: int,
        clock: Clock,
        left: Callable[[], float],
        meters: Meters = UNMETERED,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Keep what is given.

        Args:
            door: into the stream.
            attempts: requests for one part.
            clock: for waits.
            left: seconds until nothing may be begun any more.
            meters: told of parts.
            jitter: from 0 to 1, how much of a wait is waited.
        """
        self._door = door
        self._attempts = attempts
        self._clock = clock
        self._left = left
        self._meters = meters
        self._jitter = jitter
        self._shut = ""
        self.problems: dict[int, str] = {}

    def put(self, parts: Iterable[Part]) -> dict[int, str]:
        """Put all parts; return `problems`.

        Of a record that failed some parts may be there all the same; those that have not been sent yet are left out.
        """
        batch: list[Part] = []
        size = 0
        for part in parts:
            if len(part.data) > MAX_PART_BYTES:
                self.problems[part.number] = f"an event alone has {len(part.data)} bytes, over {MAX_PART_BYTES}"
                continue
            if batch and (len(batch) == MAX_BATCH_RECORDS or size + part.size > MAX_BATCH_BYTES):
                self._send(batch)
                batch, size = [], 0
            batch.append(part)
            size += part.size
        self._send(batch)
        return self.problems

    def _send(self, batch: list[Part]) -> None:
        """Send until all of it is taken, or there is no sense in it any more."""
        waiting = [part for part in batch if part.number not in self.problems]
        if self._shut:
            self._give_up(waiting, self._shut)
            return
        for attempt in range(self._attempts):
            if not waiting:
                return
            if self._left() <= 0:
                self._give_up(waiting, _LATE)
                return
            try:
                refusals = self._door.put(waiting)
            except ShutError as error:
                self._shut = str(error) or "refused"
                self._give_up(waiting, self._shut)
                return
            except BusyError as error:
                refusals = [str(error) or "busy"] * len(waiting)
            problem = next(filter(None, refusals), "")
            taken = refusals.count("")
            self._meters.count(catalog.REINGESTED, taken)
            waiting = [part for part, refusal in zip(waiting, refusals, strict=True) if refusal]
            if waiting and attempt + 1 == self._attempts:
                self._give_up(waiting, f"not taken in {self._attempts} requests, the last time because: {problem}")
            elif waiting:
                longest = min(_FIRST_WAIT_SECONDS * 2**attempt, _LONGEST_WAIT_SECONDS)
                self._clock.sleep(max(0.0, min(longest * self._jitter(), self._left())))

    def _give_up(self, parts: Iterable[Part], problem: str) -> None:
        for part in parts:
            self.problems.setdefault(part.number, problem)
