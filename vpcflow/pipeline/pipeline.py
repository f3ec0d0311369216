"""One source's records, from bytes to settled.

A record is settled when each of its lines has one fate: a document that the engine has, or a dead letter on disk. Nothing
else settles: an exception leaves everything undecided as it was.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from vpcflow.clock import Clock
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import EX_SOFTWARE, DataError, SinkRefused, VpcFlowError
from vpcflow.logs import get_logger
from vpcflow.pipeline.batch import Batch, BatchBounds, Segment, Source, pieces
from vpcflow.pipeline.counts import Counts, Once, Storm
from vpcflow.pipeline.positions import Pending, Position, Settlement
from vpcflow.types import Answer, Bulk, Decoded, Origin, Outcome

__all__ = ["BatchBounds", "Counts", "Decodes", "Delivers", "Pipeline", "Record"]

log = get_logger(__name__)


class Decodes(Protocol):
    """The codec, as far as it is used here. Bad data is a value, never an exception."""

    def decode(self, data: bytes, origin: Origin) -> Iterator[Decoded]:
        """Yield chunks in input order."""
        ...


class Delivers(Protocol):
    """`vpcflow.sink.delivery.Delivery`, as far as it is used here."""

    def deliver(self, bulk: Bulk) -> Answer:
        """Return one outcome per action, none of them RETRYABLE; may block; raises what stops everything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a transport.

    position: (sequence number, number inside an aggregated record), rising from record to record.
    """

    data: bytes
    origin: Origin
    position: Position


class Pipeline:
    """Called by one thread. `submit` each record in order, `flush_if_due` when idle, `flush` at the end; save `settled`.

    After an exception from `submit` the record it was given is never settled, nor any later one: build a new pipeline at the
    last saved position. After an exception from `flush` everything still waits, and `flush` may be called again.
    """

    def __init__(
        self, *, decoder: Decodes, delivery: Delivers, deadletters: DeadLetters, bounds: BatchBounds, clock: Clock
    ) -> None:
        """Keep the parts; nothing is opened."""
        self._decoder = decoder
        self._delivery = delivery
        self._deadletters = deadletters
        self._bounds = bounds
        self._clock = clock
        self._settlement = Settlement()
        self._batch = Batch()
        self._counts = Counts()
        self._once = Once()
        self._undecodable = Storm(window=bounds.storm_window, fraction=bounds.storm_fraction)
        self._rejected = Storm(window=bounds.storm_window, fraction=bounds.storm_fraction)

    @property
    def settled(self) -> Position | None:
        """Return the position that may be checkpointed: it and all before it are settled. None: no record is yet."""
        return self._settlement.settled

    @property
    def counts(self) -> Counts:
        """Return a copy of the totals so far."""
        return dataclasses.replace(self._counts)

    @property
    def waiting(self) -> int:
        """Return how many documents wait to be sent."""
        return self._batch.count

    def submit(self, record: Record) -> None:
        """Decode a record and take its documents; send whenever a bound is met.

        May block for as long as the engine is away. When it returns, the record is not necessarily settled.

        Raises:
            DeadLetterError: a dead letter could not be kept.
            DataError: most of the latest lines cannot be decoded.
            SinkRefused: the engine refuses what stays refused, or rejects most of the latest documents.
            SinkUnavailable: the deadline passed.
            Stopped: a stop was asked for while it waited.
        """
        pending = self._settlement.begin(record.position)
        source = self._source(record)
        for decoded in self._decoder.decode(record.data, record.origin):
            self._bury_undecodable(decoded, source)
            self._count(decoded, source)
            self._gather(decoded, source, pending)
        self._counts.records += 1
        pending.settle()
        self.flush_if_due()
        self._settlement.forget()

    def flush_if_due(self) -> bool:
        """Send if a bound is met, the age among them; say whether something was sent. Raises as `flush`."""
        age = self._clock.monotonic() - self._batch.since
        due = self._batch.count > 0 and (age >= self._bounds.max_age_seconds or self._batch.is_full(self._bounds))
        if due:
            self.flush()
        return due

    def seconds_until_due(self) -> float | None:
        """Return how long the oldest document may wait still; None where none waits."""
        if not self._batch.count:
            return None
        return max(0.0, self._batch.since + self._bounds.max_age_seconds - self._clock.monotonic())

    def flush(self) -> None:
        """Send all that waits. When it returns, every record submitted so far is settled.

        Raises:
            DeadLetterError, SinkRefused, SinkUnavailable, Stopped: as `submit`; everything still waits.
        """
        batch = self._batch
        if not batch.count:
            return
        bulk = batch.bulk()
        answer = self._delivery.deliver(bulk)
        fates = Counter(answer.outcomes)
        if len(answer.outcomes) != bulk.count or fates[Outcome.RETRYABLE]:
            raise VpcFlowError(
                f"the delivery decided {len(answer.outcomes) - fates[Outcome.RETRYABLE]} of {bulk.count} documents; "
                "a fault of this program, please report it",
                exit_code=EX_SOFTWARE,
            )
        self._bury_rejected(batch, answer, fates[Outcome.REJECTED])
        # Only now is anything decided for good.
        self._batch = Batch()
        for segment in batch.segments:
            segment.pending.settle(segment.bulk.count)
        self._count_fates(fates, len(bulk.body))

    def _source(self, record: Record) -> Source:
        sequence, subsequence = record.position
        identity = {**record.origin.fields, "sequence": str(sequence), "subsequence": subsequence}
        return Source(name=record.origin.name, identity=identity, first_seen_ms=self._clock.wall_ms())

    def _gather(self, decoded: Decoded, source: Source, pending: Pending) -> None:
        if not decoded.count:
            return
        start = 0
        for piece in pieces(Bulk(decoded.body, decoded.count), self._bounds):
            if self._batch.count and not self._batch.has_room(piece, self._bounds):
                self.flush()
            pending.add(piece.count)
            segment = Segment(bulk=piece, start=start, decoded=decoded, source=source, pending=pending)
            self._batch.add(segment, now=self._clock.monotonic())
            start += piece.count
            if self._batch.is_full(self._bounds):
                self.flush()

    def _bury_undecodable(self, decoded: Decoded, source: Source) -> None:
        bad = decoded.undecodable
        storm = self._undecodable.note(max(decoded.lines, len(bad)), len(bad))
        if storm and bad:
            raise DataError(
                f"{source.name}: {storm} lines cannot be decoded, the last because: {bad[-1].message}; "
                "check codec.formats before more is set aside"
            )
        if not bad:
            return
        self._deadletters.put(
            *(
                DeadLetter(
                    reason=entry.reason.value,
                    message=entry.message,
                    raw=entry.raw,
                    source=source.name,
                    identity=source.identity,
                    position=entry.position,
                    first_seen_ms=source.first_seen_ms,
                )
                for entry in bad
            )
        )
        for entry in bad:
            if self._once.is_new("undecodable", source.name, entry.reason.value):
                fields = {"source": source.name, "reason": entry.reason.value, "first": entry.message}
                log.warning("lines cannot be decoded, kept as dead letters", extra={"fields": fields})

    def _bury_rejected(self, batch: Batch, answer: Answer, rejected: int) -> None:
        storm = self._rejected.note(batch.count, rejected)
        if not rejected:
            return
        letters = [
            _rejection(segment, index, answer, position)
            for position, (segment, index) in enumerate(batch.places())
            if answer.outcomes[position] is Outcome.REJECTED
        ]
        if storm:
            raise SinkRefused(
                f"the engine rejects {storm} documents, the last because: {letters[-1].error_type}: {letters[-1].message}; "
                "check the index template (`vpcflow setup --template`) before more is set aside"
            )
        self._deadletters.put(*letters)
        for letter in letters:
            if self._once.is_new("rejected", letter.error_type):
                fields = {"source": letter.source, "error_type": letter.error_type, "first": letter.message}
                log.warning("documents rejected by the engine, kept as dead letters", extra={"fields": fields})

    def _count(self, decoded: Decoded, source: Source) -> None:
        counts = self._counts
        counts.lines += decoded.lines
        counts.documents += decoded.count
        counts.undecodable += len(decoded.undecodable)
        counts.control += decoded.control
        counts.headers += decoded.headers
        counts.skipped += decoded.skipped
        for notice in decoded.notices:
            if self._once.is_new("notice", source.name, notice):
                fields = {"source": source.name, "notice": notice}
                log.info("notice about a source", extra={"fields": fields})

    def _count_fates(self, fates: Counter[Outcome], size: int) -> None:
        counts = self._counts
        counts.created += fates[Outcome.CREATED]
        counts.duplicate += fates[Outcome.DUPLICATE]
        counts.diverted += fates[Outcome.DIVERTED]
        counts.rejected += fates[Outcome.REJECTED]
        counts.bytes += size
        if fates[Outcome.DIVERTED] and self._once.is_new("diverted"):
            fields = {"documents": fates[Outcome.DIVERTED]}
            log.warning("documents went to the failure store of the data stream, not into it", extra={"fields": fields})


def _rejection(segment: Segment, index: int, answer: Answer, position: int) -> DeadLetter:
    raw, at = segment.line(index)
    error = answer.errors.get(position)
    return DeadLetter(
        reason="rejected",
        error_type=error.type if error else "",
        message=error.reason if error else "no reason given",
        raw=raw,
        source=segment.source.name,
        identity=segment.source.identity,
        position=at,
        first_seen_ms=segment.source.first_seen_ms,
    )
