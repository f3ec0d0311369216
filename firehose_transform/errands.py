"""A plan carried out: bad lines kept, parts put into the stream, and only then the answers that depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from firehose_transform.answers import Answer, Complaint
from firehose_transform.doors import BusyError, Door, Part, ShutError
from firehose_transform.events import Request
from firehose_transform.reingest import Reingestion
from firehose_transform.transform import Errand, Plan
from vpcflow.clock import Clock
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadline import Deadline
from vpcflow.errors import VpcFlowError
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Meters

__all__ = ["Errands"]

# A request may be under way for this part of the time, and none is begun in the last such part of it.
_REQUEST_PART = 1 / 3
_LONGEST_REQUEST_SECONDS = 20.0


class Errands:
    """Carries out plans. Neither the keeper nor the way back is made before it is needed."""

    def __init__(
        self,
        keeper: Callable[[], DeadLetters],
        door: Callable[[Request, float], Door],
        *,
        attempts: int,
        clock: Clock,
        meters: Meters,
    ) -> None:
        """Keep what is given. door: gets the seconds for one request, too. attempts: requests for one part of a record."""
        self._keeper = keeper
        self._door = door
        self._attempts = attempts
        self._clock = clock
        self._meters = meters

    def run(self, plan: Plan, request: Request, deadline: Deadline) -> tuple[list[Answer], list[Complaint]]:
        """Return an answer for each record, and all complaints. A record whose errand fails is answered ProcessingFailed."""
        answers, complaints = list(plan.answers), list(plan.complaints)
        if not plan.errands:
            return answers, complaints
        problems = self._keep(plan, request, deadline)
        going = [errand for errand in plan.errands if errand.parts is not None and errand.number not in problems]
        problems |= self._put(going, request, deadline)
        for errand in plan.errands:
            problem = problems.get(errand.number)
            if problem is None:
                answers[errand.number] = errand.then
            else:
                record_id = request.records[errand.number].record_id
                complaints.append(Complaint(record_id=record_id, message=problem))
        return answers, complaints

    def _keep(self, plan: Plan, request: Request, deadline: Deadline) -> dict[int, str]:
        """Keep the bad lines; return by number of the record why not."""
        problems: dict[int, str] = {}
        for errand in plan.errands:
            if not errand.letters:
                continue
            if deadline.is_over():
                problems[errand.number] = "no time was left to keep its bad lines"
                continue
            letters = self._letters(errand, request)
            try:
                self._keeper().put(*letters)
            except VpcFlowError as error:
                problems[errand.number] = str(error)
                continue
            for letter in letters:
                self._meters.count(catalog.DEAD_LETTERS, reason=letter.reason)
        return problems

    def _letters(self, errand: Errand, request: Request) -> list[DeadLetter]:
        identity = {**errand.origin.fields, "record_id": request.records[errand.number].record_id or ""}
        return [
            DeadLetter(
                reason=bad.reason.value,
                message=bad.message,
                raw=bad.raw,
                source=errand.origin.name,
                identity=identity,
                position=bad.position,
                first_seen_ms=self._clock.wall_ms(),
                origin=errand.origin,
                context=bad.context,
            )
            for bad in errand.letters
        ]

    def _put(self, errands: list[Errand], request: Request, deadline: Deadline) -> Mapping[int, str]:
        """Put what has no room into the stream; return by number of the record why not."""
        if not errands:
            return {}
        if deadline.is_over():
            return {errand.number: "no time was left to put its parts into the stream" for errand in errands}
        patience = min(_LONGEST_REQUEST_SECONDS, deadline.left * _REQUEST_PART)
        try:
            door = self._door(request, patience)
        except (BusyError, ShutError) as error:
            return {errand.number: str(error) for errand in errands}
        going = Reingestion(
            door, attempts=self._attempts, clock=self._clock, left=lambda: deadline.left - patience, meters=self._meters
        )
        return going.put(_parts(errands, request, going.problems))


def _parts(errands: list[Errand], request: Request, problems: Mapping[int, str]) -> Iterator[Part]:
    """Yield the parts of all records, but no more of one that has a problem."""
    for errand in errands:
        key = request.records[errand.number].partition_key
        for data in errand.parts() if errand.parts else ():
            if errand.number in problems:
                break
            yield Part(errand.number, data, key)
