"""How often and how long something is asked again. The only place that knows tenacity.

tenacity's own `stop_after_delay` reads the system's clock even when its sleep is replaced, so the deadline is ours, on the
Clock that is passed in; the waits are its exponential backoff with full jitter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from vpcflow.clock import Clock
from vpcflow.errors import Stopped

__all__ = ["RetryPolicy", "sleep_interruptibly"]

T = TypeVar("T")

_SLICE_SECONDS = 0.5  # a stop is noticed within this time
_RETRY_AFTER_CAP_SECONDS = 300.0  # a server may ask for more; it is asked again anyway


def _never() -> bool:
    return False


def _unheard(_reason: str, _seconds: float) -> None:
    return None


def _no_news() -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to ask again, and when to give up.

    initial_seconds: upper bound of the first wait; it doubles with each attempt.
    max_seconds: upper bound of any wait that the server did not ask for itself.
    deadline_seconds: give up after so many seconds since the first attempt; 0: never.
    """

    initial_seconds: float = 0.5
    max_seconds: float = 30.0
    deadline_seconds: float = 0.0

    def run(
        self,
        attempt: Callable[[], T],
        *,
        again_on: type[Exception] | tuple[type[Exception], ...],
        clock: Clock,
        should_stop: Callable[[], bool] = _never,
        on_wait: Callable[[str, float], None] = _unheard,
        news: Callable[[], int] = _no_news,
    ) -> T:
        """Call `attempt` until it returns, and wait between the calls.

        Args:
            attempt: called again unchanged; whatever it keeps between two calls is its own affair.
            again_on: exceptions after which it is called again. A `retry_after` attribute of them is honoured.
            clock: for waits and the deadline.
            should_stop: asked before and during each wait, every half second; never before the first attempt.
            on_wait: told the reason and the seconds before each wait.
            news: a number; when it is another one than at the beginning of a wait, the wait ends at once.

        Raises:
            Stopped: `should_stop` said so.
            Exception: past the deadline the last error of `again_on`; any other error of `attempt` at once.
        """
        start = clock.monotonic()

        def left() -> float:
            return self.deadline_seconds - (clock.monotonic() - start) if self.deadline_seconds else float("inf")

        def tell(state: RetryCallState) -> None:
            on_wait(str(_error(state)), min(state.upcoming_sleep, left()))

        retrying = Retrying(
            sleep=lambda seconds: sleep_interruptibly(
                min(seconds, left()), clock=clock, should_stop=should_stop, news=news
            ),
            stop=lambda _state: left() <= 0,
            wait=self._wait,
            retry=retry_if_exception_type(again_on),
            before_sleep=tell,
            reraise=True,
        )
        return retrying(attempt)

    def _wait(self, state: RetryCallState) -> float:
        backoff = wait_random_exponential(multiplier=self.initial_seconds, max=self.max_seconds)(state)
        asked = getattr(_error(state), "retry_after", None) or 0.0
        return max(backoff, min(asked, _RETRY_AFTER_CAP_SECONDS))


def sleep_interruptibly(
    seconds: float, *, clock: Clock, should_stop: Callable[[], bool], news: Callable[[], int] = _no_news
) -> None:
    """Sleep in slices of at most half a second, until the time is over or `news` is another number than now.

    Raises:
        Stopped: `should_stop` said so, before or in between.
    """
    end = clock.monotonic() + seconds
    heard = news()
    while True:
        if should_stop():
            raise Stopped("stopped while waiting; what was not settled is read again at the next start")
        rest = end - clock.monotonic()
        if rest <= 0 or news() != heard:
            return
        clock.sleep(min(rest, _SLICE_SECONDS))


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
