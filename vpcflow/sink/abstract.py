"""What a sink is."""

from __future__ import annotations

from typing import Protocol

from vpcflow.errors import SinkError, SinkUnavailable
from vpcflow.types import Answer, Bulk

__all__ = ["BodyTooLarge", "Overloaded", "Sink"]


class BodyTooLarge(SinkError):
    """The engine, or a proxy before it, does not take bodies of this size (413). Smaller ones may pass.

    Raised to `vpcflow.sink.delivery` only, which splits; it gets no further.
    """


class Overloaded(SinkUnavailable):
    """The engine has no room for this request now (429). It may never have for one so large: after a while send less."""


class Sink(Protocol):
    """Takes bulks. Called by several threads at once, each with a bulk of its own."""

    def write(self, bulk: Bulk) -> Answer:
        """Send one body once, and say what became of each action, by position.

        May block for one request timeout; never waits to try again (`Delivery` does). Every action has exactly one outcome,
        RETRYABLE among them. Sending the same actions again is always safe: their ids make the second time a DUPLICATE.

        Raises:
            SinkUnavailable: no answer, or none that decides anything (Overloaded among them). Part of the body may have
                been taken all the same.
            SinkRefused: the request is wrong and stays wrong: credentials, privileges, missing target or pipeline.
            BodyTooLarge: nothing was taken; send less at once.
        """
        ...

    def close(self) -> None:
        """Give connections back. May be called twice; nothing may be written afterwards."""
        ...
