"""What became of what was replayed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter

__all__ = ["Report"]

_SHOWN = 5


@dataclass(slots=True)
class Report:
    """Counts. Of documents: created, duplicate, there, diverted, rejected, would_send. Of letters: all others.

    there: found before anything was sent; would_send: in a dry run.
    succeeded: by the reason they had; failed: by the reason they have now.
    empty: succeeded without a document: a header, a control message, a log group that the settings leave out.
    other_id: documents with another `_id` than the one that was rejected: the settings have changed since.
    """

    dry_run: bool = False
    created: int = 0
    duplicate: int = 0
    there: int = 0
    diverted: int = 0
    rejected: int = 0
    undecodable: int = 0
    would_send: int = 0
    empty: int = 0
    other_id: int = 0
    skipped: int = 0
    unreadable: int = 0
    succeeded: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """Return how many letters were tried."""
        return self.succeeded.total() + self.failed.total()

    @property
    def all_well(self) -> bool:
        """Return whether nothing failed again, and nothing was unreadable."""
        return not self.failed and not self.unreadable

    def note_unreadable(self, one: Unreadable) -> None:
        """Count what is no dead letter."""
        self.unreadable += 1
        self._show(f"{one.where}: {one.message}")

    def note_failed(self, where: str, letter: DeadLetter) -> None:
        """Count a letter that failed again; `letter` as it is now."""
        self.failed[letter.reason] += 1
        kind = f"{letter.error_type}: " if letter.error_type else ""
        self._show(f"{letter.id} in {where}: {letter.reason}: {kind}{letter.message}")

    def lines(self) -> list[str]:
        """Return it for people."""
        well = "would be sent" if self.dry_run else "succeeded"
        sent = f"{self.would_send:,} documents to send" if self.dry_run else f"{self.created:,} documents created"
        words = [sent, f"{self.there:,} already there"]
        for count, word in (
            (self.duplicate, "duplicates"),
            (self.diverted, "diverted to the failure store"),
            (self.rejected, "rejected again"),
            (self.undecodable, "undecodable again"),
            (self.empty, "without a document"),
            (self.skipped, "not asked for"),
            (self.unreadable, "unreadable"),
        ):
            if count:
                words.append(f"{count:,} {word}")
        total = f"{self.tried:,} tried: {self.succeeded.total():,} {well}, {self.failed.total():,} failed again"
        lines = [total, "  " + ", ".join(words)]
        lines += [f"  {well}: {reason}: {count:,}" for reason, count in self.succeeded.most_common()]
        lines += [f"  failed again: {reason}: {count:,}" for reason, count in self.failed.most_common()]
        if self.other_id:
            lines.append(f"  {self.other_id:,} documents have another _id than before: the settings have changed since")
        more = self.failed.total() + self.unreadable - len(self.first)
        lines += [f"  {one}" for one in self.first]
        return [*lines, f"  … and {more:,} more"] if more > 0 else lines

    def _show(self, text: str) -> None:
        if len(self.first) < _SHOWN:
            self.first.append(text)
