"""The Lambda as AWS loads it: by its module's name, in a fresh interpreter, with nothing but the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.forwarder.events import (
    BROKEN,
    LINE,
    damaged_aggregate,
    kinesis_event,
    lines,
    logs_event,
    notices,
    payload,
    sqs_event,
    text,
)
from tests.forwarder.scene import Scene

HEAVY = "boto3", "botocore", "pyarrow", "amazon_kclpy", "prometheus_client", "typer", "rich", "uvicorn", "elasticsearch"
CODE = (
    "import json, sys; from forwarder.handler import handler\n"
    f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
    "answers = [handler(event, None) for event in json.load(sys.stdin)]\n"
    "print(json.dumps([answers, heavy]))"
)


def invoked(scene: Scene, *events: object, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VPCFLOW_")}
    return subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps(events),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**clean, **scene.settings(), "AWS_LAMBDA_FUNCTION_NAME": "forwarder", **environ},
    )


def told(done: subprocess.CompletedProcess[str]) -> tuple[list[Any], list[str]]:
    assert done.returncode == 0, done.stderr[-2000:]
    answers, heavy = json.loads(done.stdout.splitlines()[-1])
    return answers, heavy


def test_it_answers_each_kind_and_starts_light(scene: Scene) -> None:
    key = scene.put(text(*lines(3)))
    events = [
        sqs_event(*notices(scene.bucket, key)),
        kinesis_event("\n".join(lines(3)).encode()),
        logs_event(payload(*lines(3))),
    ]
    answers, heavy = told(invoked(scene, *events))
    assert answers == [{"batchItemFailures": []}, {"batchItemFailures": []}, {}]
    assert heavy == []
    assert len(scene.engine.documents) == 9


def test_its_metrics_are_one_line_on_stdout(scene: Scene) -> None:
    event = kinesis_event(f"{LINE}\n{BROKEN}".encode(), b"", damaged_aggregate())
    done = invoked(scene, event, VPCFLOW_METRICS__NAMESPACE="flows")
    metrics, _answer = map(json.loads, done.stdout.splitlines())
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "flows"
    assert directive["Dimensions"] == [["function"]]
    names = ("items_settled", "empty_items", "documents_created", "lines_document")
    names += ("dead_letters_value", "dead_letters_aggregation")
    assert {name: metrics[name] for name in names} == {
        "items_settled": 3,
        "empty_items": 1,
        "documents_created": 1,
        "lines_document": 1,
        "dead_letters_value": 1,
        "dead_letters_aggregation": 1,
    }
    assert "items_failed" not in metrics


def test_without_a_namespace_there_are_no_metrics(scene: Scene) -> None:
    assert len(invoked(scene, kinesis_event(LINE.encode()), VPCFLOW_METRICS__NAMESPACE="").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"VPCFLOW_FORWARDER__DEADLINE_MARGIN_SECONDS": "soon"}, "forwarder.deadline_margin_seconds"),
        ({"VPCFLOW_DEADLETTERS__KIND": "file"}, "deadletters.kind"),
        ({"VPCFLOW_FORWARDER__NO_SUCH": "1"}, "NO_SUCH"),
    ],
)
def test_wrong_settings_fail_the_invocation(scene: Scene, environ: dict[str, str], words: str) -> None:
    done = invoked(scene, kinesis_event(LINE.encode()), **environ)
    assert done.returncode != 0
    assert words in done.stderr


def test_an_event_that_is_not_known_is_named_by_its_keys(scene: Scene) -> None:
    done = invoked(scene, {"user": "secret"})
    assert done.returncode != 0
    assert "an object with 'user'" in done.stderr
    assert "secret" not in done.stderr.replace("forwarder.handler", "").split("EventError")[-1]
