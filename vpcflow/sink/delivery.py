"""Patience: one bulk until each of its actions is decided."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vpcflow.clock import Clock
from vpcflow.errors import EX_SOFTWARE, SinkRefused, SinkUnavailable
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.retry import RetryPolicy
from vpcflow.sink.abstract import BodyTooLarge, Overloaded, Sink
from vpcflow.sink.breaker import Breaker, CircuitOpen
from vpcflow.sink.window import Slot, Window
from vpcflow.types import Answer, Bulk, ItemError, Outcome

__all__ = ["Delivery"]

log = get_logger(__name__)

_HTTP_TOO_LARGE, _HTTP_OVERLOADED = 413, 429
_REFUSED_SECONDS = 600.0  # so long a size counts as too large since it was refused last
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

    def cut(self, at: int) -> tuple[_Part, _Part]:
        return self.only(range(at)), self.only(range(at, self.bulk.count))

    def halves(self) -> tuple[_Part, _Part]:
        return self.cut(self.bulk.count // 2)


class _Errand:
    """One bulk on its way: what is decided, and the parts that are not."""

    def __init__(self, bulk: Bulk) -> None:
        self.count = bulk.count
        self.parts = deque([_Part(range(bulk.count), bulk)])
        self.outcomes: dict[int, Outcome] = {}
        self.errors: dict[int, ItemError] = {}
        self.overloads = 0  # of the first part, in a row
        self.wire_bytes = 0
        self.again = False  # something of it was sent before, and not decided

    def split(self, *pieces: _Part) -> None:
        """Put pieces in the place of the first part."""
        self.parts.popleft()
        self.parts.extendleft(reversed(pieces))
        self.overloads = 0

    def settle(self, part: _Part, answer: Answer) -> _Part | None:
        """Write down what was decided about the first part; return the items that were not, as a part of their own."""
        undecided: list[int] = []
        for index, (position, outcome) in enumerate(zip(part.positions, answer.outcomes, strict=True)):
            self.outcomes[position] = outcome
            error = answer.errors.get(index)
            self.errors.pop(position, None)
            if error is not None:
                self.errors[position] = error
            if outcome is Outcome.RETRYABLE:
                undecided.append(index)
                self.errors.setdefault(position, ItemError(status=0, type="", reason="not decided"))
        self.parts.popleft()
        self.overloads = 0
        self.wire_bytes += answer.wire_bytes
        return part.only(undecided) if undecided else None

    def answer(self) -> Answer:
        """Return what became of each item. No default: a position without an outcome is a KeyError, not a success."""
        decided = [self.outcomes[position] for position in range(self.count)]
        errors = {p: e for p, e in sorted(self.errors.items()) if self.outcomes[p] is not Outcome.RETRYABLE}
        return Answer(outcomes=decided, errors=errors, wire_bytes=self.wire_bytes)


class Delivery:
    """Sends bulks through a sink: retries what is undecided, only that, and splits what is too large.

    May be called by several threads at once. They share a window (how many requests may be under way) and a circuit breaker.
    """

    def __init__(
        self,
        sink: Sink,
        policy: RetryPolicy,
        clock: Clock,
        should_stop: Callable[[], bool],
        on_wait: Callable[[str, float], None],
        *,
        window: Window | None = None,
        breaker: Breaker | None = None,
        meters: Meters = UNMETERED,
    ) -> None:
        """Keep the parts.

        Args:
            sink: sends one body once.
            policy: how long is waited, and when to give up.
            clock: for waits and the deadline.
            should_stop: asked while waiting, at least every half second.
            on_wait: told the reason and the seconds before each wait: log, metric, readiness.
            window: None: one request at a time.
            breaker: None: one that never opens.
            meters: told of requests, retries and waits.
        """
        self._sink = sink
        self._policy = policy
        self._clock = clock
        self._should_stop = should_stop
        self._on_wait = on_wait
        self._window = window or Window(1)
        self._breaker = breaker or Breaker(failures=2**63, initial_seconds=1, max_seconds=1, clock=clock)
        self._meters = meters
        self._refused: tuple[int, float] | None = (
            None  # smallest body of several documents that was too large, and when
        )

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
        errand = _Errand(bulk)
        self._policy.run(
            lambda: self._attempt(errand),
            again_on=SinkUnavailable,
            clock=self._clock,
            should_stop=self._should_stop,
            on_wait=self._wait,
            news=lambda: self._breaker.recoveries,
        )
        return errand.answer()

    def _wait(self, reason: str, seconds: float) -> None:
        self._meters.count(catalog.WAIT_SECONDS, seconds)
        self._on_wait(reason, seconds)

    def _attempt(self, errand: _Errand) -> None:
        """Send every part once. After an exception the errand's parts hold all that is undecided."""
        again: list[_Part] = []
        try:
            while errand.parts:
                part = errand.parts[0]
                if self._known_too_large(part.bulk):
                    errand.split(*part.halves())
                    continue
                answer = self._send(errand)
                if answer is not None and (undecided := errand.settle(errand.parts[0], answer)) is not None:
                    again.append(undecided)
        except SinkUnavailable as error:
            errand.again = errand.again or not isinstance(error, CircuitOpen)
            raise
        finally:
            errand.parts.extend(again)
        if again:
            errand.again = True
            positions = [position for part in again for position in part.positions]
            first = errand.errors[positions[0]]
            raise SinkUnavailable(f"{len(positions)} documents wait: {first.status} {first.type}: {first.reason}")

    def _known_too_large(self, bulk: Bulk) -> bool:
        refused = self._refused  # read once: other threads forget and learn
        if refused is None or bulk.count == 1:
            return False
        size, at = refused
        if self._clock.monotonic() - at > _REFUSED_SECONDS:
            self._refused = None  # whatever was between us and the engine may be gone: it is tried once more
            return False
        return len(bulk.body) >= size

    def _send(self, errand: _Errand) -> Answer | None:
        """Send the first part; return the answer, or None where it was split instead."""
        with self._window.slot() as slot:
            probe = self._breaker.admit()
            if probe and errand.parts[0].bulk.count > 1:
                errand.split(*errand.parts[0].cut(1))
            part = errand.parts[0]
            if errand.again:
                self._meters.count(catalog.RETRIES)
            begun = self._clock.monotonic()
            result = "refused"
            try:
                answer = _checked(self._sink.write(part.bulk), part.bulk)
                _raise_if_no_room(answer)
                result = "answered"
            except Overloaded:
                result = "overloaded"
                slot.overloaded()
                self._breaker.neither(probe=probe)
                self._relieve(errand)
                raise
            except SinkUnavailable as error:
                result = "unavailable"
                errand.overloads = 0
                self._breaker.failed(str(error), probe=probe)
                raise
            except BodyTooLarge as error:
                result = "too_large"
                self._breaker.answered()
                return self._too_large(errand, error)
            except BaseException:
                self._breaker.neither(probe=probe)
                raise
            finally:
                self._meters.count(catalog.BULK_REQUESTS, result=result)
                self._meters.observe(catalog.BULK_SECONDS, self._clock.monotonic() - begun)
            self._learn(answer, slot, probe=probe)
        return answer

    def _learn(self, answer: Answer, slot: Slot, *, probe: bool) -> None:
        """Tell window and breaker what the items say: an engine that decides nothing at all is as good as dead."""
        undecided = [p for p, outcome in enumerate(answer.outcomes) if outcome is Outcome.RETRYABLE]
        errors = [answer.errors[p] for p in undecided if p in answer.errors]
        if any(error.status == _HTTP_OVERLOADED for error in errors):
            slot.overloaded()
        if len(undecided) < len(answer.outcomes):
            self._breaker.answered()
        else:
            reason = f"{errors[0].status} {errors[0].type}: {errors[0].reason}" if errors else "nothing was decided"
            self._breaker.failed(reason, probe=probe)

    def _relieve(self, errand: _Errand) -> None:
        """After so many overloads in a row, halve the part: it may be too much for the engine whenever it comes."""
        errand.overloads += 1
        if errand.overloads >= _PATIENCE and errand.parts[0].bulk.count > 1:
            errand.split(*errand.parts[0].halves())

    def _too_large(self, errand: _Errand, error: BodyTooLarge) -> Answer | None:
        bulk = errand.parts[0].bulk
        size = len(bulk.body)
        if bulk.count == 1:
            reason = f"the document is too large for the engine, {size} bytes"
            rejected = ItemError(status=_HTTP_TOO_LARGE, type="body_too_large", reason=reason)
            return Answer(outcomes=(Outcome.REJECTED,), errors={0: rejected})
        refused = self._refused
        self._refused = (min(size, refused[0]) if refused else size, self._clock.monotonic())
        fields = {"bytes": size, "documents": bulk.count, "reason": str(error)}
        log.warning("body too large for the engine, sent in halves from now on", extra={"fields": fields})
        errand.split(*errand.parts[0].halves())
        return None


def _raise_if_no_room(answer: Answer) -> None:
    """Treat an answer that says 429 and takes nothing as one that says so for the whole request: it means the same.

    Not so a block, as that of a full disk: it has nothing to do with how much is sent.

    Raises:
        Overloaded: it does.
    """
    if any(outcome is not Outcome.RETRYABLE for outcome in answer.outcomes):
        return
    for error in answer.errors.values():
        if error.status == _HTTP_OVERLOADED and error.type != "cluster_block_exception":
            raise Overloaded(f"no document was taken: {error.status} {error.type}: {error.reason}")


def _checked(answer: Answer, bulk: Bulk) -> Answer:
    if len(answer.outcomes) != bulk.count:
        raise SinkRefused(
            f"the sink gave {len(answer.outcomes)} outcomes for {bulk.count} documents; a fault of this program",
            exit_code=EX_SOFTWARE,
        )
    return answer
