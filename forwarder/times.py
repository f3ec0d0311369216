"""The time of one invocation, in parts: to begin things, to settle them, to hand over what is left and answer."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from vpcflow.clock import Clock
from vpcflow.settings.model import Settings

__all__ = ["LAMBDA_SECONDS", "Times", "bounded", "hand_over_seconds", "request_seconds"]

LAMBDA_SECONDS = 900.0
"""The longest that an invocation may take: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

_LARGEST_MARGIN = 0.5  # of what there is: a function with a timeout of 3 s does something, too
_LAST_PART = 0.4  # of the margin, for the hand-over and the answer
_REQUEST_PART = 1 - _LAST_PART
_HAND_OVER_PART = 0.3  # of the margin, for one hand-over: one at least fits into the last part
_HAND_OVER_SECONDS = 10.0


class Times:
    """Counts down from the beginning of an invocation."""

    def __init__(self, clock: Clock, context: object, margin_seconds: float) -> None:
        """Begin.

        Args:
            clock: to count with.
            context: of the Lambda; `get_remaining_time_in_millis` is asked once, if it is there.
            margin_seconds: kept of what is left; half of it at most.
        """
        remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
        seconds = min(remaining() / 1000 if remaining else LAMBDA_SECONDS, LAMBDA_SECONDS)
        self._clock = clock
        self._end = clock.monotonic() + seconds
        self.margin = max(0.0, min(margin_seconds, seconds * _LARGEST_MARGIN))

    def is_over(self) -> bool:
        """Return whether nothing more may be begun: no object, no record, no attempt after the first."""
        return self.left <= self.margin

    @property
    def settle_seconds(self) -> float:
        """Return how long answers may still be waited for; not negative."""
        return max(0.0, self.left - self.margin * _LAST_PART)

    @property
    def left(self) -> float:
        """Return seconds until Lambda ends the process; negative when it has."""
        return self._end - self._clock.monotonic()


def request_seconds(margin_seconds: float, asked_seconds: float) -> float:
    """Return how long one request may take, so that one which was begun in time is answered in time.

    Args:
        margin_seconds: `Times.margin`.
        asked_seconds: what the settings say for programs that have all the time.
    """
    return max(0.1, min(asked_seconds, margin_seconds * _REQUEST_PART))


def hand_over_seconds(margin_seconds: float) -> float:
    """Return the longest that one hand-over may take, to connect and to be answered; one is begun while so much is left.

    Args:
        margin_seconds: `Times.margin`.
    """
    return min(_HAND_OVER_SECONDS, margin_seconds * _HAND_OVER_PART)


def bounded(settings: Settings, margin_seconds: float) -> Settings:
    """Return the settings of an output with a patience that fits into an invocation, see `request_seconds`."""
    engine = settings.elasticsearch
    seconds = request_seconds(margin_seconds, engine.request_timeout_seconds)
    return replace(settings, elasticsearch=replace(engine, request_timeout_seconds=seconds))
