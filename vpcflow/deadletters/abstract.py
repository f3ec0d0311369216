"""What every keeper of dead letters promises."""

from __future__ import annotations

from typing import Protocol

from vpcflow.deadletters.entry import DeadLetter

__all__ = ["DeadLetters"]


class DeadLetters(Protocol):
    """Keeps dead letters. Called by one thread, before the record they belong to is settled."""

    def put(self, *entries: DeadLetter) -> None:
        """Keep all of them: durable when it returns. The same entry may come again after a restart.

        Raises:
            DeadLetterError: not kept, or not all; nothing may be settled.
        """
        ...

    def close(self) -> None:
        """Let go of files. May be called twice."""
        ...
