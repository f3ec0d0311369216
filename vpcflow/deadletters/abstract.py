"""What every keeper of dead letters promises, and what every reader of them does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vpcflow.deadletters.entry import DeadLetter

__all__ = ["DeadLetters", "Kept", "Shelf", "Unreadable"]


class DeadLetters(Protocol):
    """Keeps dead letters. Called by one thread, before the record they belong to is settled."""

    def put(self, *entries: DeadLetter) -> None:
        """Keep all of them: durable when it returns. The same entry may come again after a restart.

        Raises:
            DeadLetterError: not kept, or not all; nothing may be settled.
            Stopped: a stop was asked for while something was waited for.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that lies among dead letters and is none. `where`: its file and line, or object and line, and so on."""

    where: str
    message: str


class Shelf(Protocol):
    """Some dead letters that lie together: those of a file, an object, a page of an index, some messages of a queue."""

    where: str

    def letters(self) -> Iterator[tuple[int, DeadLetter | Unreadable]]:
        """Yield them, each with its place. A line that a crash cut off is left out: its record was never settled.

        Raises:
            DeadLetterError: they cannot be read.
        """
        ...

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Put other letters, or none, in the places that `changes` names; all else stays. Durable when it returns.

        A crash on the way leaves each place as it was, or as it should be, or both; never neither.

        Raises:
            DeadLetterError: not done, or not all of it. It may be tried again by reading once more.
        """
        ...


class Kept(Protocol):
    """Reads what a `DeadLetters` keeps, also while another process goes on putting."""

    def shelves(self) -> Iterator[Shelf]:
        """Yield the shelves, oldest first where there is an order. Settle each, if at all, before the next is asked for.

        Raises:
            DeadLetterError: they cannot be reached.
        """
        ...

    def close(self) -> None:
        """Let go of connections, and give back what was not settled."""
        ...
