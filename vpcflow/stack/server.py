"""One server process: started in a session of its own, waited for, ended with everything that it started."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vpcflow.stack.errors import StackError

__all__ = ["NOBODY", "Server", "Watch", "end_group", "environment", "free_port"]

NOBODY = 65534
_GONE_SECONDS = 30.0
_PORTS = range(15_000, 32_768)
_PORT_TRIES = 1_000
_CHANCE = random.SystemRandom()  # what seeds the other one, as tests do, would have all processes choose alike
_REASON = re.compile(
    r"^(?!.*\[(INFO|WARN) *\]).*(Exception|Error)(: |\[)"
)  # the line of a log that says what went wrong
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "HOME")


def free_port() -> int:
    """Return a loopback port that nobody listens on now.

    It is below those that systems give to who asks for any (Linux from 32768, others from 49152): a server that takes half a
    minute to start would find such a one taken, and be mistaken for the stranger who answers there.

    Raises:
        StackError: none of many is free.
    """
    for _ in range(_PORT_TRIES):
        port = _CHANCE.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise StackError(f"no free port found between {_PORTS[0]} and {_PORTS[-1]}: end what listens there")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a server sees: no credentials of the user's, no JAVA_TOOL_OPTIONS, no search for instance roles."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", **(extra or {})}


def end_group(pid: int) -> None:
    """Kill a session's processes and wait until they are gone. What they hold goes with the work folder."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
        end = time.monotonic() + _GONE_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(ChildProcessError):  # a child of ours that nobody waits for any more
                os.waitpid(pid, os.WNOHANG)
            os.killpg(pid, 0)
            time.sleep(0.01)


@dataclass(kw_only=True)
class Server:
    """A command, and where it answers once it is ready.

    As root an `unprivileged` server runs as `nobody`: the engines refuse to run as root.
    """

    name: str
    command: list[str]
    url: str
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/"
    cwd: Path | None = None
    unprivileged: bool = False
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, its output in the log."""
        other = NOBODY if self.unprivileged and os.geteuid() == 0 else None
        with self.log.open("wb") as log:
            try:
                self.process = subprocess.Popen(
                    self.command,
                    env=environment(self.environ),
                    cwd=self.cwd or self.log.parent,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=other,
                    group=other,
                    extra_groups=None if other is None else [],
                )
            except OSError as error:
                raise StackError(f"{self.name} cannot be started: {error}") from error

    def wait(self, deadline: float) -> None:
        """Return when it answers.

        Raises:
            StackError: it ended, or did not answer until `deadline` (monotonic seconds).
        """
        while not self._answers():
            if self.process is None or self.process.poll() is not None:
                raise StackError(f"{self.name} ended while it started: {self._last_words()}; see {self.log}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} did not answer in time: {self._last_words()}; see {self.log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it and its children; harmless when it has ended already."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            end_group(self.process.pid)
            self.process = None

    def release(self) -> int:
        """Leave it running; return its process id."""
        if self.process is None:
            raise StackError(f"{self.name} does not run")
        pid, self.process.returncode = self.process.pid, 0  # so that nothing complains of a child not waited for
        self.process = None
        return pid

    def _answers(self) -> bool:
        try:
            with _DIRECT.open(self.url + self.ready_path, timeout=5) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            return error.code < 500  # noqa: PLR2004 - DynamoDB Local answers 400 to a bare GET
        except OSError:
            return False
        return True

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            told = next((line for line in lines if _REASON.search(line)), None)
            return (told or (lines or ["its log is empty"])[-1])[:300]
        return "it has no log"


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback is never behind a proxy

# Reads until the pipe closes. "done" means a regular end; silence means that the one who started us is dead.
_WATCH = """
read -r word
[ "$word" = done ] && exit 0
for pid; do kill -s KILL -- "-$pid"; done
[ -z "$WORK" ] || rm -rf -- "$WORK"
"""


class Watch:
    """A shell that kills the servers when we die without a chance to do it (SIGKILL, SIGTERM)."""

    def __init__(self, pids: list[int], work: Path | None) -> None:
        """Watch over the sessions `pids`, and over a work folder to be removed with them."""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "watch", *map(str, pids)],
            env={"PATH": os.environ.get("PATH", os.defpath), "WORK": str(work or "")},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Let it go without killing anything."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(b"done\n")
        self._process.wait()
