"""The past of a bucket: lists what is there, lets several processes forward it, and remembers what is settled.

A task is some objects of one folder. What it settles is written down at once, so that a backfill that is interrupted, killed or
refused goes on where it was; what was sent and not written down is sent again and adds nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field

from vpcflow.clock import Clock
from vpcflow.errors import EX_SOFTWARE, VpcFlowError
from vpcflow.forwarding.listing import Listing
from vpcflow.forwarding.progress import Progress
from vpcflow.objects.reference import ObjectRef
from vpcflow.pipeline.counts import Counts

__all__ = ["Backfill", "BackfillReport", "ObjectFate", "TaskFate", "add_counts"]

_MOST_OBJECTS = 64
_MOST_BYTES = 32_000_000  # stored; a larger object is a task of its own
_TASKS_EACH = 2  # for each process: one under way, one that waits
_SLICE_SECONDS = 0.5
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFate:
    """What became of one object. reason: why it is not settled, '' if it is."""

    ref: ObjectRef
    lines: int = 0
    skipped: bool = False
    gone: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFate:
    """What became of a task. counts: by output; trouble: what must stop the whole backfill."""

    objects: Sequence[ObjectFate]
    counts: Mapping[str, Counts] = field(default_factory=dict)
    trouble: VpcFlowError | None = None


Work = Callable[[Sequence[ObjectRef]], TaskFate]


@dataclass(slots=True)
class BackfillReport:
    """Counts. Of folders: folders, folders_done. Of objects: settled, before, skipped, gone, failed, left. bytes: as stored.

    left: not settled because of what stopped all of it.
    """

    dry_run: bool = False
    folders: int = 0
    folders_done: int = 0
    settled: int = 0
    before: int = 0
    skipped: int = 0
    gone: int = 0
    failed: int = 0
    left: int = 0
    lines: int = 0
    bytes: int = 0
    seconds: float = 0.0
    counts: dict[str, Counts] = field(default_factory=dict)
    first: list[str] = field(default_factory=list)

    @property
    def all_well(self) -> bool:
        """Return whether every object is settled and was there."""
        return not self.failed and not self.gone

    def add(self, fate: TaskFate) -> None:
        """Add what became of a task."""
        for one in fate.objects:
            self.lines += one.lines
            if one.reason and fate.trouble is not None and str(fate.trouble) in one.reason:
                self.left += 1  # it is said once, by whoever hears of the trouble
            elif one.reason:
                self.failed += 1
                if len(self.first) < _SHOWN:
                    self.first.append(one.reason)
            elif one.skipped:
                self.skipped += 1
            else:
                self.settled += not one.gone
                self.gone += one.gone
                self.bytes += one.ref.size or 0
        add_counts(self.counts, fate.counts)

    def line_for_people(self) -> str:
        """Return how far it is, in one line."""
        words = _counted(self.settled + self.gone, "object")
        if not self.dry_run:
            words += f", {self.lines:,} lines, {_size(self.bytes)}"
        if self.seconds > 0 and self.lines:
            words += f", {self.lines / self.seconds:,.0f} lines a second"
        words += f", folder {min(self.folders_done + 1, self.folders):,} of {self.folders:,}"
        if 0 < self.folders_done < self.folders and self.seconds:
            minutes = self.seconds / self.folders_done * (self.folders - self.folders_done) / 60
            words += f", about {minutes:,.0f} min left"
        return words

    def lines_for_people(self) -> list[str]:
        """Return it for people."""
        if self.dry_run:
            words = [f"{_counted(self.settled, 'object')} to forward, {_size(self.bytes)}"]
            if self.before:
                words.append(f"{self.before:,} settled before")
            return [f"{_counted(self.folders, 'folder')}: {', '.join(words)}"]
        words = [f"{_counted(self.settled, 'object')} forwarded"]
        words += [
            f"{count:,} {word}"
            for count, word in (
                (self.before, "settled before"),
                (self.skipped, "skipped by their keys"),
                (self.gone, "gone, dead letters now"),
                (self.failed, "failed"),
                (self.left, "left for the next run"),
            )
            if count
        ]
        rate = f", {self.lines / self.seconds:,.0f} lines a second" if self.seconds > 0 and self.lines else ""
        lines = [", ".join(words), f"  {self.lines:,} lines, {_size(self.bytes)} stored{rate}"]
        lines += [_sums(name if len(self.counts) > 1 else "", one) for name, one in sorted(self.counts.items())]
        lines += [f"  {one}" for one in self.first]
        more = self.failed - len(self.first)
        return [*lines, f"  … and {more:,} more"] if more > 0 else lines


class Backfill:
    """One run. Called by one thread; `work` runs in the executor's."""

    def __init__(
        self,
        listing: Listing,
        progress: Progress,
        executor: Executor,
        work: Work,
        *,
        workers: int,
        clock: Clock,
        stop: Callable[[], None],
        on_progress: Callable[[BackfillReport], None] = lambda _report: None,
    ) -> None:
        """Keep the parts.

        Args:
            listing: what is to be forwarded.
            progress: what is settled.
            executor: runs tasks.
            work: forwards the objects of a task; called in the executor.
            workers: how many tasks the executor runs at once.
            clock: for the rate.
            stop: tells all tasks that are under way to end soon.
            on_progress: told how things are, twice a second at least.
        """
        self._listing = listing
        self._progress = progress
        self._executor = executor
        self._work = work
        self._workers = workers
        self._clock = clock
        self._stop = stop
        self._on_progress = on_progress
        self._under_way: dict[Future[TaskFate], str] = {}
        self._trouble: VpcFlowError | None = None
        self.report = BackfillReport()

    def count(self) -> BackfillReport:
        """List only: what a run would forward. Raises VpcFlowError."""
        self.report.dry_run = True
        for ref in self._to_do():
            self.report.settled += 1
            self.report.bytes += ref.size or 0
            self._on_progress(self.report)
        return self.report

    def run(self) -> BackfillReport:
        """Forward all of it; return the report, which `self.report` is at any time.

        Raises:
            VpcFlowError: what stopped it: S3 cannot be listed, the engine refuses or stays away, the state cannot be written.
            KeyboardInterrupt: as it came, after what was settled is written down.
        """
        begun = self._clock.monotonic()
        try:
            self._run(begun)
        except BaseException:
            self._stop()
            self._end()
            raise
        finally:
            self.report.seconds = self._clock.monotonic() - begun
        return self.report

    def _run(self, begun: float) -> None:
        tasks = self._tasks()
        while True:
            while len(self._under_way) < self._workers * _TASKS_EACH and (task := next(tasks, None)) is not None:
                self._under_way[self._executor.submit(self._work, task)] = task[0].url
            if not self._under_way:
                return
            self._note(wait(self._under_way, timeout=_SLICE_SECONDS, return_when=FIRST_COMPLETED).done)
            self.report.seconds = self._clock.monotonic() - begun
            self._on_progress(self.report)
            if self._trouble is not None:
                raise self._trouble

    def _end(self) -> None:
        """Note what is still settled by the tasks under way; those that have not begun are taken back."""
        for future in [*self._under_way]:
            if future.cancel():
                del self._under_way[future]
        while self._under_way:
            self._note(wait(self._under_way, return_when=FIRST_COMPLETED).done)

    def _note(self, done: set[Future[TaskFate]]) -> None:
        for future in done:
            task = self._under_way.pop(future)
            try:
                fate = future.result()
            except BrokenExecutor:
                message = (
                    f"a process of the backfill has died (near {task}); run it again, perhaps with fewer --workers"
                )
                self._trouble = self._trouble or VpcFlowError(message, exit_code=EX_SOFTWARE)
                continue
            self._progress.note([one.ref for one in fate.objects if not (one.reason or one.skipped)])
            self.report.add(fate)
            self._trouble = self._trouble or fate.trouble

    def _tasks(self) -> Iterator[Sequence[ObjectRef]]:
        task: list[ObjectRef] = []
        size = 0
        for ref in self._to_do():
            if task and (len(task) >= _MOST_OBJECTS or size + (ref.size or 0) > _MOST_BYTES):
                yield task
                task, size = [], 0
            task.append(ref)
            size += ref.size or 0
        if task:
            yield task

    def _to_do(self) -> Iterator[ObjectRef]:
        folders = self._listing.folders()
        self.report.folders = len(folders)
        for folder in folders:
            for ref in self._listing.objects(folder):
                if self._progress.is_done(ref):
                    self.report.before += 1
                else:
                    yield ref
            self.report.folders_done += 1


def add_counts(sums: dict[str, Counts], more: Mapping[str, Counts]) -> None:
    """Add counts to others, by output."""
    for name, counts in more.items():
        sum_ = sums.setdefault(name, Counts())
        for part in dataclasses.fields(Counts):
            setattr(sum_, part.name, getattr(sum_, part.name) + getattr(counts, part.name))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:,.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def _sums(name: str, counts: Counts) -> str:
    words = [f"{counts.created:,} documents created", f"{counts.duplicate:,} already there"]
    words += [
        f"{count:,} {word}"
        for count, word in (
            (counts.diverted, "diverted to the failure store"),
            (counts.rejected, "rejected"),
            (counts.undecodable, "undecodable"),
            (counts.filtered, "left out by filters"),
        )
        if count
    ]
    return f"  {name + ': ' if name else ''}{', '.join(words)}"
