"""Programs for the supervisor's tests: a supervisor, a daemon without Java, and its child.

    programs.py supervisor FOLDER MODE     MODE: what its daemons do, by start: the n-th word, the last one from then on
    programs.py daemon MODE                started by the supervisor, in its folder
    programs.py child MODE SUPERVISOR      started by the daemon

Each notes what it does in `journal` in the folder: one JSON list per line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from consumer.log_channel import log_stream
from consumer.process import Process
from consumer.run_folder import ChildNote, RunFolder
from consumer.supervisor import Supervisor, Timing
from consumer.watchdog import Watchdog
from vpcflow import logs
from vpcflow.clock import SystemClock
from vpcflow.errors import VpcFlowError

CLOCK = SystemClock()


def note(*what: object) -> None:
    with Path("journal").open("a", encoding="utf-8") as journal:
        journal.write(json.dumps([*what, os.getpid()]) + "\n")


def me() -> Process:
    process = Process.of(os.getpid())
    assert process is not None
    return process


def supervisor(path: Path, mode: str) -> int:
    logs.configure("debug")
    folder = RunFolder(path)
    script = str(Path(__file__).resolve())
    one = Supervisor(
        command=[sys.executable, script, "daemon", mode],
        folder=folder,
        timing=Timing(
            grace=1.0 if mode == "stubborn" else 60,
            margin=0.5,
            restart_first=0.1,
            restart_max=0.4,
            lock=1.0 if mode == "refused" else 60,
            tick=0.05,
        ),
        clock=CLOCK,
        stderr=sys.stderr.buffer,
    )
    signal.signal(signal.SIGTERM, lambda *_: one.ask_stop())

    def prepare() -> None:
        (path / "supervisor").write_text(str(me()))
        folder.launcher.touch()
        os.chdir(path)
        note("prepared")

    try:
        return one.run(prepare)
    except VpcFlowError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def daemon(modes: str) -> int:
    starts = sum(json.loads(line)[0] == "daemon" for line in Path("journal").read_text().splitlines())
    words = modes.split(",")
    mode = words[min(starts, len(words) - 1)]
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    note("daemon", mode)
    if mode == "exit":
        return 1
    who = Path("supervisor").read_text()
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "child", mode, who], stdin=subprocess.PIPE
    ) as child:
        try:
            while True:
                signal.pause()
        finally:  # as the KCL does: close the pipe, wait
            assert child.stdin is not None
            child.stdin.close()
            child.wait()
            note("daemon left")


def child(mode: str, who: str) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    folder, own = RunFolder(Path.cwd()), me()
    logs.configure("info", log_stream(folder.logs))
    Watchdog(supervisor=Process.parse(who), clock=CLOCK).start()
    folder.note_child(ChildNote(pid=own.pid, start=own.start, shard="s-0"))
    logs.get_logger("child").info("child begun", extra={"fields": {"filler": "x" * 9000}})
    note("child", mode)
    if mode.isdigit():
        folder.note_child(ChildNote(pid=own.pid, start=own.start, shard="s-0", exit_code=int(mode), message="told to"))
        return int(mode)
    while sys.stdin.readline():
        pass
    if folder.stop_asked():
        note("child saw stop")
    folder.forget_child(own.pid)
    note("child left")
    return 0


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    if kind == "supervisor":
        sys.exit(supervisor(Path(rest[0]), rest[1]))
    sys.exit(daemon(*rest) if kind == "daemon" else child(*rest))
