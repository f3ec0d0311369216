from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vpcflow.stack import StackError, pids
from vpcflow.stack.server import Server, environment, free_port

if TYPE_CHECKING:
    from tests.stack.conftest import Processes

# A server with a child of its own, as the engines' launchers have one.
PROGRAM = """
import http.server, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[2]])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(400)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def server(work: Path, program: str = PROGRAM) -> Server:
    port = free_port()
    return Server(
        name="sample",
        command=[sys.executable, "-c", program, str(port), str(work)],
        url=f"http://127.0.0.1:{port}",
        log=work / "sample.log",
    )


def test_a_free_port_is_none_that_others_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            given.append(one.getsockname()[1])
    random.seed(1)
    first = [free_port() for _ in range(5)]
    random.seed(1)
    assert first != [free_port() for _ in range(5)], "two processes with one seed choose alike"
    assert max(first) < min(32_768, *given)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first[0]))
        monkeypatch.setattr("vpcflow.stack.server._PORTS", [first[0]])
        with pytest.raises(StackError, match="no free port"):
            free_port()


def test_it_answers_and_leaves_nobody(tmp_path: Path, processes: Processes) -> None:
    one = server(tmp_path)
    one.start()
    one.wait(time.monotonic() + 20)
    assert processes.until(lambda: len(processes.mentioning(str(tmp_path))) == 2)
    one.stop()
    assert processes.mentioning(str(tmp_path)) == []
    one.stop()


def test_one_that_ends_while_it_starts_tells_why(tmp_path: Path) -> None:
    one = server(tmp_path, "import sys; print('starting'); sys.exit('FatalError: no such setting')")
    one.start()
    with pytest.raises(
        StackError, match=r"sample ended while it started: FatalError: no such setting; see .*sample\.log"
    ):
        one.wait(time.monotonic() + 20)
    one.stop()


def test_one_that_does_not_answer_is_not_waited_for_longer_than_said(tmp_path: Path) -> None:
    one = server(tmp_path, "import time; time.sleep(600)")
    one.start()
    with pytest.raises(StackError, match="sample did not answer in time"):
        one.wait(time.monotonic() + 0.3)
    one.stop()


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    one = server(tmp_path)
    one.command = [str(tmp_path / "nothing")]
    with pytest.raises(StackError, match=r"sample cannot be started: .*nothing"):
        one.start()


def test_servers_see_no_credentials_and_no_java_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "VPCFLOW_ELASTICSEARCH__PASSWORD", "JAVA_TOOL_OPTIONS"):
        monkeypatch.setenv(name, "x")
    seen = environment({"ES_JAVA_HOME": "/java"})
    assert set(seen) <= {"PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "HOME", "AWS_EC2_METADATA_DISABLED", "ES_JAVA_HOME"}
    assert seen["AWS_EC2_METADATA_DISABLED"] == "true"


KILLED = """
import os, signal, sys, time
from pathlib import Path
from vpcflow.stack.server import Server, Watch
work = Path(sys.argv[1])
command = [sys.executable, "-c", "import time; time.sleep(600)", str(work / "servers")]
one = Server(name="sample", command=command, url="", log=work / "log")
one.start()
watch = Watch([one.process.pid], work / "servers")
print(one.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_servers_go_with_a_parent_that_is_killed(tmp_path: Path, processes: Processes, how: signal.Signals) -> None:
    (tmp_path / "servers").mkdir()
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert processes.alive(pid)
        parent.send_signal(how)
    assert processes.until(lambda: not processes.alive(pid))
    assert processes.until(lambda: not (tmp_path / "servers").exists())


def sleeper() -> int:
    with_session = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    with_session.returncode = 0  # it is ended by its process id
    return with_session.pid


def test_servers_left_running_are_ended_by_their_file(tmp_path: Path, processes: Processes) -> None:
    pid, folder = sleeper(), tmp_path / "work"
    folder.mkdir()
    pids.write(tmp_path / "pids.json", {"one": pid}, [folder])
    assert pids.stop(tmp_path / "pids.json") == ["one"]
    assert not processes.alive(pid)
    assert not folder.exists()
    assert not (tmp_path / "pids.json").exists()


def test_another_process_with_the_same_number_is_left_alone(tmp_path: Path, processes: Processes) -> None:
    pid, file = sleeper(), tmp_path / "pids.json"
    pids.write(file, {"one": pid}, [])
    noted = json.loads(file.read_text())
    noted["servers"]["one"]["born"] = "1"
    file.write_text(json.dumps(noted))
    assert pids.stop(file) == []
    assert processes.alive(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_file_that_is_none_of_ours_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "pids.json").write_text("{}")
    with pytest.raises(StackError, match="nothing was stopped"):
        pids.stop(tmp_path / "pids.json")
