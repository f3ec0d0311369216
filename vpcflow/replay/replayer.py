"""Dead letters, tried again: decoded with today's settings, sent, and put away once the engine has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vpcflow.codec import Decoder
from vpcflow.deadletters.abstract import Kept, Shelf, Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.replay.named import Opens
from vpcflow.replay.report import Report
from vpcflow.replay.trial import Item, Trial, decoded
from vpcflow.types import Answer, Bulk, Outcome

__all__ = ["Delivers", "KnowsIds", "Replayer"]


class Delivers(Protocol):
    """`vpcflow.sink.delivery.Delivery`, as far as it is used here."""

    def deliver(self, bulk: Bulk) -> Answer:
        """Return one outcome per action, none of them RETRYABLE."""
        ...


class KnowsIds(Protocol):
    """`vpcflow.replay.existing.ExistingIds`."""

    def among(self, ids: Sequence[str]) -> set[str]:
        """Return those that are there."""
        ...


@dataclass(slots=True)
class _Waiting:
    """Documents that are sent together."""

    items: list[Item] = field(default_factory=list)
    bytes: int = 0


class Replayer:
    """Replays what is kept, shelf by shelf. Doing it again adds nothing: the same letters give the same ids."""

    def __init__(
        self,
        *,
        decoder: Decoder,
        delivery: Delivers,
        existing: KnowsIds | None,
        max_bytes: int,
        max_actions: int,
        reject_diverted: bool = False,
        dry_run: bool = False,
        finish: Callable[[bytes], bytes] = lambda body: body,
        on_progress: Callable[[Report], None] = lambda _report: None,
        opens: Opens | None = None,
    ) -> None:
        """Keep the parts.

        Args:
            decoder: with today's options.
            delivery: sends until each document is decided.
            existing: asked before anything is sent; None where an id is unique in the target anyway.
            max_bytes: of a body before compression; a single document may be larger.
            max_actions: documents in a body.
            reject_diverted: what the failure store took has failed.
            dry_run: send nothing, change nothing.
            finish: completes the item of a document that was no line: names its index where the target is a pattern.
            on_progress: told how things are after each body.
            opens: reads the S3 objects that letters name.
        """
        self._decoder = decoder
        self._delivery = delivery
        self._existing = existing
        self._max_bytes = max_bytes
        self._max_actions = max_actions
        self._reject_diverted = reject_diverted
        self._dry_run = dry_run
        self._finish = finish
        self._on_progress = on_progress
        self._opens = opens
        self.report = Report(dry_run=dry_run)

    def run(self, kept: Kept, wanted: Callable[[DeadLetter], bool]) -> Report:
        """Try the letters that are `wanted`; return the report, which `self.report` is at any time.

        Raises:
            DeadLetterError: letters cannot be read, or put away; they are there still.
            SinkUnavailable: the engine stayed away; letters of this shelf are there still, whatever was sent of them.
            SinkRefused: the engine refuses what stays refused.
        """
        for shelf in kept.shelves():
            trials = list(self._tried(shelf, wanted))
            if not self._dry_run:
                shelf.settle({trial.place: trial.wrong for trial in trials})
            for trial in trials:
                self._note(shelf, trial)
            self._on_progress(self.report)
        return self.report

    def _tried(self, shelf: Shelf, wanted: Callable[[DeadLetter], bool]) -> Iterator[Trial]:
        waiting = _Waiting()
        for place, letter in shelf.letters():
            if isinstance(letter, Unreadable):
                self.report.note_unreadable(letter)
            elif not wanted(letter):
                self.report.skipped += 1
            else:
                trial = Trial(place, letter)
                for item in decoded(trial, self._decoder, self._opens):
                    waiting = self._gather(waiting, item)
                yield trial
        self._send(waiting)

    def _gather(self, waiting: _Waiting, item: Item) -> _Waiting:
        """Add a document; send what waits when there is no room for it."""
        if waiting.items and (
            waiting.bytes + len(item.body) > self._max_bytes or len(waiting.items) >= self._max_actions
        ):
            self._send(waiting)
            waiting = _Waiting()
        waiting.items.append(item)
        waiting.bytes += len(item.body)
        item.trial.documents += 1
        if item.trial.letter.document_id not in ("", item.id):
            self.report.other_id += 1
        return waiting

    def _send(self, waiting: _Waiting) -> None:
        report, items = self.report, waiting.items
        if self._existing is not None and items:
            there = self._existing.among([item.id for item in items if item.id])
            report.there += sum(item.id in there for item in items)
            items = [item for item in items if item.id not in there]
        if self._dry_run:
            report.would_send += len(items)
        elif items:
            bodies = [item.body if item.chunk is not None else self._finish(item.body) for item in items]
            answer = self._delivery.deliver(Bulk(b"".join(bodies), len(items)))
            for at, (item, outcome) in enumerate(zip(items, answer.outcomes, strict=True)):
                self._decide(item, outcome, answer, at)
        self._on_progress(report)

    def _decide(self, item: Item, outcome: Outcome, answer: Answer, at: int) -> None:
        report = self.report
        if outcome is Outcome.CREATED:
            report.created += 1
        elif outcome is Outcome.DUPLICATE:
            report.duplicate += 1
        elif outcome is Outcome.DIVERTED and not self._reject_diverted:
            report.diverted += 1
        else:
            report.rejected += 1
            diverted = outcome is Outcome.DIVERTED
            item.trial.wrong.append(item.rejected(answer.errors.get(at), diverted=diverted))

    def _note(self, shelf: Shelf, trial: Trial) -> None:
        report = self.report
        if trial.wrong:
            report.undecodable += sum(letter.reason not in ("rejected", "diverted") for letter in trial.wrong)
            report.note_failed(shelf.where, trial.wrong[0])
            return
        report.succeeded[trial.letter.reason] += 1
        report.empty += not trial.documents
