"""Work on S3 objects: their lines go into a fan of outputs, and what is not settled when time is up is handed over.

Used by the Lambda, by `vpcflow forward` and by the backfill. A batch goes in three steps:

1. `begin` for each object, in order: its lines are on their way, none of them is known to be settled.
2. `settle` once: waits for the answers.
3. `Walk.result` for each object, `hand_over` for the message that named them. Only then may the message be deleted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import VpcFlowError
from vpcflow.objects.reference import ObjectRef, Resume
from vpcflow.pipeline.pipeline import Record
from vpcflow.pipeline.positions import Position
from vpcflow.types import LinesAt, Origin

__all__ = ["Deadline", "Done", "Fan", "Feed", "Left", "Reading", "Reads", "Result", "Run", "Walk"]
__all__ += ["NO_TIME", "UNSETTLED", "begin", "forward_object", "hand_over", "settle"]

NO_TIME = "time was up before its turn"
UNSETTLED = "not settled in time: the search engine was away or slow"


class Deadline(Protocol):
    """`vpcflow.deadline.Deadline`, or what `vpcflow forward` has instead."""

    def is_over(self) -> bool:
        """Return whether nothing more may be begun."""
        ...


class Fan(Protocol):
    """`vpcflow.forwarding.outputs.Fan`, as far as it is used here."""

    def submit(self, record: Record) -> None:
        """Give a record to each output."""
        ...

    def keep(self, letter: DeadLetter) -> None:
        """Keep a dead letter of something that was no record, durably."""
        ...

    def flush(self, seconds: float) -> bool:
        """Wait so long at most; say whether all is settled."""
        ...

    @property
    def open(self) -> AbstractSet[Position]:
        """Return the positions that are not settled by every output."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Some whole lines of an object, or something about it that cannot be read.

    lines: how many lines `data` holds, blank ones among them.
    row_group: of a Parquet file.
    letter: stands in the place of lines: damage, with what could be had of it.
    """

    at: LinesAt
    data: bytes = b""
    lines: int = 0
    row_group: int = 0
    letter: DeadLetter | None = None


class Reading(Protocol):
    """One object that is being read."""

    @property
    def etag(self) -> str:
        """Return the ETag of what is read, without quotes: that of the answer, whatever a message said."""
        ...

    @property
    def origin(self) -> Origin:
        """Return what the codec is told."""
        ...

    def runs(self) -> Iterator[Run]:
        """Yield what is not settled yet, in order: from the reference's resume position, if its ETag is still right."""
        ...


class Reads(Protocol):
    """`vpcflow.forwarding.reading.Reader`: opens objects as the settings of an input say."""

    def wanted(self, ref: ObjectRef) -> bool:
        """Return whether the object is one of flow logs, by its key; others are skipped and counted."""
        ...

    def open(self, ref: ObjectRef) -> AbstractContextManager[Reading]:
        """Open it. Errors are VpcFlowErrors of one line."""
        ...

    def gone(self, ref: ObjectRef, error: Exception) -> DeadLetter | None:
        """Return a dead letter with the reference, if this error says that there is nothing to be read any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """All of an object is settled. skipped: it was not asked for; gone: it is a dead letter; lines: sent this time."""

    ref: ObjectRef
    lines: int = 0
    skipped: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Something of an object is not settled.

    ref: with the position of the first line that is not; none before it is ever sent again.
    progress: whether anything was settled this time.
    reason: why it stopped, in one line.
    """

    ref: ObjectRef
    progress: bool
    reason: str
    lines: int = 0


Result = Done | Left


class Feed:
    """A fan, the numbers of what goes in, and what broke it. All objects of a batch go through it in order."""

    def __init__(self, fan: Fan) -> None:
        """Begin to count."""
        self.fan = fan
        self.trouble: VpcFlowError | None = None
        self._numbers = itertools.count()

    @property
    def is_broken(self) -> bool:
        """Return whether nothing more may go in: after an error in `submit` nothing that follows would settle."""
        return self.trouble is not None

    def submit(self, run: Run, origin: Origin) -> Position | None:
        """Send a run; return its position, None for a dead letter, which is settled when this returns.

        Raises:
            VpcFlowError: what an output says; it is kept as `trouble`.
        """
        try:
            if run.letter is not None:
                self.fan.keep(run.letter)
                return None
            position = (next(self._numbers), 0)
            self.fan.submit(Record(data=run.data, origin=origin, position=position, at=run.at))
        except VpcFlowError as error:
            self.trouble = error
            raise
        return position

    def keep(self, letter: DeadLetter) -> None:
        """Keep a dead letter. Raises DeadLetterError, which is kept as `trouble`."""
        try:
            self.fan.keep(letter)
        except VpcFlowError as error:
            self.trouble = error
            raise


@dataclass(frozen=True, slots=True)
class _Sent:
    position: Position
    at: LinesAt
    row_group: int


class Walk:
    """What was sent of one object, and how it stands."""

    def __init__(self, ref: ObjectRef, feed: Feed) -> None:
        """Begin: nothing was sent."""
        self.ref = ref
        self.lines = 0
        self.skipped = False
        self.gone = False
        self._feed = feed
        self._etag = ref.resume.etag if ref.resume else ref.etag
        self._sent: list[_Sent] = []
        self._begun: int | None = None  # the first line that was read
        self._next = (0, 0)  # line and row group up to which all was sent
        self._reason = NO_TIME

    def go(self, reads: Reads, deadline: Deadline) -> None:
        """Send what there is until time is up or something breaks. Raises nothing of ours: `result` tells."""
        if self._feed.is_broken:
            self._reason = str(self._feed.trouble)
        elif not reads.wanted(self.ref):
            self.skipped, self._reason = True, ""
        elif not deadline.is_over():
            try:
                self._walk(reads, deadline)
            except VpcFlowError as error:
                self._reason = str(error)
                self._bury(reads, error)

    def result(self) -> Result:
        """Return how it stands now. Before `settle` it may say that less is settled than is."""
        still = self._feed.fan.open
        first = next((sent for sent in self._sent if sent.position in still), None)
        if first is None and not self._reason:
            return Done(ref=self.ref, lines=self.lines, skipped=self.skipped, gone=self.gone)
        reason = self._reason or str(self._feed.trouble or UNSETTLED)
        if self._begun is None:
            return Left(ref=self.ref, progress=False, reason=reason)
        line, row_group = (first.at.position, first.row_group) if first else self._next
        hops = self.ref.resume.hops if self.ref.resume else 0
        resume = Resume(etag=self._etag, line=line, row_group=row_group, hops=hops)
        ref = replace(self.ref, resume=resume)
        return Left(ref=ref, progress=line > self._begun, reason=reason, lines=self.lines)

    def _walk(self, reads: Reads, deadline: Deadline) -> None:
        with reads.open(self.ref) as reading:
            self._etag = reading.etag
            for run in reading.runs():
                self._next = (run.at.position, run.row_group)
                if self._begun is None:
                    self._begun = run.at.position
                if deadline.is_over():
                    self._reason = "time was up"
                    return
                position = self._feed.submit(run, reading.origin)
                if position is not None:
                    self._sent.append(_Sent(position, run.at, run.row_group))
                self.lines += run.lines
                self._next = (run.at.position + run.lines, run.row_group)
        self._reason = ""

    def _bury(self, reads: Reads, error: VpcFlowError) -> None:
        letter = reads.gone(self.ref, error)
        if letter is None:
            return
        try:
            self._feed.keep(letter)
        except VpcFlowError as kept_not:
            self._reason = str(kept_not)
        else:
            self.gone, self._reason = True, ""


def begin(ref: ObjectRef, feed: Feed, *, reads: Reads, deadline: Deadline) -> Walk:
    """Send the lines of an object that are not settled; return how far it came. Objects of one feed go one after another.

    Never raises for what an object or an output does: it is in the walk's result, and what an output said in `feed.trouble`.
    Whatever else is raised is a fault of this program: nothing may be acknowledged then.
    """
    walk = Walk(ref, feed)
    walk.go(reads, deadline)
    return walk


def settle(feed: Feed, seconds: float) -> bool:
    """Wait so long at most for what is on its way; say whether all of it is settled. An error is kept as `feed.trouble`."""
    try:
        return feed.fan.flush(max(0.0, seconds)) and not feed.is_broken
    except VpcFlowError as error:
        feed.trouble = feed.trouble or error
        return False


def forward_object(ref: ObjectRef, feed: Feed, *, reads: Reads, deadline: Deadline, settle_seconds: float) -> Result:
    """Do all of it for one object: `begin`, `settle`, `Walk.result`."""
    walk = begin(ref, feed, reads=reads, deadline=deadline)
    settle(feed, settle_seconds)
    return walk.result()


def hand_over(results: Sequence[Result], *, send: Callable[[ObjectRef], None] | None, max_continuations: int) -> str:
    """Hand over what is left of the objects that one message named; return '' when that message is settled, else why not.

    A message whose objects got no further is not handed over: it goes back to its queue, which counts how often.

    Args:
        results: of all its objects.
        send: sends a message that names what is left of one; raises VpcFlowError. None: no queue is known.
        max_continuations: so often may an object be handed over.
    """
    left = [one for one in results if isinstance(one, Left)]
    if not left:
        return ""
    why = f"s3://{left[0].ref.bucket}/{left[0].ref.key}: {left[0].reason}"
    if not any(one.progress if isinstance(one, Left) else not one.skipped for one in results):
        return f"{why}; nothing of it was settled this time"
    further = [_handed(one.ref) for one in left]
    if max(ref.resume.hops for ref in further if ref.resume) > max_continuations:
        return f"{why}; handed over {max_continuations} times already (forwarder.max_continuations)"
    if send is None:
        return f"{why}; there is no queue to hand it over to; set forwarder.continue_queue_url"
    try:
        for ref in further:
            send(ref)
    except VpcFlowError as error:
        return f"{why}; it could not be handed over: {error}"
    return ""


def _handed(ref: ObjectRef) -> ObjectRef:
    resume = ref.resume or Resume(etag=ref.etag, line=0, row_group=0, hops=0)
    return replace(ref, resume=replace(resume, hops=resume.hops + 1))
