"""What lives as long as the function's process, and one invocation with it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from firehose_transform.answers import Answer, Complaint, response
from firehose_transform.events import Request, parse_request
from firehose_transform.rules import rules_of
from firehose_transform.transform import transform
from vpcflow.clock import Clock
from vpcflow.codec import Decoder
from vpcflow.deadline import Deadline
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Meters
from vpcflow.settings.decoding import codec_options
from vpcflow.settings.model import Settings

if TYPE_CHECKING:  # at run time only in the modes that need them
    from firehose_transform.deliver import Deliverer
    from vpcflow.deadletters.abstract import DeadLetters

__all__ = ["FIREHOSE_SECONDS", "Program"]

# Firehose waits 5 minutes for an invocation: https://docs.aws.amazon.com/firehose/latest/dev/limits.html
FIREHOSE_SECONDS = 300.0

_log = get_logger("firehose_transform")


class Program:
    """The parts that its settings ask for; nothing is connected before it is needed."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], clock: Clock) -> None:
        """Raises ConfigError for settings that cannot be used."""
        self._settings = settings
        self._environ = environ
        self._clock = clock
        self._rules = rules_of(settings)
        self._decoder = Decoder(codec_options(settings, event_id=self._rules.mode == "document"))
        self._deliverer: Deliverer | None = None

    @cached_property
    def _keeper(self) -> DeadLetters:
        from firehose_transform.keeping import keeper

        return keeper(self._settings, self._environ, self._clock)

    def answer(self, event: object, context: object, meters: Meters) -> dict[str, Any]:
        """Answer one event; see `firehose_transform.handler.handler`."""
        firehose = self._settings.firehose
        deadline = Deadline(self._clock, context, firehose.deadline_margin_seconds, cap_seconds=FIREHOSE_SECONDS)
        request = parse_request(event)
        work = self._delivered if self._rules.mode == "deliver" else self._transformed
        answers, complaints = work(request, deadline, meters)
        for complaint in complaints:
            fields = {"record_id": complaint.record_id, "problem": complaint.message, "reasons": complaint.reasons}
            _log.error("record not transformed", extra={"fields": fields})
        reply = response(answers, self._rules.max_reply_bytes)
        for answer in answers:
            meters.count(catalog.ANSWERS, result=answer.result)
        return reply

    def _transformed(
        self, request: Request, deadline: Deadline, meters: Meters
    ) -> tuple[list[Answer], list[Complaint]]:
        plan = transform(request, self._decoder, self._rules, meters=meters, expired=deadline.is_over)
        meters.count(catalog.RECORDS, len(request.records))
        if not plan.errands:
            return plan.answers, plan.complaints
        from firehose_transform.doors import door
        from firehose_transform.errands import Errands

        attempts = self._settings.firehose.reingest_attempts
        errands = Errands(lambda: self._keeper, door, attempts=attempts, clock=self._clock, meters=meters)
        return errands.run(plan, request, deadline)

    def _delivered(self, request: Request, deadline: Deadline, meters: Meters) -> tuple[list[Answer], list[Complaint]]:
        if self._deliverer is None:
            from firehose_transform.deliver import deliverer

            keeper = None if self._settings.deadletters.kind == "file" else self._keeper
            self._deliverer = deliverer(self._settings, self._rules, keeper, clock=self._clock, deadline=deadline)
        return self._deliverer.answers(request, self._decoder, deadline, meters)
