"""The function in the real runtime client of Lambda, with a real search engine: the mode `deliver` from end to end."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.firehose_transform.contract import BROKEN, LINE, event, judged, lines, payload
from tests.runtime.function import Function
from vpcflow import wiring
from vpcflow.faults import FaultProxy, parse_script
from vpcflow.settings.load import load
from vpcflow.sink.engine import EngineSink
from vpcflow.stack import Stack

HANDLER = "firehose_transform.handler.handler"
pytestmark = pytest.mark.stack
STALL = '[[rule]]\naction = "delay"\npath = "{path}"\nseconds = 60.0\n{more}'


def variables(url: str, **environ: str) -> dict[str, str]:
    name = f"flows-{environ.pop('NAME', 'lambda')}-" + "{yyyy}"
    given = {"INDEX__MODE": "pattern", "INDEX__NAME": name, "ELASTICSEARCH__HOSTS": url, "FIREHOSE__MODE": "deliver"}
    return {f"VPCFLOW_{key}": value for key, value in {**given, **environ}.items()}


@pytest.fixture
def engine(stack_elasticsearch: Stack) -> Iterator[EngineSink]:
    made = wiring.sink(load(None, variables(stack_elasticsearch.engine_url)).settings)
    yield made
    made.close()


def found(engine: EngineSink, name: str) -> int:
    engine.refresh(f"flows-{name}-*")
    return engine.count(f"flows-{name}-*")


def test_each_document_is_there_once_and_each_record_is_answered(
    stack_elasticsearch: Stack, engine: EngineSink
) -> None:
    sent = event(
        payload(*lines(900)), payload("probe", kind="CONTROL_MESSAGE"), payload(LINE, BROKEN, tag="b"), LINE.encode()
    )
    with Function(HANDLER, variables(stack_elasticsearch.engine_url, NAME="once")) as function:
        for _ in range(2):  # Firehose tries again what it has not heard the end of
            answer = function.invoke(sent)
            assert not answer.failed, answer.payload
            results = [result for result, _ in judged(sent, answer.value)]
            assert results == ["Dropped", "Dropped", "ProcessingFailed", "Dropped"]
        assert function.cold_starts == 1
    assert found(engine, "once") == 902


def test_bad_lines_go_to_an_index_where_that_is_wanted(stack_elasticsearch: Stack, engine: EngineSink) -> None:
    environ = {"FIREHOSE__PARTIAL": "keep_good", "DEADLETTERS__KIND": "index", "DEADLETTERS__INDEX": "flows-letters-x"}
    sent = event(payload(LINE, BROKEN))
    with Function(HANDLER, variables(stack_elasticsearch.engine_url, NAME="kept", **environ)) as function:
        answer = function.invoke(sent)
    assert judged(sent, answer.value) == [("Dropped", b"")]
    assert (found(engine, "kept"), found(engine, "letters")) == (1, 1)


@pytest.mark.parametrize("path", ["", "_bulk"])
def test_a_stalled_cluster_fails_the_invocation_before_lambda_does(
    stack_elasticsearch: Stack, engine: EngineSink, path: str
) -> None:
    rules = parse_script(STALL.format(path=path, more=""))
    sent = event(payload(*lines(5)), LINE.encode())
    with FaultProxy(stack_elasticsearch.engine_url, rules) as proxy:
        name = f"stalled{len(path)}"
        environ = {"FIREHOSE__DEADLINE_MARGIN_SECONDS": "15"}
        with Function(HANDLER, variables(proxy.url, NAME=name, **environ), timeout=25) as function:
            answer = function.invoke(sent)
            assert answer.error_type == "SinkUnavailable", answer.payload
        assert [line for line in proxy.journal.lines() if json.loads(line)["action"] == "delay"]


@pytest.mark.slow
def test_what_was_settled_before_the_cluster_stalled_is_not_failed(
    stack_elasticsearch: Stack, engine: EngineSink
) -> None:
    rules = parse_script(STALL.format(path="_bulk", more="first = 3\n"))
    sent = event(*[payload(*lines(10), tag=str(number)) for number in range(5)])
    environ = {"BULK__MAX_ACTIONS": "10", "BULK__IN_FLIGHT": "1", "FIREHOSE__DEADLINE_MARGIN_SECONDS": "20"}
    with (
        FaultProxy(stack_elasticsearch.engine_url, rules) as proxy,
        Function(HANDLER, variables(proxy.url, NAME="half", **environ), timeout=55) as function,
    ):
        answer = function.invoke(sent)
    assert not answer.failed, answer.payload
    results = [result for result, _ in judged(sent, answer.value)]
    assert results == ["Dropped"] * 2 + ["ProcessingFailed"] * 3
    assert found(engine, "half") >= 20


def test_errors_are_one_line_in_the_log(stack_elasticsearch: Stack) -> None:
    with tempfile.TemporaryFile() as log:
        with Function(HANDLER, variables(stack_elasticsearch.engine_url, NAME="log"), log=log) as function:
            function.invoke(event(payload(BROKEN), LINE.encode()))
        log.seek(0)
        rows: list[dict[str, Any]] = [json.loads(line) for line in log.read().splitlines() if line.startswith(b"{")]
    [complaint] = [row for row in rows if row.get("msg") == "record not transformed"]
    assert "99999" in str(complaint)
    [metrics] = [row for row in rows if "_aws" in row]
    assert (metrics["answers_Dropped"], metrics["answers_ProcessingFailed"], metrics["records"]) == (1, 1, 2)
