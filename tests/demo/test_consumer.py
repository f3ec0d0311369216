from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vpcflow.demo.consumer import ConsumerProcess
from vpcflow.demo.keep import write_stop
from vpcflow.errors import VpcFlowError


def test_last_words_are_the_last_complaint(tmp_path: Path) -> None:
    log = tmp_path / "consumer.log"
    lines = [
        {"level": "error", "msg": "child leaves", "reason": "no such index"},
        {"level": "info", "msg": "daemon started"},
    ]
    log.write_text("\n".join([*map(json.dumps, lines), "java says something", "[1]"]), encoding="utf-8")
    assert ConsumerProcess(tmp_path, log, {}).last_words() == ": child leaves: no such index"
    log.write_text("", encoding="utf-8")
    assert ConsumerProcess(tmp_path, log, {}).last_words() == ""


def checked_until_it_ends(consumer: ConsumerProcess) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        consumer.check()
        time.sleep(0.05)


def test_a_consumer_that_ends_by_itself_is_told_in_one_line(tmp_path: Path) -> None:
    settings = tmp_path / "vpcflow.toml"
    settings.write_text("[kinesis]\nstreem = 'x'\n", encoding="utf-8")
    one = ConsumerProcess(settings, tmp_path / "consumer.log", {"PATH": "/usr/bin:/bin"})
    with one, pytest.raises(VpcFlowError, match=r"exit code 78: kinesis\.streem: unknown key") as raised:
        checked_until_it_ends(one)
    assert "\n" not in str(raised.value)


def test_the_stop_script_ends_the_consumer_and_removes_its_folder(tmp_path: Path) -> None:
    work = tmp_path / "a folder's"
    work.mkdir()
    pids = work / "pids.json"
    pids.write_text(json.dumps({"servers": {}, "remove": []}), encoding="utf-8")
    waiting = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", waiting, "consumer"], stdin=subprocess.PIPE) as consumer:
        # Nobody waits for it with --keep; here its parent must, or it stays a zombie that can be signalled.
        script = subprocess.Popen([str(write_stop(work, pid=consumer.pid, pids=pids))])
        assert consumer.wait(timeout=30) != 0
        assert script.wait(timeout=30) == 0
    assert not work.exists()
