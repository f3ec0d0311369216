"""How much time an invocation has left."""

from __future__ import annotations

from collections.abc import Callable

from vpcflow.clock import Clock

__all__ = ["Deadline"]

_LARGEST_MARGIN = 0.5  # of what there is: a function with a timeout of 3 s does something, too


class Deadline:
    """Counts down from the beginning of an invocation."""

    def __init__(self, clock: Clock, context: object, margin_seconds: float, *, cap_seconds: float) -> None:
        """Begin.

        Args:
            clock: to count with.
            context: of the Lambda; `get_remaining_time_in_millis` is asked once, if it is there.
            margin_seconds: kept for the reply.
            cap_seconds: so long the caller waits for us at most, whatever the function's own timeout says; also what is
                counted down where the context tells no time. `math.inf`: no end.
        """
        remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
        seconds = min(remaining() / 1000 if remaining else cap_seconds, cap_seconds)
        self._clock = clock
        self._end = clock.monotonic() + seconds - min(margin_seconds, seconds * _LARGEST_MARGIN)

    @property
    def left(self) -> float:
        """Return seconds; negative when it is over."""
        return self._end - self._clock.monotonic()

    def is_over(self) -> bool:
        """Return whether nothing more may be begun."""
        return self.left <= 0
