"""One source's records, from bytes to settled.

A record is settled when each of its lines has one fate: a document that the engine has, or a dead letter that is kept. Nothing
else settles: an exception leaves everything undecided as it was.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from vpcflow.clock import Clock
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.errors import EX_SOFTWARE, VpcFlowError
from vpcflow.logs import get_logger
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.pipeline.batch import Batch, BatchBounds, Segment, Source, pieces
from vpcflow.pipeline.burial import Burial
from vpcflow.pipeline.counts import Counts, Gauges, Once, Publisher
from vpcflow.pipeline.flights import Delivers, Flight, Flights
from vpcflow.pipeline.positions import Pending, Position, Settlement
from vpcflow.types import Bulk, Decoded, LinesAt, Origin, Outcome

__all__ = ["BatchBounds", "Counts", "Decodes", "Delivers", "Pipeline", "Record"]

log = get_logger(__name__)


class Decodes(Protocol):
    """The codec, as far as it is used here. Bad data is a value, never an exception."""

    def decode(self, data: bytes, origin: Origin, *, at: LinesAt | None = None) -> Iterator[Decoded]:
        """Yield chunks in input order. at: `data` is a run of an object's lines."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a transport.

    position: (sequence number, number inside an aggregated record), rising from record to record.
    at: where `data` stands in its object, if it is a run of lines.
    """

    data: bytes
    origin: Origin
    position: Position
    at: LinesAt | None = None


class Pipeline:
    """Called by one thread. `submit` each record in order, `flush_if_due` when idle, `flush` at the end; save `settled`.

    Bodies are delivered by other threads while the caller goes on; what became of them is taken note of inside of `submit`,
    `flush_if_due` and `flush` only, which also raise what went wrong.

    After an exception from `submit` the record it was given is never settled, nor any later one: build a new pipeline at the
    last saved position. After an exception from `flush` everything still waits, and `flush` may be called again.
    """

    def __init__(
        self,
        *,
        decoder: Decodes,
        delivery: Delivers,
        deadletters: DeadLetters,
        bounds: BatchBounds,
        clock: Clock,
        reject_diverted: bool = False,
        meters: Meters = UNMETERED,
        should_stop: Callable[[], bool] = lambda: False,
        stop_seconds: float = 0.0,
    ) -> None:
        """Keep the parts; nothing is opened.

        Args:
            decoder: bytes to documents.
            delivery: called by up to `bounds.in_flight` threads at once.
            deadletters: called by the caller's thread only.
            bounds: of a body, and of all that is under way.
            clock: for ages and for the time a dead letter was first seen.
            reject_diverted: documents that the failure store took become dead letters as well.
            meters: told of counts and of what is held, about once a second.
            should_stop: asked while `submit` or `flush` wait for requests that are under way.
            stop_seconds: how much longer they wait then.
        """
        self._decoder = decoder
        self._bounds = bounds
        self._clock = clock
        self._settlement = Settlement()
        self._batch = Batch()
        self._returned: deque[Batch] = deque()  # to be sent again by the next flush
        self._flights = Flights(
            delivery,
            limit=bounds.in_flight,
            max_bytes=bounds.max_in_flight_bytes,
            clock=clock,
            should_stop=should_stop,
            stop_seconds=stop_seconds,
        )
        self._burial = Burial(deadletters, bounds, reject_diverted=reject_diverted, meters=meters)
        self._counts = Counts()
        self._publisher = Publisher(meters, clock)
        self._once = Once()

    @property
    def settled(self) -> Position | None:
        """Return the position that may be checkpointed: it and all before it are settled. None: no record is yet."""
        return self._settlement.settled

    @property
    def open(self) -> list[Position]:
        """Return the positions of submitted records that are not settled, in their order."""
        return self._settlement.open()

    @property
    def counts(self) -> Counts:
        """Return a copy of the totals so far."""
        return dataclasses.replace(self._counts)

    @property
    def waiting(self) -> int:
        """Return how many documents are not settled: gathered, under way, or returned."""
        return self._batch.count + self._flights.documents + sum(batch.count for batch in self._returned)

    def submit(self, record: Record) -> None:
        """Decode a record and take its documents; send whenever a bound is met.

        Blocks while as much is under way as may be, or so many records wait to be settled: for as long as the engine is away,
        or does not take one document. When it returns, the record is not necessarily settled.

        Raises:
            DeadLetterError: a dead letter could not be kept.
            DataError: most of the latest lines cannot be decoded.
            SinkRefused: the engine refuses what stays refused, or rejects most of the latest documents.
            SinkUnavailable: the deadline passed.
            Stopped: a stop was asked for while it waited.
        """
        self._make_room()
        pending = self._settlement.begin(record.position)
        source = self._source(record)
        for decoded in self._decoder.decode(record.data, record.origin, at=record.at):
            self._burial.undecodable(decoded, source)
            self._count(decoded, source)
            self._gather(decoded, source, pending)
        self._counts.records += 1
        pending.settle()
        self.flush_if_due()
        self._settlement.forget()

    def flush_if_due(self) -> bool:
        """Send if a bound is met, the age among them, without waiting for the answer; say whether something was sent.

        Takes note of answers that came since. Raises as `submit`.
        """
        self._land(wait=0)
        age = self._clock.monotonic() - self._batch.since
        due = self._batch.count > 0 and (age >= self._bounds.max_age_seconds or self._batch.is_full(self._bounds))
        if due:
            self._send()
        self._publisher.publish_if_due(self._counts, self._gauges)
        return due

    def flush(self, *, seconds: float | None = None) -> bool:
        """Send all that waits, and wait for it; say whether every record submitted so far is settled.

        Args:
            seconds: wait so long at most, then return False; None: as long as it takes, and True.

        Raises:
            DeadLetterError, SinkRefused, SinkUnavailable, Stopped: as `submit`; everything still waits.
        """
        end = None if seconds is None else self._clock.monotonic() + seconds
        if self._batch.count:
            self._returned.append(self._batch)
            self._batch = Batch()
        while self._returned or self._flights.count:
            if self._returned and self._flights.has_room(self._returned[0].bytes):
                self._flights.launch(self._returned[0])
                self._returned.popleft()
                self._land(wait=0)
                continue
            left = None if end is None else end - self._clock.monotonic()
            if left is not None and left <= 0:
                return False
            self._land(wait=left)
        self._publisher.publish(self._counts, self._gauges())
        return True

    def close(self) -> None:
        """Let threads and dead letters go; what is not settled stays so. May be called twice."""
        self._flights.close()
        self._burial.close()
        self._publisher.publish(self._counts, self._gauges())

    def _make_room(self) -> None:
        """Wait while too many records are not settled: one that stays so must not be passed by all that come after it.

        Else they would be remembered without end, and read again after a restart, while only one body waits.
        """
        while self._settlement.unsettled >= self._bounds.max_unsettled:
            if self._batch.count:
                self._send()
            elif self._flights.count:
                self._land(wait=None)
            else:
                return  # what was returned is sent by `flush`

    def _source(self, record: Record) -> Source:
        sequence, subsequence = record.position
        identity = {**record.origin.fields}
        if record.at is None:  # the number of a run of lines depends on how its object was cut
            identity |= {"sequence": str(sequence), "subsequence": subsequence}
        now = self._clock.wall_ms()
        return Source(name=record.origin.name, identity=identity, first_seen_ms=now, origin=record.origin)

    def _gather(self, decoded: Decoded, source: Source, pending: Pending) -> None:
        if not decoded.count:
            return
        start = 0
        bodiless = dataclasses.replace(decoded, body=b"")
        for piece in pieces(Bulk(decoded.body, decoded.count), self._bounds):
            if self._batch.count and not self._batch.has_room(piece, self._bounds):
                self._send()
            pending.add(piece.count)
            segment = Segment(count=piece.count, start=start, decoded=bodiless, source=source, pending=pending)
            self._batch.add(segment, piece.body, now=self._clock.monotonic())
            start += piece.count
            if self._batch.is_full(self._bounds):
                self._send()

    def _send(self) -> None:
        batch, self._batch = self._batch, Batch()
        self._depart(batch)

    def _depart(self, batch: Batch) -> None:
        """Send a batch off, once there is room for it. Whatever is raised, it is kept."""
        try:
            while not self._flights.has_room(batch.bytes):
                self._land(wait=None)
            self._flights.launch(batch)
        except BaseException:
            self._returned.append(batch)
            raise
        self._land(wait=0)

    def _land(self, *, wait: float | None) -> None:
        """Take note of each flight that ended; wait so many seconds for the first one, None: without limit."""
        while (flight := self._flights.land(wait=wait)) is not None:
            wait = 0
            try:
                self._settle(flight)
            except BaseException:
                self._returned.append(flight.batch)
                raise

    def _settle(self, flight: Flight) -> None:
        batch, answer = flight.batch, flight.answer
        if flight.error is not None:
            raise flight.error
        fates = Counter(answer.outcomes) if answer is not None else Counter()
        if answer is None or len(answer.outcomes) != batch.count or fates[Outcome.RETRYABLE]:
            raise VpcFlowError(
                f"the delivery decided {fates.total() - fates[Outcome.RETRYABLE]} of {batch.count} documents; "
                "a fault of this program, please report it",
                exit_code=EX_SOFTWARE,
            )
        self._burial.rejected(batch, answer)
        # Only now is anything decided for good.
        for segment in batch.segments:
            segment.pending.settle(segment.count)
        self._count_fates(fates, len(flight.bulk.body), answer.wire_bytes)

    def _count(self, decoded: Decoded, source: Source) -> None:
        counts = self._counts
        counts.lines += decoded.lines
        counts.documents += decoded.count
        counts.undecodable += len(decoded.undecodable)
        counts.control += decoded.control
        counts.headers += decoded.headers
        counts.skipped += decoded.skipped
        counts.filtered += decoded.filtered
        for notice in decoded.notices:
            if self._once.is_new("notice", source.name, notice):
                fields = {"source": source.name, "notice": notice}
                log.info("notice about a source", extra={"fields": fields})

    def _count_fates(self, fates: Counter[Outcome], size: int, wire_bytes: int) -> None:
        counts = self._counts
        counts.created += fates[Outcome.CREATED]
        counts.duplicate += fates[Outcome.DUPLICATE]
        counts.diverted += fates[Outcome.DIVERTED]
        counts.rejected += fates[Outcome.REJECTED]
        counts.bytes += size
        counts.wire_bytes += wire_bytes
        if fates[Outcome.DIVERTED] and self._once.is_new("diverted"):
            fields = {"documents": fates[Outcome.DIVERTED]}
            log.warning("documents went to the failure store of the data stream, not into it", extra={"fields": fields})

    def _gauges(self) -> Gauges:
        here = (self._batch, *self._returned)
        return Gauges(
            buffer_documents=sum(batch.count for batch in here),
            buffer_bytes=sum(batch.bytes for batch in here),
            in_flight_bytes=self._flights.bytes,
            unsettled=self._settlement.unsettled,
        )
