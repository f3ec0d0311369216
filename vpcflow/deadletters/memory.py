"""Dead letters that go with the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vpcflow.deadletters.abstract import Shelf
from vpcflow.deadletters.entry import DeadLetter

__all__ = ["MemoryDeadLetters"]


class MemoryDeadLetters:
    """Dead letters in a list, `entries`; for tests. Keeps and reads: it is its own and only shelf."""

    where = "memory"

    def __init__(self) -> None:
        """Start with none."""
        self.entries: list[DeadLetter] = []

    def put(self, *entries: DeadLetter) -> None:
        """Append."""
        self.entries.extend(entries)

    def close(self) -> None:
        """Do nothing."""

    def shelves(self) -> Iterator[Shelf]:
        """Yield the only one, if there is anything on it."""
        if self.entries:
            yield self

    def letters(self) -> Iterator[tuple[int, DeadLetter]]:
        """Yield all."""
        yield from enumerate([*self.entries])

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Change the list."""
        self.entries = [one for at, entry in enumerate(self.entries) for one in changes.get(at, (entry,))]
