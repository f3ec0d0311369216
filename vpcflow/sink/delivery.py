"""Patience: one bulk until each of its actions is decided."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vpcflow.clock import Clock
from vpcflow.errors import EX_SOFTWARE, SinkRefused, SinkUnavailable
from vpcflow.logs import get_logger
from vpcflow.retry import RetryPolicy
from vpcflow.sink.abstract import BodyTooLarge, Overloaded, Sink
from vpcflow.types import Answer, Bulk, ItemError, Outcome

__all__ = ["Delivery"]

log = get_logger(__name__)

_HTTP_TOO_LARGE = 413
_PATIENCE = 3  # a body that was too much for the engine so often in a row is sent in halves


@dataclass(frozen=True, slots=True)
class _Part:
    """Some items of the bulk that is being delivered, and where they stand in it."""

    positions: Sequence[int]
    bulk: Bulk

    def only(self, indexes: Sequence[int]) -> _Part:
        items = self.bulk.items()
        body = b"".join([items[index] for index in indexes])
        return _Part([self.positions[index] for index in indexes], Bulk(body, len(indexes)))

    def halves(self) -> tuple[_Part, _Part]:
        middle = self.bulk.count // 2
        return self.only(range(middle)), self.only(range(middle, self.bulk.count))


class Delivery:
    """Sends bulks through a sink: retries what is undecided, only that, and splits what is too large."""

    def __init__(
        self,
        sink: Sink,
        policy: RetryPolicy,
        clock: Clock,
        should_stop: Callable[[], bool],
        on_wait: Callable[[str, float], None],
    ) -> None:
        """Keep the parts.

        Args:
            sink: sends one body once.
            policy: how long is waited, and when to give up.
            clock: for waits and the deadline.
            should_stop: asked while waiting, at least every half second.
            on_wait: told the reason and the seconds before each wait: log, metric, readiness.
        """
        self._sink = sink
        self._policy = policy
        self._clock = clock
        self._should_stop = should_stop
        self._on_wait = on_wait
        self._overloads = 0
        self._refused_bytes: int | None = None  # smallest body of several documents that was too large

    def deliver(self, bulk: Bulk) -> Answer:
        """Return one outcome per action, none of them RETRYABLE.

        A document that is too large even alone is REJECTED. May be called again with the same bulk after any exception.

        Raises:
            SinkRefused: from the sink; what was taken before is a DUPLICATE the next time.
            SinkUnavailable: the deadline passed.
            Stopped: a stop was asked for during a wait.
        """
        if bulk.count == 0:
            return Answer(outcomes=())
        outcomes: dict[int, Outcome] = {}
        errors: dict[int, ItemError] = {}
        parts = deque([_Part(range(bulk.count), bulk)])

        def attempt() -> None:
            undecided = self._drain(parts, outcomes, errors)
            parts.extend(undecided)
            if undecided:
                positions = [position for part in undecided for position in part.positions]
                error = errors[positions[0]]
                raise SinkUnavailable(f"{len(positions)} documents wait: {error.status} {error.type}: {error.reason}")

        self._policy.run(
            attempt,
            again_on=SinkUnavailable,
            clock=self._clock,
            should_stop=self._should_stop,
            on_wait=self._on_wait,
        )
        # No default: a position without an outcome is a KeyError, not a success.
        decided = [outcomes[position] for position in range(bulk.count)]
        rejected = {p: e for p, e in sorted(errors.items()) if outcomes[p] is not Outcome.RETRYABLE}
        return Answer(outcomes=decided, errors=rejected)

    def _drain(self, parts: deque[_Part], outcomes: dict[int, Outcome], errors: dict[int, ItemError]) -> list[_Part]:
        """Send every part once; return what is to be sent again. After an exception `parts` holds all that is undecided."""
        again: list[_Part] = []
        try:
            while parts:
                part = parts[0]
                answer = self._write(part)
                parts.popleft()
                self._overloads = 0
                if answer is None:
                    parts.extendleft(reversed(part.halves()))
                    continue
                undecided = _settle(part, answer, outcomes, errors)
                if undecided is not None:
                    again.append(undecided)
        except SinkUnavailable as error:
            self._overloads = self._overloads + 1 if isinstance(error, Overloaded) else 0
            if self._overloads >= _PATIENCE and parts[0].bulk.count > 1:
                self._overloads = 0
                parts.extendleft(reversed(parts.popleft().halves()))
            parts.extend(again)
            raise
        return again

    def _write(self, part: _Part) -> Answer | None:
        """Return the answer, or None where the part must be sent in halves."""
        size, count = len(part.bulk.body), part.bulk.count
        if count > 1 and self._refused_bytes is not None and size >= self._refused_bytes:
            return None
        try:
            return self._sink.write(part.bulk)
        except BodyTooLarge as error:
            if count == 1:
                reason = f"the document is too large for the engine, {size} bytes"
                rejected = ItemError(status=_HTTP_TOO_LARGE, type="body_too_large", reason=reason)
                return Answer(outcomes=(Outcome.REJECTED,), errors={0: rejected})
            self._refused_bytes = size
            fields = {"bytes": size, "documents": count, "reason": str(error)}
            log.warning("body too large for the engine, sent in halves from now on", extra={"fields": fields})
            return None


def _settle(part: _Part, answer: Answer, outcomes: dict[int, Outcome], errors: dict[int, ItemError]) -> _Part | None:
    """Write down what was decided; return the items that were not, as a part of their own."""
    if len(answer.outcomes) != part.bulk.count:
        raise SinkRefused(
            f"the sink gave {len(answer.outcomes)} outcomes for {part.bulk.count} documents; a fault of this program",
            exit_code=EX_SOFTWARE,
        )
    undecided: list[int] = []
    for index, (position, outcome) in enumerate(zip(part.positions, answer.outcomes, strict=True)):
        outcomes[position] = outcome
        error = answer.errors.get(index)
        errors.pop(position, None)
        if error is not None:
            errors[position] = error
        if outcome is Outcome.RETRYABLE:
            undecided.append(index)
            errors.setdefault(position, ItemError(status=0, type="", reason="not decided"))
    return part.only(undecided) if undecided else None
