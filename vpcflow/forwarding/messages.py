"""A batch of messages that name S3 objects: each object goes to the outputs of its input, each message has one fate.

    batch = Messages(…)
    for message in …: batch.take(message.id, message.body, queue_arn)
    batch.settle(seconds)
    for message in …: batch.fate(message.id)   # '' = it may be deleted; else why not

What the Lambda and `vpcflow forward` share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from vpcflow.clock import Clock
from vpcflow.errors import VpcFlowError
from vpcflow.forwarding.work import Deadline, Done, Fan, Feed, Reads, Result, Walk, begin, hand_over, settle
from vpcflow.objects.notification import references
from vpcflow.objects.reference import ObjectRef

__all__ = ["Messages", "OpenFan", "Tally"]

Branches = Any  # `vpcflow.forwarding.outputs.Branches`, which only those look into who give the parts


class OpenFan(Fan, Protocol):
    """A fan that is let go at the end."""

    def close(self) -> None:
        """Let go; what is not settled stays so."""
        ...


@dataclass(slots=True)
class Tally:
    """Counts of a batch. objects: settled; skipped: by their key; gone: dead letters now; handed_over: messages."""

    messages: int = 0
    objects: int = 0
    skipped: int = 0
    gone: int = 0
    handed_over: int = 0
    lines: int = 0


@dataclass(slots=True)
class _Message:
    walks: list[Walk] = field(default_factory=list)
    problem: str = ""


class Messages:
    """Used by one thread, for one invocation or one receive."""

    def __init__(
        self,
        *,
        route: Callable[..., Branches],
        open_fan: Callable[[Branches], OpenFan],
        reads: Callable[[Branches], Reads],
        send: Callable[[ObjectRef], None] | None,
        deadline: Deadline,
        clock: Clock,
        max_continuations: int,
    ) -> None:
        """Keep the parts; fans are opened as they are needed, once for each input.

        Args:
            route: `Outputs.route`: the ARNs of a source to its branches, the same object each time; or VpcFlowError.
            open_fan: opens the fan of branches. May raise VpcFlowError: then nothing of that input is taken.
            reads: the reader of objects for branches.
            send: see `vpcflow.forwarding.work.hand_over`.
            deadline: asked between two runs of lines.
            clock: for the time that inputs are waited for.
            max_continuations: see `hand_over`.
        """
        self._route = route
        self._open_fan = open_fan
        self._reads = reads
        self._send = send
        self._deadline = deadline
        self._clock = clock
        self._max_continuations = max_continuations
        self._messages: dict[str, _Message] = {}
        self._feeds: dict[int, Feed] = {}
        self._broken: dict[int, VpcFlowError] = {}
        self._stack = ExitStack()
        self.tally = Tally()

    @property
    def troubles(self) -> list[VpcFlowError]:
        """Return what outputs said that stopped them, by input."""
        return [*self._broken.values(), *(feed.trouble for feed in self._feeds.values() if feed.trouble)]

    def take(self, name: str, body: object, queue_arn: str, *, deadline: Deadline | None = None) -> None:
        """Send the objects that a message names; never raises for what is wrong with it, or with an output.

        Args:
            name: of the message: its id.
            body: of it: text, or what was parsed of it.
            queue_arn: where it came from; tells the input where no pattern matches the object itself.
            deadline: of this message alone.
        """
        try:
            refs = references(body)
        except VpcFlowError as error:
            self.tally.messages += 1
            self._messages[name] = _Message(problem=str(error))
        else:
            self.take_objects(name, refs, queue_arn, deadline=deadline)

    def take_objects(
        self, name: str, refs: Sequence[ObjectRef], queue_arn: str = "", *, deadline: Deadline | None = None
    ) -> None:
        """Send some objects; as `take`, for something that names them without a message."""
        message = self._messages[name] = _Message()
        self.tally.messages += 1
        try:
            feeds = [self._feed(ref, queue_arn) for ref in refs]
        except VpcFlowError as error:
            message.problem = str(error)
            return
        for ref, (feed, reads) in zip(refs, feeds, strict=True):
            message.walks.append(begin(ref, feed, reads=reads, deadline=deadline or self._deadline))

    def results(self, name: str) -> tuple[str, list[Result]]:
        """Return why nothing of a message was sent, '' if it was; and how its objects stand now, without handing over."""
        message = self._messages[name]
        return message.problem, [walk.result() for walk in message.walks]

    def settle(self, seconds: float) -> bool:
        """Wait so long at most, for all inputs together, for what is on its way; say whether all that was sent is settled.

        Each of them is asked, also after one that took all the time.
        """
        end = self._clock.monotonic() + seconds
        done = [settle(feed, end - self._clock.monotonic()) for feed in self._feeds.values()]
        return all(done)

    def knows(self, name: str) -> bool:
        """Return whether a message was taken."""
        return name in self._messages

    def is_settled(self, name: str) -> bool:
        """Return whether a message is settled already, without waiting and without handing anything over."""
        message = self._messages[name]
        return not message.problem and all(isinstance(walk.result(), Done) for walk in message.walks)

    def fate(self, name: str) -> str:
        """Hand over what is left of a message; return '' if it may be deleted now, else why not. Once for each message."""
        message = self._messages[name]
        if message.problem:
            return message.problem
        results = [walk.result() for walk in message.walks]
        self._count(results)
        why = hand_over(results, send=self._send, max_continuations=self._max_continuations)
        self.tally.handed_over += not why and not all(isinstance(one, Done) for one in results)
        return why

    def close(self) -> None:
        """Let all fans go."""
        self._stack.close()

    def _feed(self, ref: ObjectRef, queue_arn: str) -> tuple[Feed, Reads]:
        branches = self._branches(ref, queue_arn)
        key = id(branches)
        if key in self._broken:
            raise self._broken[key]
        if key not in self._feeds:
            try:
                fan = self._open_fan(branches)
            except VpcFlowError as error:
                self._broken[key] = error
                raise
            self._stack.callback(fan.close)
            self._feeds[key] = Feed(fan)
        return self._feeds[key], self._reads(branches)

    def _branches(self, ref: ObjectRef, queue_arn: str) -> Branches:
        """Return those of the first input that names the object or its queue."""
        partition = queue_arn.split(":")[1] if queue_arn.startswith("arn:") else "aws"
        name = f"arn:{partition}:s3:::{ref.bucket}/{ref.key}"
        return self._route(name, queue_arn) if queue_arn else self._route(name)

    def _count(self, results: list[Result]) -> None:
        for one in results:
            self.tally.lines += one.lines
            if isinstance(one, Done):
                self.tally.objects += not (one.skipped or one.gone)
                self.tally.skipped += one.skipped
                self.tally.gone += one.gone
