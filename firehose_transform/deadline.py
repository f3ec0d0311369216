"""How much time an invocation has left."""

from __future__ import annotations

from collections.abc import Callable

from vpcflow.clock import Clock

__all__ = ["Deadline"]

# Firehose waits 5 minutes for an invocation: https://docs.aws.amazon.com/firehose/latest/dev/limits.html
_FIREHOSE_SECONDS = 300.0
_LARGEST_MARGIN = 0.5  # of what there is: a function with a timeout of 3 s does something, too


class Deadline:
    """Counts down from the beginning of an invocation."""

    def __init__(self, clock: Clock, context: object, margin_seconds: float) -> None:
        """Begin.

        Args:
            clock: to count with.
            context: of the Lambda; `get_remaining_time_in_millis` is asked once, if it is there.
            margin_seconds: kept for the reply.
        """
        remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
        seconds = min(remaining() / 1000 if remaining else _FIREHOSE_SECONDS, _FIREHOSE_SECONDS)
        self._clock = clock
        self._end = clock.monotonic() + seconds - min(margin_seconds, seconds * _LARGEST_MARGIN)

    @property
    def left(self) -> float:
        """Return seconds; negative when it is over."""
        return self._end - self._clock.monotonic()

    def is_over(self) -> bool:
        """Return whether nothing more may be begun."""
        return self.left <= 0
