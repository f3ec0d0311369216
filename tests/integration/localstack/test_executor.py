"""Functions in LocalStack, each ending of a handler. It is Lambda's real runtime client that runs them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.localstack.endpoint import LocalStack
from tests.integration.localstack.functions import made

pytestmark = [pytest.mark.localstack, pytest.mark.slow]
SECONDS = 30


@pytest.fixture(scope="module")
def functions(localstack: LocalStack) -> Iterator[Any]:
    with localstack.client("lambda") as client:
        yield client


@pytest.fixture(scope="module")
def name(functions: Any) -> Iterator[str]:  # noqa: ANN401
    with made(functions, seconds=SECONDS, OTHER="ü") as one:
        yield one


def test_what_it_sees_and_what_it_says(functions: Any, name: str) -> None:  # noqa: ANN401
    answer = functions.invoke(FunctionName=name, Payload=b"{}", LogType="Tail")
    value = json.load(answer["Payload"])
    assert "FunctionError" not in answer
    assert (value["own"], value["name"]) == ("x", name)
    assert value["arn"].endswith(f":function:{name}")
    assert value["endpoint"].startswith("http")
    tail = base64.b64decode(answer["LogResult"]).decode()
    lines = [line.split("\t")[0] for line in tail.splitlines()]
    request_id = lines[0].removeprefix("START RequestId: ").split()[0]
    assert f"seen {request_id}" in lines
    assert lines[-2:] == [f"END RequestId: {request_id}", f"REPORT RequestId: {request_id}"]


@pytest.mark.parametrize(
    ("end", "error", "message"),
    [
        ("raise", "ValueError", "no good"),
        ("exit", "Runtime.ExitError", "exit status 3"),
        ("large", "Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size"),
        ("late", "Sandbox.Timedout", "Task timed out after"),
    ],
)
def test_each_ending_and_the_call_after_it(functions: Any, name: str, end: str, error: str, message: str) -> None:  # noqa: ANN401
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"end": end}).encode())
    assert answer["FunctionError"] == "Unhandled"
    told = json.load(answer["Payload"])
    assert told["errorType"] == error
    assert message in told["errorMessage"]
    after = functions.invoke(FunctionName=name, Payload=b"{}")
    assert "FunctionError" not in after
    assert json.load(after["Payload"])["own"] == "x"


def test_one_that_cannot_be_imported(functions: Any) -> None:  # noqa: ANN401
    with made(functions, "import nowhere\n") as broken:
        answer = functions.invoke(FunctionName=broken, Payload=b"{}")
        assert answer["FunctionError"] == "Unhandled"
        assert json.load(answer["Payload"])["errorType"] == "Runtime.ImportModuleError"
