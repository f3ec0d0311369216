"""What the demo shows. On a terminal with colour and a line that moves; elsewhere plain lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from vpcflow.demo.proof import Verdict

__all__ = ["Bar", "Screen"]

_PLAIN_STEP = 5  # documents indexed are told at every fifth of the way where no line can move
_BAR_WIDTH = 30
_FANCY, _PLAIN = ("✓", "✗", "█"), ("ok", "NO", "#")


class Bar:
    """Progress of the documents; one line on a terminal, a few elsewhere."""

    def __init__(self, console: Console, progress: Progress | None, task: TaskID | None, total: int) -> None:
        """Made by `Screen.progress`."""
        self._console, self._progress, self._task, self._total = console, progress, task, total
        self._told = 0
        self._begun: float | None = None
        self._before: float | None = None

    def update(self, done: int, now: float) -> None:
        """Show how many documents are there. Their rate counts from the last moment when there were none."""
        if done and self._begun is None:
            self._begun = now if self._before is None else self._before
        self._before = now
        seconds = 0.0 if self._begun is None else now - self._begun
        rate = f"{done / seconds:,.0f}/s" if seconds > 0 else ""
        if self._progress is not None and self._task is not None:
            waiting = "waiting for the Kinesis Client Library, about ten seconds"
            self._progress.update(self._task, completed=done, rate=rate if done else waiting)
            return
        step = done * _PLAIN_STEP // max(self._total, 1)
        if step > self._told:
            self._told = step
            self._console.print(f"  {done:,} of {self._total:,} documents" + (f", {rate}" if rate else ""))


class Screen:
    """Everything goes to stdout; nothing of it is needed by a program."""

    def __init__(self) -> None:
        """NO_COLOR and pipes are respected by rich."""
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=120, soft_wrap=True)
        try:
            "".join(_FANCY).encode(sys.stdout.encoding)
            self._good, self._bad, self._block = _FANCY
        except UnicodeEncodeError:
            self._good, self._bad, self._block = _PLAIN

    def title(self, text: str) -> None:
        """Start a part."""
        self._console.print()
        self._console.print(text, style="bold", markup=False)

    def say(self, text: str) -> None:
        """Print one line as it is: it may be a command to copy."""
        self._console.print(f"  {text}", markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, total: int) -> Iterator[Bar]:
        """Show a bar while documents come in."""
        if not self._console.is_terminal:
            yield Bar(self._console, None, None, total)
            return
        columns = (
            TextColumn("  documents"),
            BarColumn(_BAR_WIDTH),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as shown:
            yield Bar(self._console, shown, shown.add_task("documents", total=total, rate=""), total)

    def verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Show what was proven."""
        table = Table(box=None, padding=(0, 2), show_edge=False)
        for name in ("", "claim", "planted", "found"):
            table.add_column(name)
        for one in verdicts:
            mark = f"[green]{self._good}[/]" if one.good else f"[red]{self._bad}[/]"
            table.add_row(mark, one.claim, one.planted, one.found)
        self._console.print(table)

    def counts(self, name: str, counts: Mapping[str, int]) -> None:
        """Show counts as bars, the largest first."""
        most = max(counts.values(), default=1)
        table = Table(box=None, padding=(0, 2), show_edge=False)
        table.add_column(name)
        table.add_column("flows", justify="right")
        table.add_column("")
        for key, count in counts.items():
            table.add_row(key, f"{count:,}", self._block * max(1, round(_BAR_WIDTH * count / most)))
        self._console.print(table)
