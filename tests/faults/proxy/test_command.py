"""`python -m vpcflow.faults`, as people use it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.faults.proxy.conftest import Desk

COMMAND = [sys.executable, "-m", "vpcflow.faults"]
SCRIPT = '[[rule]]\naction = "status"\ncode = 200\nbody = "made"\nnth = 1\n'


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(desk: Desk, tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "faults.toml"
    script.write_text(SCRIPT)
    options = ["--to", desk.server.url, "--script", str(script), "--log", str(desk.log), "--seed", "3"]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        url = proxy.stdout.readline().strip()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        answers = []
        for _ in range(2):
            with opener.open(url, timeout=60) as answer:
                answers.append(answer.read())
        (line,) = desk.lines()  # before it ends: a killed one leaves its lines
        proxy.send_signal(number)
        assert proxy.wait(60) == 0
    assert url.startswith("http://127.0.0.1:")
    assert answers == [b"made", b"nothing"]
    assert line["action"] == "status"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 64, "--to"),
        (["--to", "http://127.0.0.1:1", "--listen", "x:y"], 64, "HOST:PORT"),
        (["--to", "nowhere"], 78, "error: --to: not a URL"),
        (["--to", "http://127.0.0.1:1", "--script", "no such file"], 78, "error: no such file: "),
        (["--to", "http://127.0.0.1:1", "--log", "no such folder/log"], 78, "error: injection log: cannot write"),
        (["--to", "http://127.0.0.1:1", "--listen", "192.0.2.1:1"], 78, "error: --listen: cannot listen on"),
        (["--to", "https://127.0.0.1:1", "--ca-certs", "no such file"], 78, "error: --ca-certs: cannot use"),
    ],
)
def test_mistakes(options: list[str], code: int, said: str, tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_names_every_action() -> None:
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert "reset_after" in done.stdout
    assert "failure_store_used" in done.stdout


def test_a_line_of_the_log(desk: Desk) -> None:
    proxy = desk.proxy(SCRIPT)
    connection = desk.connection(proxy)
    connection.request("GET", "/a?b")
    connection.getresponse().read()
    (line,) = proxy.journal.lines("status")
    assert json.loads(line) == desk.lines()[0]
    assert set(desk.lines()[0]) == {"time", "number", "rule", "action", "request", "method", "path", "status"}
    assert proxy.journal.lines("delay") == []
    proxy.journal.close()
    proxy.journal.write(action="late")
    proxy.journal.close()
    assert len(proxy.journal.lines()) == 2
    assert len(desk.lines()) == 1
