"""What the demo shows. On a terminal with colour and a line that moves; elsewhere plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from vpcflow.demo.proof import Verdict

__all__ = ["Bar", "Screen"]

_PLAIN_STEP = 5  # documents indexed are told at every fifth of the way where no line can move


class Bar:
    """Progress of the documents; one line on a terminal, a few elsewhere."""

    def __init__(self, console: Console, progress: Progress | None, task: TaskID | None, total: int) -> None:
        """Made by `Screen.progress`."""
        self._console, self._progress, self._task, self._total = console, progress, task, total
        self._told = 0

    def update(self, done: int, seconds: float) -> None:
        """Show how many documents are there after so many seconds."""
        rate = done / seconds if seconds > 0 else 0.0
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, rate=f"{rate:,.0f}/s")
            return
        step = done * _PLAIN_STEP // max(self._total, 1)
        if step > self._told:
            self._told = step
            self._console.print(f"  {done:,} of {self._total:,} documents, {rate:,.0f}/s")


class Screen:
    """Everything goes to stdout; nothing of it is needed by a program."""

    def __init__(self) -> None:
        """NO_COLOR and pipes are respected by rich."""
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=120, soft_wrap=True)

    def title(self, text: str) -> None:
        """Start a part."""
        self._console.print(f"\n[bold]{text}[/]")

    def say(self, text: str) -> None:
        """Print one line as it is."""
        self._console.print(f"  {text}", markup=False)

    @contextmanager
    def progress(self, total: int) -> Iterator[Bar]:
        """Show a bar while documents come in."""
        if not self._console.is_terminal:
            yield Bar(self._console, None, None, total)
            return
        columns = (
            TextColumn("  documents"),
            BarColumn(40),
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
            mark = "[green]✓[/]" if one.good else "[red]✗[/]"
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
            table.add_row(key, f"{count:,}", "█" * max(1, round(30 * count / most)))
        self._console.print(table)
