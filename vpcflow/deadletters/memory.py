"""Dead letters that go with the process."""

from __future__ import annotations

from vpcflow.deadletters.entry import DeadLetter

__all__ = ["MemoryDeadLetters"]


class MemoryDeadLetters:
    """Dead letters in a list, `entries`; for tests and dry runs."""

    def __init__(self) -> None:
        """Start with none."""
        self.entries: list[DeadLetter] = []

    def put(self, *entries: DeadLetter) -> None:
        """Append."""
        self.entries.extend(entries)

    def close(self) -> None:
        """Do nothing."""
