"""The function in the real runtime client of Lambda, with a real search engine, S3 and SQS emulated."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.forwarder.events import (
    BROKEN,
    LINE,
    failed,
    kinesis_event,
    lines,
    logs_event,
    message_ids,
    notices,
    object_key,
    payload,
    shard,
    sqs_event,
    text,
)
from tests.forwarder.scene import Scene
from tests.runtime.function import Function
from vpcflow import wiring
from vpcflow.faults import FaultProxy, parse_script
from vpcflow.settings.load import load
from vpcflow.sink.engine import EngineSink
from vpcflow.stack import Stack

HANDLER = "forwarder.handler.handler"
pytestmark = pytest.mark.stack
STALL = '[[rule]]\naction = "delay"\npath = "{path}"\nseconds = 60.0\n{more}'


@pytest.fixture
def engine_sink(stack_elasticsearch: Stack) -> Iterator[EngineSink]:
    environ = {
        "VPCFLOW_ELASTICSEARCH__HOSTS": stack_elasticsearch.engine_url,
        "VPCFLOW_INDEX__MODE": "pattern",
        "VPCFLOW_INDEX__NAME": "forwarded-{yyyy}",
    }
    made = wiring.sink(load(None, environ).settings)
    yield made
    made.close()


def variables(scene: Scene, url: str, name: str, **environ: str) -> dict[str, str]:
    scene.environ |= {"ELASTICSEARCH__HOSTS": url, "INDEX__NAME": f"forwarded-{name}-" + "{yyyy}", **environ}
    return {**scene.settings(), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "AWS_EC2_METADATA_DISABLED": "true"}


def found(sink: EngineSink, name: str) -> int:
    sink.refresh(f"forwarded-{name}-*")
    return sink.count(f"forwarded-{name}-*")


def test_every_kind_is_there_once(stack_elasticsearch: Stack, engine_sink: EngineSink, scene: Scene) -> None:
    key = scene.put(text(*lines(500)))
    events: list[dict[str, Any]] = [
        sqs_event(*notices(scene.bucket, key)),
        kinesis_event(payload(*lines(300)), LINE.encode(), payload("probe", kind="CONTROL_MESSAGE")),
        logs_event(payload(*lines(300))),  # the same log events once more
        sqs_event(f"{LINE}\n{BROKEN}"),
    ]
    with Function(HANDLER, variables(scene, stack_elasticsearch.engine_url, "once"), name="forwarder") as function:
        for _ in range(2):
            for event in events:
                answer = function.invoke(event)
                assert not answer.failed, answer.payload
                assert answer.value in ({}, {"batchItemFailures": []})
        assert function.cold_starts == 1
    assert found(engine_sink, "once") == 500 + 300 + 1 + 1
    assert {letter.raw for letter in scene.kept()} == {BROKEN.encode()}


@pytest.mark.parametrize(
    "kind", ["sqs", pytest.param("kinesis", marks=pytest.mark.slow), pytest.param("logs", marks=pytest.mark.slow)]
)
def test_50_a_stalled_cluster_fails_the_invocation_before_lambda_does(
    stack_elasticsearch: Stack, scene: Scene, kind: str
) -> None:
    key = scene.put(text(*lines(5)))
    event = {
        "sqs": sqs_event(*notices(scene.bucket, key)),
        "kinesis": kinesis_event(LINE.encode()),
        "logs": logs_event(payload(LINE)),
    }[kind]
    rules = parse_script(STALL.format(path="", more=""))
    with (
        FaultProxy(stack_elasticsearch.engine_url, rules) as proxy,
        Function(
            HANDLER,
            variables(scene, proxy.url, f"stall-{kind}", FORWARDER__DEADLINE_MARGIN_SECONDS="20"),
            timeout=30,
            name="forwarder",
        ) as function,
    ):
        answer = function.invoke(event)
    assert answer.error_type != "Sandbox.Timedout", answer.payload
    if answer.failed:
        assert answer.error_type in ("SinkUnavailable", "Stopped", "NotSettled"), answer.payload
    else:
        names = message_ids(event) if kind == "sqs" else shard(event)
        assert failed(answer.value) == names[:1]


@pytest.mark.slow
def test_what_was_settled_before_the_cluster_stalled_does_not_come_again(
    stack_elasticsearch: Stack, engine_sink: EngineSink, scene: Scene
) -> None:
    rules = parse_script(STALL.format(path="_bulk", more="first = 3\n"))
    event = kinesis_event(*[payload(*lines(10), tag=str(number)) for number in range(5)])
    environ = {"BULK__MAX_ACTIONS": "10", "BULK__IN_FLIGHT": "1", "FORWARDER__DEADLINE_MARGIN_SECONDS": "30"}
    with (
        FaultProxy(stack_elasticsearch.engine_url, rules) as proxy,
        Function(HANDLER, variables(scene, proxy.url, "half", **environ), timeout=60, name="forwarder") as function,
    ):
        answer = function.invoke(event)
        assert not answer.failed, answer.payload
        assert failed(answer.value) == [shard(event)[2]]
    assert found(engine_sink, "half") >= 20


def test_53_a_process_that_is_killed_loses_nothing(
    stack_elasticsearch: Stack, engine_sink: EngineSink, scene: Scene
) -> None:
    """It is killed with requests on their way; the event comes again to a new process."""
    key = scene.put(text(*lines(3000)))
    event = sqs_event(*notices(scene.bucket, key))
    rules = parse_script('[[rule]]\naction = "delay"\npath = "_bulk"\nseconds = 1.0\n')
    environ = {"BULK__MAX_ACTIONS": "200", "BULK__IN_FLIGHT": "2"}
    with (
        FaultProxy(stack_elasticsearch.engine_url, rules) as proxy,
        Function(HANDLER, variables(scene, proxy.url, "killed", **environ), timeout=60, name="forwarder") as function,
        ThreadPoolExecutor(1) as threads,
    ):
        first = threads.submit(function.invoke, event)
        while not proxy.journal.lines():
            assert not first.done()
            time.sleep(0.05)
        assert function._process is not None
        function._process.kill()
        assert first.result().error_type == "Runtime.ExitError"
        answer = function.invoke(event)
        assert not answer.failed, answer.payload
        assert failed(answer.value) == []
        assert function.cold_starts == 2
    assert found(engine_sink, "killed") == 3000


def test_what_fails_is_one_line_in_the_log(stack_elasticsearch: Stack, scene: Scene) -> None:
    (unknown,) = notices("there-is-no-such-bucket-of-ours", object_key())
    event = sqs_event(LINE, *[unknown] * 5)
    environ = variables(scene, stack_elasticsearch.engine_url, "log")
    with tempfile.TemporaryFile() as log:
        with Function(HANDLER, environ, log=log, name="forwarder") as function:
            answer = function.invoke(event)
        log.seek(0)
        rows: list[dict[str, Any]] = [json.loads(line) for line in log.read().splitlines() if line.startswith(b"{")]
    complaints = [row for row in rows if row.get("msg") == "not settled, comes again"]
    assert len(complaints) == (1 if failed(answer.value) else 0)
    [metrics] = [row for row in rows if "_aws" in row]
    assert metrics["items_settled"] == 6 - len(failed(answer.value))
