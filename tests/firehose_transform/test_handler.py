"""The Lambda as AWS loads it: by its module's name, in a fresh interpreter, with nothing but the environment."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

LINE = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
CODE = (
    "import json, sys; from firehose_transform.handler import handler\n"
    "answer = handler(json.load(sys.stdin), None)\n"
    "clients = {'boto3', 'elasticsearch', 'elastic_transport', 'tenacity', 'amazon_kclpy', 'prometheus_client'}\n"
    "clients &= set(sys.modules)\n"
    "print(json.dumps([answer, sorted(clients)]))"
)


def invoked(event: object, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VPCFLOW_")}
    return subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=False,
        env=clean | environ,
    )


def event(*data: bytes) -> dict[str, object]:
    records = [{"recordId": str(number), "data": base64.b64encode(one).decode()} for number, one in enumerate(data)]
    return {"invocationId": "i", "deliveryStreamArn": "arn:aws:firehose:x:1:deliverystream/d", "records": records}


def test_it_answers_and_loads_no_client() -> None:
    done = invoked(event(LINE.encode()), VPCFLOW_DOCUMENT__NAMESPACE="prod")
    answer, clients = json.loads(done.stdout.splitlines()[-1])
    assert clients == []
    [record] = answer["records"]
    document = json.loads(base64.b64decode(record["data"]))
    assert record["result"] == "Ok"
    assert document["data_stream"]["namespace"] == "prod"
    assert document["aws"]["firehose"]["arn"].endswith("/d")


def test_what_could_not_be_decoded_is_one_line_of_log() -> None:
    done = invoked(event(b"garbage"))
    assert json.loads(done.stdout.splitlines()[-1])[0]["records"][0]["result"] == "ProcessingFailed"
    [line] = map(json.loads, done.stderr.splitlines())
    assert line["level"].lower() == "error"
    assert "garbage" not in done.stdout


def test_its_metrics_are_one_line_on_stdout() -> None:
    control = json.dumps(
        {"messageType": "CONTROL_MESSAGE", "owner": "1", "logGroup": "", "logStream": "", "logEvents": []}
    )
    three = event(b"\n".join([LINE.encode()] * 3), b"garbage", control.encode())
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


def test_without_a_namespace_there_are_no_metrics() -> None:
    done = invoked(event(LINE.encode()), VPCFLOW_METRICS__NAMESPACE="")
    assert len(done.stdout.splitlines()) == 1


def test_wrong_settings_fail_the_invocation() -> None:
    done = invoked(event(LINE.encode()), VPCFLOW_DOCUMENT__SHAPE="flat")
    assert done.returncode != 0
    assert "document.shape" in done.stderr
    assert done.stdout == ""
