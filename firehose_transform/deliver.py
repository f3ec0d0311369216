"""The mode `deliver`: documents go to the search engine from here, and Firehose hears what became of each record.

Imported in this mode only: it brings the client.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from msgspec.structs import replace

from firehose_transform.answers import Answer, Complaint, failed
from firehose_transform.events import Request
from firehose_transform.opening import open_record
from firehose_transform.rules import Rules
from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.codec import Decoder
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadline import Deadline
from vpcflow.errors import SinkUnavailable, Stopped
from vpcflow.logs import get_logger
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.pipeline.pipeline import Pipeline, Record
from vpcflow.settings.model import Settings
from vpcflow.sink.abstract import Sink
from vpcflow.sink.delivery import Delivery

__all__ = ["Deliverer", "deliverer"]

log = get_logger(__name__)

# A request may be under way for this part of the time, and none is begun in the last such part of it.
_REQUEST_PART = 1 / 3
_UNSETTLED = "not settled in time: the search engine was away or slow"


class _Desk:
    """Takes dead letters: keeps those that have a keeper, and remembers the records of the others, which fail."""

    def __init__(self, keeper: DeadLetters | None, *, keep_undecodable: bool) -> None:
        self.failed: dict[int, str] = {}
        self._keeper = keeper
        self._keep_undecodable = keep_undecodable

    def put(self, *entries: DeadLetter) -> None:
        """Keep them, or note their records. Raises DeadLetterError."""
        kept = [entry for entry in entries if self._is_kept(entry)]
        if kept and self._keeper is not None:
            self._keeper.put(*kept)
        for entry in entries:
            if not self._is_kept(entry):
                why = f"{entry.position}: {entry.reason} {entry.error_type}: {entry.message}"
                self.failed.setdefault(int(entry.identity["sequence"]), why)

    def close(self) -> None:
        """The keeper lives longer than an invocation."""

    def _is_kept(self, entry: DeadLetter) -> bool:
        is_rejected = entry.reason in ("rejected", "diverted")
        return self._keeper is not None and (is_rejected or self._keep_undecodable)


class Deliverer:
    """Lives as long as the function's process: connections, circuit breaker and keeper are used again."""

    def __init__(
        self, settings: Settings, rules: Rules, sink: Sink, keeper: DeadLetters | None, *, clock: Clock
    ) -> None:
        """Keep the parts. keeper: None: a record with a document that is rejected fails."""
        self._rules = rules
        self._sink = sink
        self._keeper = keeper
        self._clock = clock
        self._policy = wiring.retry_policy(settings)
        self._bounds = wiring.batch_bounds(settings)
        if keeper is None or not rules.keep_good:  # records fail one by one, nothing piles up
            self._bounds = dataclasses.replace(self._bounds, storm_fraction=1.0)
        self._reject_diverted = settings.index.failure_store == "dead_letter"
        self._window = wiring.window(settings, UNMETERED)
        self._breaker = wiring.breaker(settings, clock, UNMETERED)

    def answers(
        self, request: Request, decoder: Decoder, deadline: Deadline, meters: Meters = UNMETERED
    ) -> tuple[list[Answer], list[Complaint]]:
        """Deliver; return an answer for each record: Dropped, once all of it is settled, else ProcessingFailed.

        Raises:
            SinkUnavailable: the engine took nothing at all; Firehose tries the whole batch again.
            SinkRefused: it refuses what stays refused; likewise.
            DataError: most lines cannot be decoded; likewise.
            DeadLetterError: a dead letter was not kept; likewise.
        """
        desk = _Desk(self._keeper, keep_undecodable=self._rules.keep_good)
        last = self._clock.monotonic() + deadline.left * (1 - _REQUEST_PART)
        pipeline = self._pipeline(decoder, desk, lambda: self._clock.monotonic() >= last, meters)
        problems: dict[int, str] = {}
        try:
            problems = self._deliver(pipeline, request, deadline, last)
        finally:
            pipeline.close()
        problems |= desk.failed
        answers, complaints = [], []
        for number, record in enumerate(request.records):
            problem = problems.get(number)
            answers.append(failed(record) if problem else Answer(record.record_id, "Dropped"))
            if problem:
                complaints.append(Complaint(record_id=record.record_id, message=problem))
        return answers, complaints

    def _pipeline(self, decoder: Decoder, desk: _Desk, is_late: Callable[[], bool], meters: Meters) -> Pipeline:
        delivery = Delivery(
            self._sink,
            self._policy,
            self._clock,
            is_late,
            _waits,
            window=self._window,
            breaker=self._breaker,
            meters=meters,
        )
        return Pipeline(
            decoder=decoder,
            delivery=delivery,
            deadletters=desk,
            bounds=self._bounds,
            clock=self._clock,
            reject_diverted=self._reject_diverted,
            meters=meters,
        )

    def _deliver(self, pipeline: Pipeline, request: Request, deadline: Deadline, last: float) -> dict[int, str]:
        """Return by number why records are not settled."""
        problems: dict[int, str] = {}
        begun = 0
        reason = _UNSETTLED
        try:
            for number, record in enumerate(request.records):
                if self._clock.monotonic() >= last:
                    break
                try:
                    opened = open_record(record, request, self._rules.max_inflated_bytes)
                except ValueError as error:
                    problems[number] = f"data is no base64: {error}"
                    continue
                pipeline.submit(Record(data=opened.content, origin=opened.origin, position=(number, 0)))
                begun = number + 1  # not before: it may give up before it took the record
            pipeline.flush(seconds=max(0.0, deadline.left))
        except (SinkUnavailable, Stopped) as error:
            reason = f"{_UNSETTLED}: {error}"
        unsettled = [position[0] for position in pipeline.open]
        unsettled += [number for number in range(begun, len(request.records)) if number not in problems]
        if unsettled and not _decided(pipeline):
            raise SinkUnavailable(f"{len(unsettled)} records, none of them settled; {reason}")
        return problems | dict.fromkeys(unsettled, reason)


def _decided(pipeline: Pipeline) -> int:
    counts = pipeline.counts
    return counts.created + counts.duplicate + counts.diverted + counts.rejected


def _waits(reason: str, seconds: float) -> None:
    log.warning("waiting for the search engine", extra={"fields": {"reason": reason, "seconds": round(seconds, 3)}})


def deliverer(
    settings: Settings, rules: Rules, keeper: DeadLetters | None, *, clock: Clock, deadline: Deadline
) -> Deliverer:
    """Return one whose target was looked at.

    Raises:
        ConfigError: a setting that cannot be used.
        SinkRefused: the target is not what it should be.
        SinkUnavailable: the engine did not answer in time.
    """
    seconds = max(1.0, deadline.left * _REQUEST_PART)
    patience = min(settings.elasticsearch.request_timeout_seconds, seconds)
    settings = replace(settings, elasticsearch=replace(settings.elasticsearch, request_timeout_seconds=patience))
    engine = wiring.sink(settings)
    try:
        wiring.retry_policy(settings).run(
            engine.check_target,
            again_on=SinkUnavailable,
            clock=clock,
            should_stop=lambda: deadline.left <= seconds,
            on_wait=_waits,
        )
    except Stopped as error:
        raise SinkUnavailable(
            "the search engine could not be asked about its target; see the log lines before"
        ) from error
    return Deliverer(settings, rules, engine, keeper, clock=clock)
