"""The Lambda as AWS loads it: by its module's name, in a fresh interpreter, with nothing but the environment."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pytest

from tests.firehose_transform.contract import BROKEN, LINE, event, judged, lines, payload

CODE = (
    "import json, sys; from firehose_transform.handler import handler\n"
    "answer = handler(json.load(sys.stdin), None)\n"
    "clients = {'boto3', 'botocore', 'elasticsearch', 'elastic_transport', 'tenacity', 'amazon_kclpy', 'prometheus_client'}\n"
    "clients |= {'vpcflow.wiring', 'vpcflow.pipeline', 'vpcflow.sink', 'vpcflow.retry'}\n"
    "clients &= set(sys.modules)\n"
    "print(json.dumps([answer, sorted(clients)]))"
)


def invoked(event: object, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VPCFLOW_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=False,
        env=clean | {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"} | environ,
    )


@pytest.mark.parametrize("mode", ["documents", "bulk", "document"])
def test_it_answers_and_loads_no_client(mode: str) -> None:
    sent = event(LINE.encode(), payload(BROKEN))
    done = invoked(sent, VPCFLOW_DOCUMENT__NAMESPACE="prod", VPCFLOW_FIREHOSE__MODE=mode)
    answer, clients = json.loads(done.stdout.splitlines()[-1])
    assert clients == []
    [(result, data), (failed, _)] = judged(sent, answer)
    assert (result, failed) == ("Ok", "ProcessingFailed")
    document = json.loads(data.splitlines()[-1])
    assert document["data_stream"]["namespace"] == "prod"
    assert document["aws"]["firehose"]["arn"].endswith("/flows")
    assert ("id" in document["event"]) == (mode == "document")


def test_nothing_taken_back_by_the_stream_fails_the_record() -> None:
    closed = {"AWS_ENDPOINT_URL_FIREHOSE": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    sent = event(payload(*lines(2)), LINE.encode())
    done = invoked(sent, VPCFLOW_FIREHOSE__MODE="document", VPCFLOW_FIREHOSE__REINGEST_ATTEMPTS="2", **closed)
    answer, clients = json.loads(done.stdout.splitlines()[-1])
    assert clients == ["boto3", "botocore"]
    assert [result for result, _ in judged(sent, answer)] == ["ProcessingFailed", "Ok"]
    assert "2 requests" in done.stderr


@pytest.mark.parametrize(
    "environ", [{"VPCFLOW_FIREHOSE__DECOMPRESSION": "true"}, {"VPCFLOW_FIREHOSE__REINGEST": "off"}]
)
def test_where_nothing_can_go_round_nothing_is_tried(environ: dict[str, str]) -> None:
    sent = event(payload(*lines(2)))
    done = invoked(sent, VPCFLOW_FIREHOSE__MODE="document", **environ)
    answer, clients = json.loads(done.stdout.splitlines()[-1])
    assert (judged(sent, answer), clients) == ([("ProcessingFailed", b"")], [])
    [line] = map(json.loads, done.stderr.splitlines())
    assert "several events in one record" in str(line)


def test_what_could_not_be_decoded_is_one_line_of_log() -> None:
    done = invoked(event(b"garbage"))
    assert json.loads(done.stdout.splitlines()[-1])[0]["records"][0]["result"] == "ProcessingFailed"
    [line] = map(json.loads, done.stderr.splitlines())
    assert line["level"].lower() == "error"
    assert "garbage" not in done.stdout


def test_its_metrics_are_one_line_on_stdout() -> None:
    three = event(f"{LINE}\n{LINE}\n{LINE}".encode(), b"garbage", payload(kind="CONTROL_MESSAGE"))
    done = invoked(three, VPCFLOW_METRICS__NAMESPACE="flows", AWS_LAMBDA_FUNCTION_NAME="transform")
    told, _answer = map(json.loads, done.stdout.splitlines())
    (directive,) = told["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "flows"
    assert directive["Dimensions"] == [["function"]]
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert {name: told[name] for name in names} == {
        "records": 3,
        "answers_Ok": 1,
        "answers_ProcessingFailed": 1,
        "answers_Dropped": 1,
        "lines_document": 3,
        "lines_undecodable": 1,
        "lines_control": 1,
        "undecodable_format": 1,
    }
    assert told["function"] == "transform"


def test_inputs_and_outputs_are_not_for_it() -> None:
    done = invoked(event(LINE.encode()), VPCFLOW_OUTPUTS__A__DOCUMENT__NAMESPACE="prod")
    (said,) = [json.loads(line) for line in done.stderr.splitlines() if '"warning"' in line]
    assert said["msg"] == "inputs and outputs are declared and not used by this program"


def test_without_a_namespace_there_are_no_metrics() -> None:
    done = invoked(event(LINE.encode()), VPCFLOW_METRICS__NAMESPACE="")
    assert len(done.stdout.splitlines()) == 1


def test_no_records_are_no_answers() -> None:
    done = invoked({"records": []})
    assert json.loads(done.stdout.splitlines()[-1]) == [{"records": []}, []]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"VPCFLOW_DOCUMENT__SHAPE": "flat"}, "document.shape"),
        ({"VPCFLOW_FIREHOSE__MODE": "files"}, "firehose.mode"),
        ({"VPCFLOW_FIREHOSE__MAX_REPLY_BYTES": "6000001"}, "firehose.max_reply_bytes"),
        ({"VPCFLOW_FIREHOSE__MAX_REPLY_BYTES": "4199999"}, "firehose.max_reply_bytes"),
        ({"VPCFLOW_FIREHOSE__PARTIAL": "keep_good"}, "firehose.partial"),
        ({"VPCFLOW_FIREHOSE__PARTITION_KEYS": "acount"}, "firehose.partition_keys"),
        ({"VPCFLOW_FIREHOSE__PARTITION_KEYS": "date", "VPCFLOW_FIREHOSE__MODE": "document"}, "firehose.partition_keys"),
    ],
)
def test_wrong_settings_fail_the_invocation(environ: dict[str, str], problem: str) -> None:
    done = invoked(event(LINE.encode()), **environ)
    assert done.returncode != 0
    assert problem in done.stderr
    assert done.stdout == ""


def test_partition_keys_are_in_the_reply() -> None:
    done = invoked(event(LINE.encode()), VPCFLOW_FIREHOSE__PARTITION_KEYS="account,date")
    [record] = json.loads(done.stdout.splitlines()[-1])[0]["records"]
    assert record["metadata"] == {"partitionKeys": {"account": "123456789010", "date": "2014-12-14"}}
    assert base64.b64decode(record["data"]).endswith(b"\n")
