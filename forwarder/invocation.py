"""One invocation: its time, where it runs, what it counts, and the ways out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from forwarder.batch import Batch
from forwarder.times import Times
from vpcflow.clock import Clock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import EX_TEMPFAIL, VpcFlowError
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Meters

if TYPE_CHECKING:
    from vpcflow.forwarding.messages import Messages, OpenFan, Tally

__all__ = ["Doors", "Invocation", "NotSettled"]

log = get_logger("forwarder")

_SHOWN = 10  # identifiers in a line of the log
_SLICE_SECONDS = 0.5
_LAST_SECONDS = 5.0  # for what an output that is in order has under way when another one is not
_ARN_PARTS = 7  # arn:partition:lambda:region:account:function:name


class NotSettled(VpcFlowError):
    """An event that has no partial answer is not settled as a whole; it comes again."""

    exit_code = EX_TEMPFAIL


class Doors(Protocol):
    """What lives longer than an invocation: `forwarder.program.Program`."""

    @property
    def max_inflated_bytes(self) -> int:
        """Return what a payload may expand to."""
        ...

    def route(self, *arns: str) -> Any:  # noqa: ANN401 - branches are known to those who make them
        """Return the branches of a source; the same object each time. Raises VpcFlowError: no input has it."""
        ...

    def open(self, branches: Any, times: Times, meters: Meters) -> OpenFan:  # noqa: ANN401
        """Open the fan of branches. Raises VpcFlowError."""
        ...

    def messages(self, queue_arn: str, times: Times, meters: Meters) -> Messages:
        """Return what works on messages that name objects."""
        ...


class Invocation:
    """Made for each event."""

    def __init__(
        self, doors: Doors, times: Times, meters: Meters, clock: Clock, *, context: object, region: str, name: str
    ) -> None:
        """Begin.

        Args:
            doors: the ways out.
            times: of this invocation.
            meters: told of what happened.
            clock: for the time a dead letter was first seen.
            context: of the Lambda; its ARN tells partition, region and account.
            region: of the function, where the context tells none.
            name: likewise.
        """
        arn = getattr(context, "invoked_function_arn", None)
        self.function_arn = arn if isinstance(arn, str) and arn.startswith("arn:") else ""
        parts = self.function_arn.split(":")
        known = len(parts) >= _ARN_PARTS
        self.partition = parts[1] if known else _partition(region)
        self.region = parts[3] if known else region
        self.account = parts[4] if known else ""
        self.function = parts[6] if known else name
        self._doors = doors
        self._times = times
        self._meters = meters
        self._clock = clock

    @property
    def max_inflated_bytes(self) -> int:
        """Return what a payload may expand to."""
        return self._doors.max_inflated_bytes

    def now_ms(self) -> int:
        """Return the wall clock, milliseconds since 1970."""
        return self._clock.wall_ms()

    def batch(self, *arns: str) -> Batch:
        """Return a way out for items of a source.

        Args:
            arns: names of the source; the first that an input matches counts.

        Raises:
            VpcFlowError: no input matches any of them; or its outputs cannot be had.
        """
        return Batch(self._doors.open(self._doors.route(*arns), self._times, self._meters), self._times)

    def messages(self, queue_arn: str) -> Messages:
        """Return what works on messages that name objects; '' where they came from no queue."""
        return self._doors.messages(queue_arn, self._times, self._meters)

    def settle(self, messages: Messages) -> None:
        """Wait for the lines of objects, as long as there is time for it."""
        while (seconds := self._times.settle_seconds) > 0:
            if messages.troubles:
                messages.settle(min(_LAST_SECONDS, seconds))
                return
            if messages.settle(min(_SLICE_SECONDS, seconds)):
                return

    def keep(self, letter: DeadLetter) -> None:
        """Keep an event that names no source as a dead letter, where those of log groups go.

        Raises:
            VpcFlowError: it is not kept, or nobody says where.
        """
        batch = self.batch(f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:")
        try:
            batch.keep(0, letter)
            batch.settle()
            self.report_whole(batch.problem(0), batch.trouble)
        finally:
            batch.close()

    def count_empty(self) -> None:
        """Count an item with nothing in it."""
        self._meters.count(catalog.EMPTY_ITEMS)

    def count_control(self) -> None:
        """Count a question of CloudWatch Logs whether we are there, and its event."""
        self._meters.count(catalog.LINES, kind="control")
        self._meters.count(catalog.ITEMS, result="settled")

    def count_objects(self, tally: Tally) -> None:
        """Count what became of objects."""
        for result, number in {
            "settled": tally.objects,
            "skipped": tally.skipped,
            "gone": tally.gone,
            "handed_over": tally.handed_over,
        }.items():
            self._meters.count(catalog.OBJECTS, number, result=result)

    def report(self, identifiers: Sequence[str], problems: Sequence[str], trouble: VpcFlowError | None) -> None:
        """Count and log what comes again: a line for each reason, not for each item.

        Raises:
            VpcFlowError: the trouble itself, where nothing at all was settled because of it.
        """
        settled = sum(not problem for problem in problems)
        self._meters.count(catalog.ITEMS, settled, result="settled")
        self._meters.count(catalog.ITEMS, len(problems) - settled, result="failed")
        if trouble is not None and not settled:
            raise trouble
        for reason, number in Counter(filter(None, problems)).items():
            which = [name for name, problem in zip(identifiers, problems, strict=True) if problem == reason]
            fields = {"items": number, "of": len(problems), "reason": reason, "first": which[:_SHOWN]}
            log.error("not settled, comes again", extra={"fields": fields})

    def report_whole(self, problem: str, trouble: VpcFlowError | None) -> None:
        """Count an event that is settled as a whole. Raises VpcFlowError: it is not."""
        self._meters.count(catalog.ITEMS, result="failed" if problem else "settled")
        if not problem:
            return
        if trouble is not None and str(trouble) in problem:
            raise trouble
        raise NotSettled(problem)


def _partition(region: str) -> str:
    """Return the partition of a region: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")
