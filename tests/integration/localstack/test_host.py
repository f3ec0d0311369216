"""LocalStack in host mode: where it listens, what is left of it, and that a given one is used and not ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.localstack import part
from tests.integration.localstack.endpoint import LocalStack, running
from tests.integration.localstack.functions import made
from tests.integration.localstack.host import answers
from tests.integration.localstack.processes import alive, descendants, listening
from tests.required import GIVEN_ENDPOINT, skip_or_fail
from vpcflow.stack.errors import StackError

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.localstack, pytest.mark.slow]
# Starts one, lets it start what it starts, and waits to be ended.
PROGRAM = """
import time
from tests.integration.localstack.endpoint import running
from tests.integration.localstack.functions import made
with running({}) as localstack:
    with localstack.client("kinesis") as kinesis, localstack.client("dynamodb") as dynamodb:
        kinesis.list_streams(), dynamodb.list_tables()
    with localstack.client("lambda") as functions, made(functions) as name:
        functions.invoke(FunctionName=name, Payload=b"{}")
        print("ready", localstack.url, flush=True)
        time.sleep(600)
"""


def soon(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return met


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=lambda each: each.name)
def test_nothing_is_left_however_it_ends(localstack: LocalStack, tmp_path: Path, ending: signal.Signals) -> None:
    try:
        part.find_python()
    except StackError as error:
        skip_or_fail("localstack", f"LocalStack of our own is not to be had: {error}")
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        said = program.stdout.readline().decode().split()
        processes = descendants(program.pid)
        addresses = listening(processes)
        program.send_signal(ending)
        assert program.wait(timeout=60) != 0
    assert said, "it did not start"
    commands = " ".join(processes.values())
    for each in ("localstack.runtime.main", "kinesis-local", "DynamoDBLocal.jar", "awslambdaric"):
        assert each in commands
    assert len(addresses) >= 4
    assert all(addresses.values()), addresses
    assert soon(lambda: not alive(processes)), alive(processes)
    assert soon(lambda: not list(tmp_path.iterdir())), list(tmp_path.iterdir())
    assert not answers(said[1])
    assert soon(lambda: answers(localstack.url))  # which is another


def test_a_given_one_is_used_and_not_ended(localstack: LocalStack) -> None:
    for environ in ({"AWS_ENDPOINT_URL": localstack.url}, {"LOCALSTACK_HOST": localstack.url.removeprefix("http://")}):
        with running(environ) as found:
            assert (found.url, found.owned) == (localstack.url, False)
            with found.client("sqs") as sqs:
                sqs.list_queues()
        assert soon(lambda: answers(localstack.url))


def test_the_session_takes_what_was_given(localstack: LocalStack) -> None:
    assert localstack.owned is not any(GIVEN_ENDPOINT.values())


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "LOCALSTACK_HOST"])
def test_a_session_with_a_given_one(localstack: LocalStack, variable: str) -> None:
    value = localstack.url if variable == "AWS_ENDPOINT_URL" else localstack.url.removeprefix("http://")
    environ = {name: text for name, text in os.environ.items() if not re.match(r"TESTS_GIVEN_|PYTEST_", name)}
    test = f"{__file__}::{test_the_session_takes_what_was_given.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", test],
        cwd=ROOT,
        env={**environ, variable: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert soon(lambda: answers(localstack.url))


def test_no_other_localstack_has_its_objects(localstack: LocalStack) -> None:
    if not localstack.owned:
        pytest.skip("where a given LocalStack keeps its objects is not ours to say")
    with localstack.client("s3") as s3:
        s3.create_bucket(Bucket="own-folder")
        assert not Path("/tmp/localstack-s3-storage/own-folder").exists()  # noqa: S108 - the one that all others share
        s3.delete_bucket(Bucket="own-folder")


def test_python_is_that_of_its_functions(localstack: LocalStack) -> None:
    assert re.fullmatch(r"3\.\d+", localstack.python)
    with localstack.client("lambda") as functions:
        code = "import sys\ndef handler(event, context):\n    return sys.version\n"
        with made(functions, code) as name:
            payload = functions.invoke(FunctionName=name)["Payload"].read().decode()
            assert payload.startswith(f'"{localstack.python}.')
