"""The folder in which a supervisor, its daemon and the daemon's children know of each other.

One folder per worker: `<run_folder>/<application>-<worker_id>/`
  lock               held (flock) by the live supervisor
  daemon.json        process number and start time of the Java daemon
  child-<pid>.json   one per live child; it stays behind when a child dies, and holds the exit code of one that failed
  report-<pid>.json  what each child tells of itself each second: its state and its metrics
  retention.json     how long the stream keeps its records, once that is known
  endpoint.json      the port that the supervisor listens at
  stop               there while the supervisor stops: children that wait for the cluster give up
  logs               a FIFO: the children's log lines, copied by the supervisor to its stderr
  daemon.properties, logback.xml, child   written at each start
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from consumer.process import Process
from vpcflow.clock import Clock
from vpcflow.errors import EX_TEMPFAIL, ConfigError, Stopped, VpcFlowError

__all__ = ["ChildNote", "RunFolder"]

_LOCK_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildNote:
    """What a child says of itself."""

    pid: int
    start: int
    shard: str = ""
    exit_code: int | None = None
    message: str = ""

    @property
    def process(self) -> Process:
        """The child's process."""
        return Process(self.pid, self.start)


class RunFolder:
    """Paths and notes of one worker."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is touched."""
        self.path = path
        self.properties = path / "daemon.properties"
        self.logback = path / "logback.xml"
        self.launcher = path / "child"
        self.logs = path / "logs"
        self._lock = path / "lock"
        self._daemon = path / "daemon.json"
        self._stop = path / "stop"
        self._retention = path / "retention.json"
        self._endpoint = path / "endpoint.json"
        self._kept: dict[Path, int] = {}  # what must stay, by inode

    @classmethod
    def of_worker(cls, base: Path, application: str, worker_id: str) -> RunFolder:
        """Return the folder of one worker below `base`."""
        return cls(base / f"{quote(application, safe='')}-{quote(worker_id, safe='')}")

    def create(self) -> None:
        """Make the folder and the FIFO; refuse a folder that belongs to somebody else (temporary folders are shared)."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
            owners = {self.path.stat().st_uid, self.path.parent.stat().st_uid}
            if not self.logs.exists():
                os.mkfifo(self.logs, 0o600)
        except OSError as error:
            raise ConfigError(
                f"consumer.run_folder: {self.path}: {error.strerror}; name a folder that can be written"
            ) from error
        if not owners <= {os.getuid(), 0}:
            raise ConfigError(f"consumer.run_folder: {self.path} belongs to another user; name a folder of your own")
        if not stat.S_ISFIFO(self.logs.stat().st_mode):
            raise ConfigError(f"consumer.run_folder: {self.logs} is in the way; remove it")

    @contextlib.contextmanager
    def locked(self, *, clock: Clock, seconds: float, should_stop: Callable[[], bool]) -> Iterator[None]:
        """Hold the worker's lock; wait so long for another supervisor to leave, then refuse (exit code 75)."""
        # Closed on exec: the daemon must not keep the lock of a supervisor that died.
        with self._lock.open("a") as file:
            end = clock.monotonic() + seconds
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if should_stop():
                        raise Stopped("asked to stop while another consumer with this worker id ran") from None
                    if clock.monotonic() >= end:
                        raise VpcFlowError(
                            f"{self.path}: another consumer with this worker id runs; stop it or set consumer.worker_id",
                            exit_code=EX_TEMPFAIL,
                        ) from None
                    clock.sleep(_LOCK_POLL_SECONDS)
            yield

    def remember(self) -> None:
        """Look at what must stay there while a daemon runs, to see later that it did."""
        lasting = (self._lock, self.logs, self.properties, self.logback, self.launcher)
        self._kept = {path: path.stat().st_ino for path in lasting if path.exists()}

    def check(self) -> None:
        """See whether somebody took the folder away, or a part of it: temporary folders are cleaned.

        Without it nobody would notice a child that dies, a child could not be started, and a second consumer with this
        worker id would not find the lock.

        Raises:
            VpcFlowError: somebody did (exit code 75: a new start makes all of it again).
        """
        for path, inode in self._kept.items():
            try:
                there = path.stat().st_ino == inode
            except OSError:
                there = False
            if not there:
                raise VpcFlowError(
                    f"consumer.run_folder: {path} was taken away while the consumer ran; start it again, and name a folder "
                    "that nobody cleans",
                    exit_code=EX_TEMPFAIL,
                )

    def note_daemon(self, process: Process) -> None:
        """Record the daemon, so that a later supervisor can find it."""
        _replace(self._daemon, asdict(process))

    def daemon(self) -> Process | None:
        """Return the recorded daemon, alive or not."""
        note = _read(self._daemon)
        return None if note is None else Process(int(str(note["pid"])), int(str(note["start"])))

    def note_child(self, note: ChildNote) -> None:
        """Record a child, or what became of it."""
        _replace(self._child(note.pid), asdict(note))

    def forget_child(self, pid: int) -> None:
        """Remove the note of a child that left as it should."""
        self._child(pid).unlink(missing_ok=True)

    def children(self) -> list[ChildNote]:
        """Return every recorded child, alive or not."""
        notes = (_read(path) for path in sorted(self.path.glob("child-*.json")))
        return [ChildNote(**note) for note in notes if note is not None]  # type: ignore[arg-type]

    def note_report(self, pid: int, report: dict[str, Any]) -> None:
        """Keep what a child tells of itself, in the place of what it told before."""
        _replace(self._report(pid), report)

    def reports(self) -> list[dict[str, Any]]:
        """Return what each child told last, those that are gone included."""
        notes = (_read(path) for path in sorted(self.path.glob("report-*.json")))
        return [note for note in notes if note is not None]

    def drop_report(self, pid: int) -> None:
        """Remove what a child told, also what it had not finished."""
        self._report(pid).unlink(missing_ok=True)
        self._report(pid).with_suffix(".new").unlink(missing_ok=True)

    def note_retention(self, seconds: float) -> None:
        """Keep how long the stream keeps its records."""
        _replace(self._retention, {"seconds": seconds})

    def retention(self) -> float | None:
        """Return how long the stream keeps its records, in seconds; None while that is not known."""
        note = _read(self._retention)
        return None if note is None else float(str(note["seconds"]))

    def note_endpoint(self, port: int) -> None:
        """Keep the port that the supervisor listens at."""
        _replace(self._endpoint, {"port": port})

    def endpoint(self) -> int | None:
        """Return the port that the supervisor listens at; None where it does not."""
        note = _read(self._endpoint)
        return None if note is None else int(str(note["port"]))

    def forget_numbers(self) -> None:
        """Remove what was measured or asked under an earlier supervisor, whatever its version wrote."""
        for path in (*self.path.glob("report-*"), self._retention, self._endpoint):
            path.unlink(missing_ok=True)

    def ask_stop(self) -> None:
        """Tell the children to stop waiting for the cluster."""
        self._stop.touch()

    def stop_asked(self) -> bool:
        """Tell whether the supervisor stops."""
        return self._stop.exists()

    def clear(self) -> None:
        """Remove the notes of processes that are gone."""
        self._stop.unlink(missing_ok=True)
        self._daemon.unlink(missing_ok=True)
        for path in self.path.glob("child-*.json"):
            path.unlink(missing_ok=True)

    def _report(self, pid: int) -> Path:
        return self.path / f"report-{pid}.json"

    def _child(self, pid: int) -> Path:
        return self.path / f"child-{pid}.json"


def _replace(path: Path, note: dict[str, object]) -> None:
    """Write so that a reader sees the old note or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(note), encoding="utf-8")
    fresh.replace(path)


def _read(path: Path) -> dict[str, object] | None:
    """Return a note; None where there is none, or none that can be read: a machine that lost power leaves empty files."""
    try:
        note = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None
