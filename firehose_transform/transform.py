"""Request in, plan out: what to answer for each record, and what has to be done before. No I/O, no clock.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from firehose_transform.answers import Answer, Complaint, failed
from firehose_transform.events import Record, Request
from firehose_transform.opening import Opened, is_returned, open_record
from firehose_transform.partitions import partition_keys
from firehose_transform.reading import LateError, Reading, base64_bytes, read
from firehose_transform.rules import Rules
from firehose_transform.splitting import parts
from vpcflow.codec import Decoder
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.types import Origin, Undecodable

__all__ = ["Errand", "Plan", "transform"]

_LATE = "no time was left for it: give the function more time or memory, or a smaller buffer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What must be done before a record is answered with `then`; until then it is answered ProcessingFailed.

    number: of the record in the request. letters: bad lines that must be kept. parts: makes what must be put into the stream.
    """

    number: int
    then: Answer
    origin: Origin
    letters: Sequence[Undecodable] = ()
    parts: Callable[[], Iterator[bytes]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """answers: one for each record, in their order. complaints: why records failed, or will if their errand does."""

    answers: list[Answer]
    errands: list[Errand] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)


def transform(
    request: Request,
    decoder: Decoder,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    *,
    meters: Meters = UNMETERED,
    expired: Callable[[], bool] = lambda: False,
) -> Plan:
    """Return the plan.

    Ok: the record's documents, see `vpcflow.settings.model.Firehose.mode`. Dropped: nothing but control messages, skipped
    log groups and flows that the filter leaves out; or, after its errand, all of it is in the stream once more.
    ProcessingFailed, with the data as it came (Firehose keeps it in its error prefix): bad lines, or no room in the reply, nor
    elsewhere.

    Records that went round already have the first claim to the reply's room.
    """
    return _Transform(request, decoder, rules, meters, expired).plan()


class _Transform:
    """One invocation."""

    def __init__(
        self, request: Request, decoder: Decoder, rules: Rules, meters: Meters, expired: Callable[[], bool]
    ) -> None:
        self._request = request
        self._decoder = decoder
        self._rules = rules
        self._meters = meters
        self._expired = expired
        self._plan = Plan(answers=[failed(record) for record in request.records])
        # Each record can be answered as it came; what is left over is room for documents.
        self._costs = [answer.cost for answer in self._plan.answers]
        self._room = rules.max_reply_bytes - sum(self._costs) - len('{"records": []}')

    def plan(self) -> Plan:
        numbers = range(len(self._request.records))
        for number in sorted(numbers, key=lambda number: not is_returned(self._request.records[number])):
            try:
                problem = _LATE if self._expired() else self._record(number)
            except LateError:
                problem = _LATE
            if problem:
                self._complain(number, problem)
        return self._plan

    def _record(self, number: int) -> str:
        """Plan a record; return why it fails, or ''."""
        record = self._request.records[number]
        try:
            opened = open_record(record, self._request, self._rules.max_inflated_bytes)
        except ValueError as error:
            return f"data is no base64: {error}"
        splittable = self._why_whole(record, opened) == ""
        reading = read(
            opened,
            self._decoder,
            bulk=self._rules.mode == "bulk",
            fits=lambda so_far: self._fits(number, so_far),
            go_on=splittable,
            keep=self._rules.max_bad_lines if self._rules.keep_good else 0,
            expired=self._expired,
            meters=self._meters,
        )
        return self._decide(number, opened, reading)

    def _decide(self, number: int, opened: Opened, reading: Reading) -> str:
        record = self._request.records[number]
        if reading.bad and not self._may_keep(reading):
            self._complain(number, reading.first, reading)
            return ""
        if not reading.documents:
            self._answer_or_keep(number, opened, reading, Answer(record.record_id, "Dropped"))
            return ""
        if reading.fits:
            self._answer_or_keep(number, opened, reading, self._ok(record, reading))
            return ""
        problem = self._why_whole(record, opened)
        if problem:
            several = self._rules.mode == "document" and reading.documents > 1
            what = "several events in one record" if several else "no room in the reply"
            return f"{what}, and it cannot be put into the stream in parts: {problem}"
        then = Answer(record.record_id, "Dropped")
        again = _again(record, self._request, self._decoder, self._rules)
        self._errand(Errand(number=number, then=then, origin=opened.origin, letters=reading.undecodable, parts=again))
        return ""

    def _may_keep(self, reading: Reading) -> bool:
        """Return whether the bad lines can be dead letters, so that the rest is answered."""
        rules = self._rules
        good = reading.documents + reading.filtered
        return rules.keep_good and good > 0 and reading.bad <= rules.max_bad_lines

    def _why_whole(self, record: Record, opened: Opened) -> str:
        """Return why a record may not be put into the stream once more, or ''."""
        request, rules = self._request, self._rules
        if rules.no_reingestion:
            return rules.no_reingestion
        if opened.hops >= rules.max_hops:
            return f"it went round {opened.hops} times already (firehose.max_hops)"
        if request.stream_arn:
            return "" if record.partition_key else "the event names no partition key"
        return "" if request.delivery_arn else "the event names no delivery stream"

    def _fits(self, number: int, reading: Reading) -> bool:
        """Return whether there is room for this much; the answer itself is measured again."""
        if self._rules.mode == "document" and reading.documents > 1:
            return False
        return self._has_room(base64_bytes(reading.size) - len(self._request.records[number].data))

    def _has_room(self, more: int) -> bool:
        """Return whether a reply that is so much longer has room; one that is shorter does, whatever else is in it."""
        return more <= max(0, self._room)

    def _ok(self, record: Record, reading: Reading) -> Answer:
        rules = self._rules
        data = b"".join(reading.pieces)
        if rules.mode == "document":
            data = data.rstrip(b"\n")
        keys = (
            partition_keys(reading.lines(), rules.partition_keys, self._request.region) if rules.partition_keys else {}
        )
        return Answer(record.record_id, "Ok", base64.b64encode(data).decode("ascii"), keys)

    def _answer_or_keep(self, number: int, opened: Opened, reading: Reading, answer: Answer) -> None:
        if not self._has_room(answer.cost - self._costs[number]):
            self._over(number, opened, reading)
        elif reading.undecodable:
            self._errand(Errand(number=number, then=answer, origin=opened.origin, letters=reading.undecodable))
        else:
            self._answer(number, answer)

    def _over(self, number: int, opened: Opened, reading: Reading) -> None:
        """The data had room, the answer with its id and its keys has not."""
        reading.fits = False
        problem = self._decide(number, opened, reading)
        if problem:
            self._complain(number, problem)

    def _answer(self, number: int, answer: Answer) -> None:
        self._plan.answers[number] = answer
        self._room -= answer.cost - self._costs[number]

    def _errand(self, errand: Errand) -> None:
        self._plan.errands.append(errand)
        self._room -= max(0, errand.then.cost - self._costs[errand.number])

    def _complain(self, number: int, message: str, reading: Reading | None = None) -> None:
        record_id = self._request.records[number].record_id
        reasons = dict(reading.reasons) if reading else {}
        self._plan.complaints.append(Complaint(record_id=record_id, message=message, reasons=reasons))


def _again(record: Record, request: Request, decoder: Decoder, rules: Rules) -> Callable[[], Iterator[bytes]]:
    """Return what reads the record once more, in parts: until then only its base64 is held."""
    return lambda: parts(open_record(record, request, rules.max_inflated_bytes), decoder, rules)
