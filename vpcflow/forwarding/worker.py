"""`vpcflow forward`: receives messages, forwards what they name, deletes what is settled, until somebody says stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vpcflow.clock import Clock
from vpcflow.errors import EX_CONFIG, EX_NOPERM, EX_TEMPFAIL, Stopped, VpcFlowError
from vpcflow.forwarding.messages import Messages, Tally
from vpcflow.forwarding.queue import Keeper, Message, Queue
from vpcflow.forwarding.work import Deadline
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.retry import sleep_interruptibly

__all__ = ["Halt", "Totals", "Worker", "backoff_seconds"]

log = get_logger(__name__)

_LONGEST_POLL_SECONDS = 10  # a stop is not heard while SQS is asked
_SLICE_SECONDS = 0.5
_LAST_SECONDS = 5.0  # for what an output that is in order has under way when another one is not
_FIRST_BACKOFF_SECONDS = 10
_LONGEST_BACKOFF_SECONDS = 900
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_ALONE = 20  # so many messages are worked on one by one after a batch that an output refused
_RETURN_SECONDS = 3.0  # kept of the grace, to hand over and give back


def backoff_seconds(receives: int) -> int:
    """Return how long a message that failed stays hidden: 10 s the first time, twice as long each time, 15 min at most."""
    return int(min(_FIRST_BACKOFF_SECONDS * 2 ** min(receives - 1, 10), _LONGEST_BACKOFF_SECONDS))


@dataclass(slots=True)
class Totals(Tally):
    """Counts since the start. settled: messages that were deleted; failed: messages that went back to the queue."""

    settled: int = 0
    failed: int = 0

    def add(self, batch: Tally) -> None:
        """Add those of a batch."""
        for name in ("messages", "objects", "skipped", "gone", "handed_over", "lines"):
            setattr(self, name, getattr(self, name) + getattr(batch, name))


class Halt:
    """That a stop was asked for, and since when. A signal handler may call `ask`."""

    def __init__(self, clock: Clock, grace_seconds: float) -> None:
        """Nobody has asked yet."""
        self._clock = clock
        self._grace = grace_seconds
        self._asked: float | None = None

    def ask(self) -> None:
        """Stop."""
        if self._asked is None:
            self._asked = self._clock.monotonic()

    def is_over(self) -> bool:
        """Return whether nothing more may be begun."""
        return self._asked is not None

    @property
    def left(self) -> float:
        """Return the seconds of grace that are left; all of it while nobody has asked."""
        return self._grace if self._asked is None else self._grace - (self._clock.monotonic() - self._asked)


class _OrLost:
    """A deadline: somebody said stop, or all messages are let go."""

    def __init__(self, halt: Deadline, messages: Sequence[Message]) -> None:
        self._halt = halt
        self._messages = messages

    def is_over(self) -> bool:
        return self._halt.is_over() or all(one.lost for one in self._messages)


class MakesMessages(Protocol):
    """Makes the `Messages` of one receive; `deadline` also ends waiting for an engine that is away."""

    def __call__(self, deadline: Deadline) -> Messages:
        """Return new ones."""
        ...


class Worker:
    """Works on one queue. Called by one thread."""

    def __init__(
        self,
        queue: Queue,
        *,
        make: MakesMessages,
        halt: Halt,
        clock: Clock,
        messages: int,
        on_progress: Callable[[Totals], None] = lambda _totals: None,
        meters: Meters = UNMETERED,
    ) -> None:
        """Keep the parts. messages: received at once; meters: told of messages and objects."""
        self._queue = queue
        self._make = make
        self._halt = halt
        self._clock = clock
        self._count = messages
        self._on_progress = on_progress
        self._meters = meters
        self._alone = 0
        self._pauses = 0
        self.totals = Totals()

    def run(self) -> Totals:
        """Work until a stop is asked for; return what was done.

        Raises:
            VpcFlowError: what must be put right by somebody: the queue, credentials or settings (77, 78). Messages that were
                not settled are back in the queue.
        """
        arn = self._queue.arn()
        log.info("forwarder receives", extra={"fields": {"queue": self._queue.url}})
        wait = max(1, min(_LONGEST_POLL_SECONDS, int(self._halt.left / 2)))
        with Keeper(self._queue, self._clock) as keeper:
            while not self._halt.is_over():
                self._once(arn, wait, keeper)
        log.info("forwarder has stopped", extra={"fields": {"settled": self.totals.settled}})
        return self.totals

    def _once(self, arn: str, wait: int, keeper: Keeper) -> None:
        try:
            received = self._queue.receive(1 if self._alone else self._count, wait)
        except VpcFlowError as error:
            if error.exit_code != EX_TEMPFAIL:
                raise
            self._pause(error)
            return
        if received:
            self._alone = max(0, self._alone - len(received))
            keeper.add(received)
            try:
                if self._queue.is_fifo:
                    self._work_in_order(received, arn, keeper)
                else:
                    self._work(received, arn, keeper)
            finally:
                for message in received:
                    keeper.release(message)
        self._on_progress(self.totals)

    def _work_in_order(self, received: Sequence[Message], arn: str, keeper: Keeper) -> None:
        """Work on messages of a FIFO queue one after another; behind one that was not deleted its group goes back untouched."""
        held_up: set[str] = set()
        left = deque(received)
        try:
            while left and not self._halt.is_over():
                message = left.popleft()
                before = self.totals.settled
                if message.group in held_up:
                    keeper.release(message)
                    self._give_back(message, 0)
                    continue
                held_up.add(message.group)  # also if this raises
                self._work([message], arn, keeper)
                if self.totals.settled > before:
                    held_up.remove(message.group)
        finally:
            for message in left:
                keeper.release(message)
                self._give_back(message, 0)

    def _work(self, received: Sequence[Message], arn: str, keeper: Keeper) -> None:
        deadline = _OrLost(self._halt, received)
        batch = self._make(deadline)
        open_: dict[str, Message] = {}
        try:
            for message in received:
                if not deadline.is_over():
                    batch.take(message.id, message.body, arn, deadline=_OrLost(self._halt, [message]))
                    open_[message.id] = message
                    self._delete_settled(batch, open_, keeper)
            self._settle(batch, open_, deadline, keeper)
            self._part(batch, received, open_, keeper)
        finally:
            batch.close()
            self.totals.add(batch.tally)
            self._count_objects(batch.tally)
        self._mind(batch.troubles)

    def _settle(self, batch: Messages, open_: dict[str, Message], deadline: Deadline, keeper: Keeper) -> None:
        """Wait for what is on its way: as long as it takes, or as long as the grace lasts."""
        is_over = not open_
        while not is_over:
            left = self._halt.left - _RETURN_SECONDS
            seconds = _LAST_SECONDS if batch.troubles else _SLICE_SECONDS
            is_over = batch.settle(min(seconds, max(0.0, left))) or bool(batch.troubles)
            self._delete_settled(batch, open_, keeper)
            is_over = is_over or (deadline.is_over() and (not self._halt.is_over() or left <= 0))

    def _delete_settled(self, batch: Messages, open_: dict[str, Message], keeper: Keeper) -> None:
        for message in [one for one in open_.values() if batch.is_settled(one.id)]:
            self._end(batch, message, keeper)
            del open_[message.id]

    def _part(self, batch: Messages, received: Sequence[Message], open_: dict[str, Message], keeper: Keeper) -> None:
        """Hand over or give back what is not settled."""
        for message in open_.values():
            self._end(batch, message, keeper)
        for message in received:
            if not batch.knows(message.id):
                keeper.release(message)
                self._give_back(message, 0)

    def _end(self, batch: Messages, message: Message, keeper: Keeper) -> None:
        if message.lost:
            return
        why = batch.fate(message.id)
        keeper.release(message)
        if why:
            self.totals.failed += 1
            self._meters.count(catalog.ITEMS, result="failed")
            fields = {"message_id": message.id, "receives": message.receives, "reason": why}
            log.error("a message goes back to the queue", extra={"fields": fields})
            self._give_back(message, 0 if self._halt.is_over() else backoff_seconds(message.receives))
            return
        try:
            self._queue.delete(message)
        except VpcFlowError as error:  # it comes again, and adds nothing
            fields = {"message_id": message.id, "reason": str(error)}
            log.warning("a settled message could not be deleted", extra={"fields": fields})
        else:
            self.totals.settled += 1
            self._meters.count(catalog.ITEMS, result="settled")

    def _count_objects(self, tally: Tally) -> None:
        done = (("settled", tally.objects), ("skipped", tally.skipped), ("gone", tally.gone))
        for result, number in (*done, ("handed_over", tally.handed_over)):
            if number:
                self._meters.count(catalog.OBJECTS, number, result=result)

    def _give_back(self, message: Message, seconds: int) -> None:
        if message.lost:
            return
        try:
            self._queue.hide(message, seconds)
        except VpcFlowError as error:  # it shows itself again when its time is over
            fields = {"message_id": message.id, "reason": str(error)}
            log.warning("a message could not be given back yet", extra={"fields": fields})

    def _mind(self, troubles: Sequence[VpcFlowError]) -> None:
        """Raise what somebody must put right; after anything else go on slowly, and one by one."""
        others = [error for error in troubles if not isinstance(error, Stopped)]
        for error in others:
            if error.exit_code in (EX_NOPERM, EX_CONFIG):
                raise error
        if others:
            self._alone = _ALONE
            self._pause(others[0])
        else:
            self._pauses = 0

    def _pause(self, error: VpcFlowError) -> None:
        seconds = min(_FIRST_PAUSE_SECONDS * 2**self._pauses, _LONGEST_PAUSE_SECONDS)
        self._pauses = min(self._pauses + 1, 10)
        log.warning("waiting", extra={"fields": {"reason": str(error), "seconds": seconds}})
        try:
            sleep_interruptibly(seconds, clock=self._clock, should_stop=self._halt.is_over)
        except Stopped:
            return
