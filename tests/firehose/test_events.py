"""Events in the shapes that AWS's pages show, each in a file, through the real runtime client in each mode.

https://docs.aws.amazon.com/lambda/latest/dg/services-kinesisfirehose.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.firehose.flows import check_reply
from tests.runtime.function import Function

FOLDER = Path(__file__).parent / "events"
RESULTS = {
    "cloudwatch-logs": ["Dropped", "Ok"],
    "cloudwatch-logs-account-policy": ["Ok"],
    "decompressed": ["Ok"],
    "direct-put-lines": ["Ok", "Ok"],
    "kinesis-source": ["Dropped", "Ok"],
    "messages-extracted": ["Ok"],
}


def test_each_file_has_its_expectation() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(RESULTS)


@pytest.mark.parametrize("mode", ["documents", "bulk"])
def test_events_of_aws_are_answered(mode: str) -> None:
    with Function("firehose_transform.handler.handler", {"VPCFLOW_FIREHOSE__MODE": mode}, timeout=30) as function:
        for name, results in RESULTS.items():
            event = json.loads((FOLDER / f"{name}.json").read_text())
            reply = json.loads(function.invoke(event).payload)
            check_reply(event, reply, mode=mode, limit=6_000_000)
            assert [row["result"] for row in reply["records"]] == results, name
        assert function.cold_starts == 1


def test_a_document_of_an_event_says_where_it_comes_from() -> None:
    event = json.loads((FOLDER / "kinesis-source.json").read_text())
    with Function("firehose_transform.handler.handler", timeout=30) as function:
        reply = json.loads(function.invoke(event).payload)
    document = json.loads(base64.b64decode(reply["records"][1]["data"]))
    assert document["aws"]["firehose"]["arn"] == event["deliveryStreamArn"]
    assert document["aws"]["cloudwatch"]["log_group"] == "vpc-flow-logs"
    assert document["network"]["bytes"] == 4249
