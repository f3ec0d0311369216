"""Which Python LocalStack runs on, and what is said where there is none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.localstack import endpoint, part
from tests.integration.localstack.host import HostLocalStack
from vpcflow.stack.errors import StackError

SAYS = "#!/bin/sh\necho '[\"/opt/{0}/bin/python\", {1}]'\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, and all of pyenv."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_the_one_that_fits_is_taken(machine: Path) -> None:
    put(machine / "python3", SAYS.format("own", "3, 13, 5"))
    assert part.find_python() == part.Python("/opt/own/bin/python", (3, 13, 5))
    put(machine / "python3.13", SAYS.format("named", "3, 13, 0"))
    assert part.find_python() == part.Python("/opt/named/bin/python", (3, 13, 0))


def test_a_command_that_refuses_is_passed_over(machine: Path) -> None:
    put(machine / "python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    put(machine / "python3", "#!/nowhere/python\n")
    put(machine / "versions" / "3.13.0" / "bin" / "python3.13", SAYS.format("kept", "3, 13, 0"))
    assert part.find_python().command == "/opt/kept/bin/python"


@pytest.mark.parametrize(("release", "told"), [("3, 11, 2", "3.11"), ("3, 12, 1", "3.12"), ("3, 14, 0", "3.14")])
def test_none_is_told_in_one_line(machine: Path, release: str, told: str) -> None:
    put(machine / "python3", SAYS.format("other", release))
    with pytest.raises(StackError, match=rf"^LocalStack needs Python 3.13 with venv, found {told}: .*$") as raised:
        part.find_python()
    assert "\n" not in str(raised.value)


def test_other_systems_are_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(StackError, match=r"needs Linux.*LOCALSTACK_HOST"):
        part.find_python()


@pytest.mark.parametrize(("release", "code"), [("3, 13, 0", 0), ("3, 11, 0", 1)])
def test_available_tells_by_its_exit_code(machine: Path, release: str, code: int) -> None:
    put(machine / "python3", SAYS.format("own", release))
    command = [sys.executable, "-m", "tests.integration.localstack", "available"]
    done = subprocess.run(command, cwd=part.LOCK.parents[1], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == code, done.stderr


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, ""),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4570/"}, "http://127.0.0.1:4570"),
        ({"LOCALSTACK_HOST": "stack"}, "http://stack:4566"),
        ({"LOCALSTACK_HOST": "127.0.0.1:4570"}, "http://127.0.0.1:4570"),
        ({"AWS_ENDPOINT_URL": "http://one:1", "LOCALSTACK_HOST": "two:2"}, "http://one:1"),
    ],
)
def test_what_the_variables_name(environ: dict[str, str], url: str) -> None:
    assert endpoint.given(environ) == url


def test_one_that_does_not_answer_is_named(machine: Path) -> None:
    with (
        pytest.raises(StackError, match=r"^no LocalStack answers at http://127.0.0.1:9, and LocalStack needs Python"),
        endpoint.running({"LOCALSTACK_HOST": "127.0.0.1:9"}),
    ):
        pytest.fail("it cannot be had")


@pytest.mark.stack
def test_one_that_cannot_start_tells_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "find_python", lambda: part.Python(sys.executable, sys.version_info[:3]))
    monkeypatch.setattr(part, "environment", lambda *_: Path(sys.executable))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(StackError, match=r"^LocalStack ended while it started: .*No module named"), HostLocalStack():
        pytest.fail("there is no LocalStack among our own packages")
    assert not list(tmp_path.iterdir())


def test_the_page_says_which() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "testing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"Python (3\.\d+)", page)) == {"{}.{}".format(*part.VERSION)}
