"""A process of a backfill: forwards the objects of a task, and ends with the process that started it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event
from typing import Any, Protocol

from vpcflow.errors import EX_CONFIG, EX_NOPERM, EX_TEMPFAIL, Stopped, VpcFlowError
from vpcflow.forwarding.backfill import ObjectFate, TaskFate
from vpcflow.forwarding.messages import Messages
from vpcflow.forwarding.work import Deadline, Done, Result
from vpcflow.objects.reference import ObjectRef
from vpcflow.pipeline.counts import Counts

__all__ = ["MakesBatch", "Opener", "TaskWorker", "executor", "work"]

_SETTLE_SECONDS = 1.0
_STOP_SECONDS = 10.0  # for what is under way when a stop is asked for
_TERM_SECONDS = _STOP_SECONDS + 5.0
_ENDING = (EX_NOPERM, EX_CONFIG, EX_TEMPFAIL)  # what an output says with these is so for every object that follows


class MakesBatch(Protocol):
    """Makes the messages of a task, and says afterwards what went through."""

    def __call__(self, deadline: Deadline) -> tuple[Messages, Callable[[], Mapping[str, Counts]]]:
        """Return new ones."""
        ...


Opener = Callable[[], MakesBatch]


class TaskWorker:
    """Forwards tasks, one after another."""

    def __init__(self, make: MakesBatch, is_stopped: Callable[[], bool]) -> None:
        """Keep the parts."""
        self._make = make
        self._is_stopped = is_stopped

    def is_over(self) -> bool:
        """Return whether nothing more may be begun: a deadline."""
        return self._is_stopped()

    def __call__(self, refs: Sequence[ObjectRef]) -> TaskFate:
        """Forward the objects of a task. Raises nothing of ours: it is in the answer."""
        batch, counts = self._make(self)
        try:
            for number, ref in enumerate(refs):
                batch.take_objects(str(number), [ref])
            self._settle(batch)
            objects = [_fate(ref, *batch.results(str(number))) for number, ref in enumerate(refs)]
            trouble = next((error for error in batch.troubles if error.exit_code in _ENDING), None)
            return TaskFate(objects=objects, counts=counts(), trouble=None if isinstance(trouble, Stopped) else trouble)
        finally:
            batch.close()

    def _settle(self, batch: Messages) -> None:
        while not batch.settle(_SETTLE_SECONDS):
            if batch.troubles or self._is_stopped():
                batch.settle(_STOP_SECONDS)
                return


def _fate(ref: ObjectRef, problem: str, results: Sequence[Result]) -> ObjectFate:
    if problem:
        return ObjectFate(ref=ref, reason=f"{ref.url}: {problem}")
    (one,) = results
    if isinstance(one, Done):
        return ObjectFate(ref=ref, lines=one.lines, skipped=one.skipped, gone=one.gone)
    reason = one.reason if one.reason.startswith("s3://") else f"{ref.url}: {one.reason}"
    return ObjectFate(ref=ref, lines=one.lines, reason=reason)


_worker: TaskWorker | VpcFlowError | None = None  # of this process


def executor(opener: Opener, workers: int) -> tuple[ProcessPoolExecutor, Callable[[], None]]:
    """Return what runs `work` in so many processes, and what tells them to stop. `opener` can be pickled."""
    context = multiprocessing.get_context("spawn")
    stop: Any = context.Event()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(opener, stop))
    return pool, stop.set


def work(refs: Sequence[ObjectRef]) -> TaskFate:
    """Forward the objects of a task, in a process of `executor`."""
    if isinstance(_worker, VpcFlowError):
        return TaskFate(objects=[ObjectFate(ref=ref, reason=f"{ref.url}: {_worker}") for ref in refs], trouble=_worker)
    if _worker is None:
        raise RuntimeError("not a process of a backfill")
    return _worker(refs)


def _begin(opener: Opener, stop: Event) -> None:
    global _worker  # noqa: PLW0603 - a process pool has no other place for what lives as long as a process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it, and tells us
    signal.signal(
        signal.SIGTERM, _end_soon
    )  # likewise, where all processes are sent one; a broken pool sends it to us alone
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    try:
        _worker = TaskWorker(opener(), stop.is_set)
    except VpcFlowError as error:
        _worker = error


def _end_soon(*_: object) -> None:
    """End this process, but not before the first one could let us settle what is under way."""
    timer = threading.Timer(_TERM_SECONDS, os._exit, (EX_TEMPFAIL,))
    timer.daemon = True
    timer.start()


def _end_with(parent: int) -> None:
    """End this process when the first one has: what it was about to settle is not written down by anybody."""
    wait([parent])
    os._exit(EX_TEMPFAIL)
