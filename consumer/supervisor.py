"""Keeps one daemon alive, and sees to it that nothing of an earlier one lives beside it.

The KCL's daemon ends whenever a child ends, and does not notice an idle child's death at all. So this program watches the
children itself, ends the daemon when one is gone, and starts it again, later each time.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM
from typing import BinaryIO

from consumer import daemon
from consumer.backoff import Backoff
from consumer.board import Board
from consumer.log_channel import LogReader
from consumer.process import Process
from consumer.run_folder import ChildNote, RunFolder
from vpcflow.clock import Clock
from vpcflow.errors import EX_CONFIG, EX_DATAERR, EX_NOPERM, EX_OK, Stopped
from vpcflow.logs import get_logger

__all__ = ["Supervisor", "Timing"]

log = get_logger(__name__)

_FATAL = (EX_DATAERR, EX_NOPERM, EX_CONFIG)  # the next daemon would meet the same
_ORPHAN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take, in seconds."""

    grace: float  # the daemon's own shutdownGraceMillis
    margin: float = 5.0  # beyond it, before the daemon is killed
    restart_first: float = 1.0
    restart_max: float = 60.0
    steady: float = 300.0  # a daemon that lived so long was a good one
    lock: float = 15.0
    tick: float = 0.5


class Supervisor:
    """Runs `command` again and again until asked to stop."""

    def __init__(
        self,
        *,
        command: Sequence[str],
        folder: RunFolder,
        timing: Timing,
        clock: Clock,
        stderr: BinaryIO,
        board: Board | None = None,
    ) -> None:
        """Nothing is started yet. board: told what happens, for those who ask."""
        self._command = command
        self._folder = folder
        self._timing = timing
        self._clock = clock
        self._stderr = stderr
        self._board = board or Board(folder, clock)
        self._backoff = Backoff(timing.restart_first, timing.restart_max)
        self._stopping = False

    def ask_stop(self) -> None:
        """Stop soon. Safe in a signal handler."""
        self._stopping = True

    def _asked(self) -> bool:
        return self._stopping

    def run(self, prepare: Callable[[], None]) -> int:
        """Hold the lock, call `prepare` once nothing of an earlier supervisor lives, supervise; return the exit code."""
        self._folder.create()
        lock = self._folder.locked(clock=self._clock, seconds=self._timing.lock, should_stop=self._asked)
        try:
            with lock:
                self._logs = LogReader(self._folder.logs, self._stderr)
                try:
                    self._end_earlier()
                    prepare()
                    self._folder.remember()
                    return self._supervise()
                finally:
                    self._logs.close()
                    self._board.forget()
        except Stopped:
            return EX_OK

    def _supervise(self) -> int:
        while True:
            begun = self._clock.monotonic()
            failed = self._run_once()
            if self._asked():
                log.info("consumer stopped")
                return EX_OK
            for note in failed:
                if note.exit_code in _FATAL:
                    fields = {"reason": note.message, "exit_code": note.exit_code}
                    log.error("consumer ends: starting again would not help", extra={"fields": fields})
                    return int(note.exit_code)
            if self._clock.monotonic() - begun >= self._timing.steady:
                self._backoff.reset()
            wait = self._backoff.next()
            log.warning("daemon will be started again", extra={"fields": {"wait_seconds": round(wait, 3)}})
            self._wait(wait, self._asked)
            if self._asked():
                return EX_OK

    def _run_once(self) -> list[ChildNote]:
        """Run one daemon to its end; return the notes of children that left with an exit code."""
        self._folder.check()
        running = daemon.start(self._command, self._folder)
        try:
            self._board.daemon_starts()
            if (process := Process.of(running.pid)) is not None:
                self._folder.note_daemon(process)
            log.info("daemon started", extra={"fields": {"pid": running.pid}})
            while running.poll() is None and not self._asked():
                self._folder.check()
                if (dead := self._dead_child()) is not None:
                    fields = {"pid": dead.pid, "shard": dead.shard, "exit_code": dead.exit_code, "reason": dead.message}
                    log.warning("child is gone; the daemon is ended", extra={"fields": fields})
                    break
                self._copy_logs(self._timing.tick)
            if self._asked():
                log.info("consumer stops")
                self._board.stops()
                self._tell_children()
        finally:
            self._end(running)
            failed = [note for note in self._folder.children() if note.exit_code is not None]
            self._end_children()
            self._board.daemon_ended()
            self._folder.clear()
        log.log(20 if self._asked() else 30, "daemon ended", extra={"fields": {"exit_code": running.returncode}})
        return failed

    def _tell_children(self) -> None:
        try:
            self._folder.ask_stop()
        except OSError as error:  # no space, or no folder: the daemon is asked all the same
            fields = {"reason": str(error)}
            log.warning("children that wait for the search engine do not hear of the stop", extra={"fields": fields})

    def _dead_child(self) -> ChildNote | None:
        """Return a child that is gone without having removed its note."""
        for note in self._folder.children():
            if not note.process.alive() and note in self._folder.children():
                return note
        return None

    def _end(self, running: subprocess.Popen[bytes]) -> None:
        """End the daemon: politely, then not. Its children are in its process group."""
        if running.poll() is None:
            running.terminate()
            if not self._wait(self._timing.grace + self._timing.margin, lambda: running.poll() is not None):
                log.warning("daemon does not end; it is killed", extra={"fields": {"pid": running.pid}})
                if (process := Process.of(running.pid)) is not None:
                    process.signal_group(SIGKILL)
                running.wait()

    def _end_children(self) -> None:
        """Wait for children to follow their daemon, which takes them a second or two; kill those that do not."""
        children = [note.process for note in self._folder.children()]
        if not self._wait(_ORPHAN_SECONDS, lambda: not any(child.alive() for child in children)):
            for child in children:
                child.signal(SIGKILL)
            self._wait(_ORPHAN_SECONDS, lambda: not any(child.alive() for child in children))
        for child in children:
            child.reap()

    def _end_earlier(self) -> None:
        """End what a supervisor that was killed has left: two daemons with one worker id hold the same leases."""
        earlier = self._folder.daemon()
        if earlier is not None and earlier.alive():
            log.warning("a daemon of an earlier run is ended first", extra={"fields": {"pid": earlier.pid}})
            earlier.signal(SIGTERM)
            if not self._wait(self._timing.grace + self._timing.margin, lambda: not earlier.alive()):
                earlier.signal_group(SIGKILL)
                self._wait(_ORPHAN_SECONDS, lambda: not earlier.alive())
        self._end_children()
        self._folder.clear()
        self._board.forget()

    def _copy_logs(self, seconds: float) -> None:
        """Do a round of whatever loop it is: copy log lines, wait for them at most so long."""
        self._board.turns()
        self._logs.copy(seconds)

    def _wait(self, seconds: float, done: Callable[[], bool]) -> bool:
        """Copy log lines until something is done, or so long; tell whether it was done."""
        end = self._clock.monotonic() + seconds
        while not done():
            left = end - self._clock.monotonic()
            if left <= 0:
                return False
            self._copy_logs(min(left, self._timing.tick))
        return True
