from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vpcflow.stack import Stack, StackError, stop
from vpcflow.stack.__main__ import main
from vpcflow.stack.streams import client

if TYPE_CHECKING:
    from tests.stack.conftest import Processes

pytestmark = pytest.mark.stack


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def listening(port: int) -> set[str]:
    """Return the local addresses, as the kernel writes them, that listen on a port."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, number = line.split()[1].split(":")
            if int(number, 16) == port and line.split()[3] == "0A":
                found.add(address)
    return found


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.usefixtures("stack_kinesis")  # skips where the parts are not to be had
def test_it_starts_on_loopback_and_leaves_neither_process_nor_folder(processes: Processes) -> None:
    said: list[str] = []
    with Stack(kinesis=True, progress=said.append) as stack:
        assert get(f"{stack.kinesis_url}/healthcheck")[0] == 200
        assert get(stack.dynamodb_url)[0] == 400
        assert stack.engine_url == ""
        assert stack.java.exists()
        with client("dynamodb", stack.dynamodb_url) as tables:
            tables.list_tables()
        # DynamoDB Local unpacks it with the first table: here, not where nobody clears up.
        assert list(stack.work.glob("*sqlite4java*"))
        assert len(processes.mentioning(str(stack.work))) >= 1
        for url in (stack.kinesis_url, stack.dynamodb_url):
            addresses = listening(int(url.rpartition(":")[2]))
            assert addresses
            assert addresses <= LOOPBACK
        servers = [server.process.pid for server in stack._servers if server.process]
        assert len(servers) == 2
    assert not any(processes.alive(pid) for pid in servers)
    assert processes.mentioning(str(stack.work)) == []
    assert not stack.work.exists()
    assert [line.partition(":")[0] for line in said] == ["kinesis", "dynamodb"]


@pytest.mark.usefixtures("stack_kinesis")
def test_it_ends_what_it_started_when_the_block_fails(processes: Processes) -> None:
    with pytest.raises(RuntimeError, match="ours"), Stack(kinesis=True) as stack:
        raise RuntimeError("ours")
    assert processes.mentioning(str(stack.work)) == []
    assert not stack.work.exists()


INTERRUPTED = """
import sys, time
from vpcflow.stack import Stack
with Stack(kinesis=True) as stack:
    print(stack.work, flush=True)
    time.sleep(600)
"""


@pytest.mark.usefixtures("stack_kinesis")
def test_ctrl_c_leaves_nothing(processes: Processes) -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        work = Path(child.stdout.readline().strip())
        assert work.is_dir()
        child.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in child.communicate(timeout=60)[1]
    assert processes.until(lambda: processes.mentioning(str(work)) == [])
    assert not work.exists()


@pytest.mark.usefixtures("stack_kinesis")
def test_detached_servers_run_on_until_they_are_stopped(processes: Processes) -> None:
    with Stack(kinesis=True) as stack:
        file = stack.detach()
    assert get(f"{stack.kinesis_url}/healthcheck")[0] == 200
    assert sorted(stop(file)) == ["dynamodb", "kinesis"]
    assert processes.mentioning(str(stack.work)) == []
    assert not stack.work.exists()


@pytest.mark.usefixtures("stack_kinesis")
def test_a_work_folder_of_others_keeps_what_was_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with Stack(kinesis=True, work=tmp_path) as stack:
        assert stack.work == tmp_path
    assert (tmp_path / "mine").exists()
    assert (tmp_path / "kinesis.log").exists()


def version(stack: Stack) -> str:
    nodes: dict[str, Any] = json.loads(get(f"{stack.engine_url}/_nodes/_local?filter_path=nodes.*.version")[1])["nodes"]
    return str(next(iter(nodes.values()))["version"])


def check_engine(stack: Stack, wanted: str) -> None:
    assert version(stack) == wanted
    assert listening(int(stack.engine_url.rpartition(":")[2])) <= LOOPBACK
    (pid,) = (server.process.pid for server in stack._servers if server.process)
    assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_elasticsearch_is_the_locked_version(stack_elasticsearch: Stack) -> None:
    check_engine(stack_elasticsearch, "9.5.3")


def test_opensearch_is_the_locked_version(stack_opensearch: Stack) -> None:
    check_engine(stack_opensearch, "3.6.0")


@pytest.mark.slow
def test_elasticsearch_8_is_the_locked_version(stack_elasticsearch8: Stack) -> None:
    check_engine(stack_elasticsearch8, "8.19.21")


@pytest.mark.slow
def test_an_engine_that_ends_at_start_is_told_with_its_reason(tmp_path: Path) -> None:
    broken = Stack("opensearch", engine_settings={"no.such.setting": "1"}, work=tmp_path)
    with pytest.raises(StackError, match=r"opensearch ended while it started: .*no\.such\.setting"), broken:
        pass


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to run the engine as")
def test_as_root_an_engine_runs_in_a_closed_work_folder(tmp_path: Path, processes: Processes) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with Stack("elasticsearch", work=closed / "work") as stack:
        assert version(stack) == "9.5.3"
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        word = stack.engine_url.rpartition(":")[2]
        assert processes.mentioning(f"http.port={word}")
    assert processes.mentioning(f"http.port={word}") == []
    assert not (closed / "work").exists()


@pytest.mark.usefixtures("stack_kinesis")
def test_fetching_again_fetches_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "java", "node", "kinesis", "dynamodb"]) == 0
    first = capsys.readouterr()
    assert first.err == ""  # the fixture has brought them
    assert all(Path(line).exists() for line in first.out.splitlines())
    assert main(["fetch", "java", "node", "kinesis", "dynamodb"]) == 0
    assert capsys.readouterr() == first


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "javva"]) != 0
    assert "no part is called 'javva'" in capsys.readouterr().err
