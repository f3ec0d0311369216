"""What nobody will take: kept as dead letters one by one, until there are so many that the fault must lie elsewhere."""

from __future__ import annotations

from collections import Counter

import orjson

from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import DataError, SinkRefused
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.pipeline.batch import Batch, BatchBounds, Segment, Source
from vpcflow.pipeline.counts import Once, Storm
from vpcflow.types import Answer, Decoded, Outcome

__all__ = ["Burial"]

log = get_logger(__name__)


class Burial:
    """The dead letters of one pipeline. Nothing that is given to it is settled before it returns."""

    def __init__(
        self,
        deadletters: DeadLetters,
        bounds: BatchBounds,
        *,
        reject_diverted: bool = False,
        meters: Meters = UNMETERED,
    ) -> None:
        """`reject_diverted`: what the failure store took becomes a dead letter as well."""
        self._deadletters = deadletters
        self._fatal = {Outcome.REJECTED, Outcome.DIVERTED} if reject_diverted else {Outcome.REJECTED}
        self._meters = meters
        self._once = Once()
        self._undecodable = Storm(window=bounds.storm_window, fraction=bounds.storm_fraction)
        self._rejected = Storm(window=bounds.storm_window, fraction=bounds.storm_fraction)

    def undecodable(self, decoded: Decoded, source: Source) -> None:
        """Keep the lines of a chunk that could not be decoded.

        Raises:
            DataError: they are most of the latest lines; nothing of this chunk is kept.
            DeadLetterError: not kept.
        """
        bad = decoded.undecodable
        storm = self._undecodable.note(max(decoded.lines, len(bad)), len(bad))
        if not bad:
            return
        if storm:
            raise DataError(
                f"{source.name}: {storm} lines cannot be decoded, the last because: {bad[-1].message}; "
                "check codec.formats before more is set aside"
            )
        letters = [
            DeadLetter(
                reason=entry.reason.value,
                message=entry.message,
                raw=entry.raw,
                source=source.name,
                identity=source.identity,
                position=entry.position,
                first_seen_ms=source.first_seen_ms,
                origin=source.origin,
                context=entry.context,
            )
            for entry in bad
        ]
        self._keep(letters)
        for reason, count in Counter(letter.reason for letter in letters).items():
            self._meters.count(catalog.UNDECODABLE, count, reason=reason)
        for letter in letters:
            if self._once.is_new("undecodable", source.name, letter.reason):
                fields = {"source": source.name, "reason": letter.reason, "first": letter.message}
                log.warning("lines cannot be decoded, kept as dead letters", extra={"fields": fields})

    def rejected(self, batch: Batch, answer: Answer) -> None:
        """Keep the documents of a batch that the engine will never take.

        Raises:
            SinkRefused: they are most of the latest documents; nothing of this batch is kept.
            DeadLetterError: not kept.
        """
        fatal = sum(outcome in self._fatal for outcome in answer.outcomes)
        storm = self._rejected.note(batch.count, fatal)
        if not fatal:
            return
        actions = batch.bulk().body.split(b"\n")[0::2]
        letters = [
            _rejection(segment, index, answer, position, actions[position])
            for position, (segment, index) in enumerate(batch.places())
            if answer.outcomes[position] in self._fatal
        ]
        if storm:
            raise SinkRefused(
                f"the engine rejects {storm} documents, the last because: {letters[-1].error_type}: {letters[-1].message}; "
                "check the index template (`vpcflow setup --template`) before more is set aside"
            )
        self._keep(letters)
        for kind, count in Counter(letter.error_type for letter in letters).items():
            self._meters.count(catalog.REJECTED, count, error_type=kind)
        for letter in letters:
            if self._once.is_new("rejected", letter.error_type):
                fields = {"source": letter.source, "error_type": letter.error_type, "first": letter.message}
                log.warning("documents rejected by the engine, kept as dead letters", extra={"fields": fields})

    def close(self) -> None:
        """Close the dead letters."""
        self._deadletters.close()

    def _keep(self, letters: list[DeadLetter]) -> None:
        self._deadletters.put(*letters)
        for reason, count in Counter(letter.reason for letter in letters).items():
            self._meters.count(catalog.DEAD_LETTERS, count, reason=reason)


def _rejection(segment: Segment, index: int, answer: Answer, position: int, action: bytes) -> DeadLetter:
    raw, at = segment.line(index)
    error = answer.errors.get(position)
    diverted = answer.outcomes[position] is Outcome.DIVERTED
    unsaid = "the failure store took it" if diverted else "no reason given"
    return DeadLetter(
        reason="diverted" if diverted else "rejected",
        error_type=error.type if error else "",
        message=error.words if error else unsaid,
        raw=raw,
        source=segment.source.name,
        identity=segment.source.identity,
        position=at,
        first_seen_ms=segment.source.first_seen_ms,
        origin=segment.source.origin,
        context=segment.decoded.context(segment.start + index),
        document_id=orjson.loads(action)["create"].get("_id", ""),
    )
