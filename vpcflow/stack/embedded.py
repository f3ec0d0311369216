"""The servers together: a context manager that starts what was asked for and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from vpcflow.stack import parts, pids
from vpcflow.stack.cache import Cache, Progress, quiet
from vpcflow.stack.errors import StackError
from vpcflow.stack.server import Server, Watch
from vpcflow.stack.servers import dynamodb_server, engine_server, kinesis_server

__all__ = ["READY_SECONDS", "Stack"]

READY_SECONDS = 240.0


class Stack:
    """A search engine, and Kinesis with a lease table, on free loopback ports.

        with Stack("opensearch", kinesis=True, progress=print) as stack:
            stack.engine_url, stack.kinesis_url, stack.dynamodb_url, stack.java

    What is missing is fetched first. An address is "" where its server was not asked for. On the way out, however that
    comes about, the servers are ended and the work folder is removed (only what was made in it, if it was there before).
    """

    def __init__(
        self,
        engine: parts.Engine | None = None,
        kinesis: bool = False,  # noqa: FBT001, FBT002 - reads well by name
        work: Path | None = None,
        progress: Progress = quiet,
        *,
        heap: str = "512m",
        engine_settings: Mapping[str, str] | None = None,
        cache: Cache | None = None,
    ) -> None:
        """Start nothing yet; `engine_settings` are more `-E` settings of the engine."""
        self.engine = engine
        self.kinesis = kinesis
        self.engine_url = self.kinesis_url = self.dynamodb_url = ""
        self.java = Path()
        self.work = work or Path()
        self._given = work
        self._progress = progress
        self._heap = heap
        self._settings = dict(engine_settings or {})
        self._cache = cache or Cache()
        self._servers: list[Server] = []
        self._remove: list[Path] = []
        self._watch: Watch | None = None

    def __enter__(self) -> Self:
        """Fetch, start, wait; a server that does not come up takes the others with it (its log is kept)."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End everything."""
        self.stop()

    def start(self) -> None:
        """Start the servers and wait until all are ready.

        Raises:
            StackError: a part cannot be had, or a server does not come up within 120 s.
        """
        try:
            self.java = parts.java(self._cache, self._progress)
            self._make_work()
            self._servers = self._prepare()
            for server in self._servers:
                server.start()
            running = [server.process.pid for server in self._servers if server.process]
            self._watch = Watch(running, self._remove[0] if self._remove else None)
            self._wait()
        except BaseException as error:
            if isinstance(error, StackError) and self._servers:
                self._remove = [path for path in self._remove if path != self.work]  # its message names a log in there
            self.stop()
            raise
        urls = {server.name: server.url for server in self._servers}
        self.engine_url = urls.get(str(self.engine), "")
        self.kinesis_url, self.dynamodb_url = urls.get("kinesis", ""), urls.get("dynamodb", "")

    def stop(self) -> None:
        """End the servers and remove what was made; harmless when nothing runs."""
        for server in self._servers:
            server.stop()
        self._servers = []
        if self._watch is not None:
            self._watch.dismiss()
            self._watch = None
        for path in self._remove:
            shutil.rmtree(path, ignore_errors=True)
        self._remove = []

    def detach(self) -> Path:
        """Leave the servers running past us; return the file for `vpcflow.stack.stop`."""
        file = self.work / "pids.json"
        pids.write(file, {server.name: server.release() for server in self._servers}, self._remove)
        if self._watch is not None:
            self._watch.dismiss()
        self._servers, self._remove, self._watch = [], [], None
        return file

    def _make_work(self) -> None:
        if self._given is None:
            self.work = Path(tempfile.mkdtemp(prefix="vpcflow-stack-"))
            self.work.chmod(0o711)  # the engine's user passes through
        else:
            self.work = self._given.resolve()
            if self.work.exists():
                return
            self.work.mkdir(parents=True)
        self._remove.append(self.work)

    def _engine_folder(self) -> Path:
        """Return a folder for the engine's data: in the work folder, unless the engine's user cannot enter that."""
        closed = any(not each.stat().st_mode & 0o001 for each in (self.work, *self.work.parents))
        if os.geteuid() == 0 and closed:
            folder = Path(tempfile.mkdtemp(prefix="vpcflow-engine-"))
            folder.chmod(0o711)
        else:
            folder = Path(tempfile.mkdtemp(prefix="engine-", dir=self.work))
        self._remove.append(folder)
        return folder

    def _prepare(self) -> list[Server]:
        """Fetch what is missing, side by side, and return the servers, the slowest first."""
        jobs: list[Callable[[], Server]] = []
        if self.engine is not None:
            kind, folder = self.engine, self._engine_folder()
            jobs.append(
                lambda: engine_server(
                    kind,
                    self._cache,
                    self._progress,
                    self.work,
                    folder=folder,
                    heap=self._heap,
                    settings=self._settings,
                )
            )
        if self.kinesis:
            jobs.append(lambda: dynamodb_server(self._cache, self._progress, self.work))
            jobs.append(lambda: kinesis_server(self._cache, self._progress, self.work))
        with ThreadPoolExecutor(max(1, len(jobs))) as pool:
            return list(pool.map(lambda job: job(), jobs))

    def _wait(self) -> None:
        began = time.monotonic()
        for server in reversed(self._servers):
            server.wait(began + READY_SECONDS)
            self._progress(f"{server.name}: ready after {time.monotonic() - began:.1f} s")
