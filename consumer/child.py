"""One child of the daemon: serves one shard.

stdout is the protocol: nothing may be imported before `claim_stdout` that could print, and amazon_kclpy binds its streams when
it is imported. Hence the imports inside of functions.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from consumer.expiry import ExpiryBounds
from consumer.log_channel import log_stream
from consumer.monitor import Monitor
from consumer.process import Process
from consumer.run_folder import ChildNote, RunFolder
from consumer.watchdog import Watchdog
from vpcflow import logs
from vpcflow.clock import Clock, SystemClock
from vpcflow.errors import EX_OK, EX_SOFTWARE, VpcFlowError

if TYPE_CHECKING:
    from consumer.processor import ShardProcessor
    from vpcflow.pipeline.pipeline import Pipeline
    from vpcflow.settings.model import Settings

__all__ = ["WaitLog", "claim_stdout", "main"]

log = logs.get_logger(__name__)

_WAIT_LOG_SECONDS = 30.0
_GRACE_SHARE = 0.4  # of the daemon's grace: the last checkpoint may take five seconds of it


class WaitLog:
    """Says that the cluster is waited for, and why: at once, then every half minute."""

    def __init__(self, shard: str, clock: Clock, waits: Callable[[str], float | None] = lambda _reason: None) -> None:
        """Name the shard that waits. waits: told of each wait; it returns the seconds until unread records expire."""
        self._shard = shard
        self._clock = clock
        self._waits = waits
        self._last: float | None = None

    def __call__(self, reason: str, seconds: float) -> None:
        """Take note of one wait."""
        left = self._waits(reason)
        now = self._clock.monotonic()
        if self._last is None or now - self._last >= _WAIT_LOG_SECONDS:
            self._last = now
            fields: dict[str, object] = {"shard": self._shard, "reason": reason, "wait_seconds": round(seconds, 3)}
            if left is not None:
                fields["seconds_until_expiry"] = round(left)
            log.warning("waiting for the search engine; nothing is checkpointed", extra={"fields": fields})


class _Child:
    """What a child is made of, and the note that it keeps of itself."""

    def __init__(self, folder: RunFolder, clock: Clock) -> None:
        me = Process.of(os.getpid())
        if me is None:
            raise VpcFlowError("/proc does not show this process; the consumer needs Linux with /proc")
        self._folder = folder
        self._clock = clock
        self._note = ChildNote(pid=me.pid, start=me.start)
        folder.note_child(self._note)

    def left(self, code: int, message: str) -> None:
        """Leave no note after a good end; else leave the reason for the supervisor."""
        if code == EX_OK:
            self._folder.forget_child(self._note.pid)
        else:
            self._folder.note_child(replace(self._note, exit_code=code, message=message))

    def monitor(self, settings: Settings) -> Monitor:
        """Build the watch over the shard."""
        metrics = settings.metrics
        return Monitor(
            process=self._note.process,
            folder=self._folder,
            clock=self._clock,
            bounds=ExpiryBounds(warning=metrics.expiry_warning_seconds, critical=metrics.expiry_critical_seconds),
            log_seconds=metrics.log_seconds,
        )

    def processor(self, settings: Settings, stream: str, monitor: Monitor) -> ShardProcessor:
        """Build the processor of the shard."""
        from consumer.checkpoint import Checkpoints
        from consumer.processor import ShardProcessor
        from vpcflow import wiring

        consumer = settings.consumer
        patience = consumer.shutdown_grace_milliseconds / 1000 * _GRACE_SHARE

        def pipeline(shard: str) -> Pipeline:
            self._note = replace(self._note, shard=shard)
            self._folder.note_child(self._note)
            return wiring.pipeline(
                settings,
                should_stop=self._folder.stop_asked,
                on_wait=WaitLog(shard, self._clock, monitor.waits),
                clock=self._clock,
                meters=monitor.meters,
                stop_seconds=patience,
            )

        checkpoints = Checkpoints(
            every_seconds=consumer.checkpoint_seconds,
            every_records=consumer.checkpoint_records,
            every_bytes=consumer.checkpoint_bytes,
            clock=self._clock,
            monitor=monitor,
        )
        return ShardProcessor(
            stream=stream, pipeline=pipeline, checkpoints=checkpoints, patience_seconds=patience, monitor=monitor
        )


def claim_stdout() -> TextIO:
    """Take descriptor 1 for the protocol; whatever else is printed goes to stderr from now on."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    return protocol


def main(*, folder: RunFolder, supervisor: Process, settings: Path | None, environ: Mapping[str, str]) -> int:
    """Serve a shard until the daemon closes the pipe; return the exit code."""
    answers = claim_stdout()
    # The daemon decides when a child goes: by closing the pipe. A signal to the whole group must not come before it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    clock = SystemClock()
    child = _Child(folder, clock)
    Watchdog(supervisor=supervisor, clock=clock).start()
    writer = log_stream(folder.logs)
    logs.configure("info", writer)
    code, message = EX_OK, ""
    try:
        _serve(child, settings, environ, writer, answers)
    except SystemExit as leaving:  # by the processor, which has said why
        code, message = int(leaving.code or EX_OK), str(leaving.__cause__)
    except VpcFlowError as error:
        code, message = error.exit_code, str(error)
        log.error("child leaves", extra={"fields": {"reason": message, "exit_code": code}})  # noqa: TRY400 - one line
    except Exception as error:  # noqa: BLE001 - the last handler of this program
        code, message = EX_SOFTWARE, repr(error)
        log.error("child fails", extra={"fields": {"exit_code": code, "traceback": traceback.format_exc()}})  # noqa: TRY400
    child.left(code, message)
    return code


def _serve(child: _Child, path: Path | None, environ: Mapping[str, str], writer: TextIO, answers: TextIO) -> None:
    from consumer.protocol import ShardProcess
    from vpcflow.settings.load import load

    settings = load(path, environ).settings
    logs.configure(settings.logs.level, writer)
    monitor = child.monitor(settings)
    monitor.start()
    try:
        processor = child.processor(settings, settings.kinesis.stream, monitor)
        questions = open(0, encoding="utf-8", newline="\n", closefd=False)  # noqa: SIM115 - ends with the process
        ShardProcess(processor, questions, answers, sys.stderr).run()
    finally:
        monitor.close()
