"""What the real consumer asks of DynamoDB and CloudWatch is what the policy allows: AWS would refuse nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.consumer import policies, watching
from tests.deploy.consumer.cases import READER, stack
from tests.deploy.consumer.recording import metrics, recorded
from tests.e2e.conftest import Scene, until
from vpcflow.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow]

TABLES = "arn:aws:dynamodb:eu-central-1:123456789012:table/"


def shapes(put: list[dict[str, str]]) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Return names and dimensions of metrics; of dimensions other than Operation only that they are there."""
    found = set()
    for call in put:
        for key, name in call.items():
            if which := re.fullmatch(r"(MetricData\.member\.\d+)\.MetricName", key):
                begin = re.escape(f"{which[1]}.Dimensions.member.")
                names = {at: value for at, value in call.items() if re.fullmatch(rf"{begin}\d+\.Name", at)}
                dimensions = {value: call[at.removesuffix("Name") + "Value"] for at, value in names.items()}
                kept = {(one, value if one == "Operation" else "") for one, value in dimensions.items()}
                found.add((name, frozenset(kept)))
    return found


def test_the_policy_allows_what_a_consumer_asks_for_on_its_first_start(
    stack_elasticsearch: Stack, stack_kinesis: Stack, tmp_path: Path
) -> None:
    """Empty: the library makes its tables, becomes leader, reads, and puts its metrics; then it is stopped."""
    with recorded(stack_kinesis.dynamodb_url) as dynamodb, metrics() as cloudwatch:
        scene = Scene(
            stack_elasticsearch,
            stack_kinesis,
            tmp_path,
            {
                "VPCFLOW_KINESIS__DYNAMODB_ENDPOINT": dynamodb.url,
                "VPCFLOW_KINESIS__METRICS_LEVEL": "SUMMARY",
                "AWS_ENDPOINT_URL_CLOUDWATCH": cloudwatch.url,
            },
        )
        try:
            scene.stream(seed=False)
            scene.put(10)
            scene.start()
            scene.arrived(300)
            scene.checkpointed()
            behind = frozenset({("Operation", watching.KCL_OPERATION)})
            until(lambda: ("MillisBehindLatest", behind) in shapes(cloudwatch.put), 120, "the metric of the alarm")
            scene.stop()
        finally:
            scene.close()
    made = stack("permissions", READER, {"Application": scene.name})
    may = policies.allowed(made)
    asked = {
        (operation, sent["TableName"] + (f"/index/{sent['IndexName']}" if "IndexName" in sent else ""))
        for operation, sent in dynamodb.asked
    }
    for operation, table in sorted(asked):
        assert TABLES + table in may[f"dynamodb:{operation}"], (operation, table)
    assert {table for _, table in asked} == {
        scene.name,
        f"{scene.name}/index/LeaseOwnerToLeaseKeyIndex",
        f"{scene.name}-WorkerMetricStats",
        f"{scene.name}-CoordinatorState",
    }
    assert {operation for operation, table in asked if table == scene.name} >= {
        "CreateTable",
        "UpdateTable",
        "UpdateItem",
    }
    (statement,) = [one for where, one in policies.statements(made) if where.endswith("PutMetrics")]
    assert {one["Namespace"] for one in cloudwatch.put} == set(statement["Condition"]["StringEquals"].values())
    assert {one["Action"] for one in cloudwatch.put} == {"PutMetricData"}
    for name, kinds in watching.KCL.items():
        seen = [{one for one, _ in dimensions} for metric, dimensions in shapes(cloudwatch.put) if metric == name]
        assert sorted(seen, key=len) == kinds
