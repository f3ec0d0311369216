"""The templates, deployed: expanded, and made by moto's CloudFormation; then looked at through the services' own APIs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.deploy.forwarder.cases import ENGINE, GROUP, OURS
from tests.deploy.forwarder.sam import expanded
from vpcflow.objects.notification import references

# Policies and alarms, which moto cannot make: tests of the expanded template look at these.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # moto leaves a file open
]

REGION = "eu-central-1"
Clients = Callable[[str], Any]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield lambda service: boto3.client(service, region_name=REGION)


def deployed(aws: Clients, name: str, *given: dict[str, str]) -> dict[str, str]:
    """Make the stack, but for what moto cannot make (alarms, some policies); return its outputs."""
    s3, stacks = aws("s3"), aws("cloudformation")
    s3.create_bucket(Bucket="code-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("forwarder/handler.py", "def handler(event, context): return {}\n")
    s3.put_object(Bucket="code-bucket", Key="forwarder.zip", Body=packed.getvalue())
    parameters = {key: value for one in given for key, value in one.items()}
    stacks.create_stack(
        StackName="flows",
        TemplateBody=json.dumps(expanded(name)),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (stack,) = stacks.describe_stacks(StackName="flows")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


def attributes(queues: Any, url: str) -> dict[str, str]:  # noqa: ANN401
    found: dict[str, str] = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def test_a_queue_that_gives_a_message_up_after_two_hundred_receives(aws: Clients) -> None:
    url = deployed(aws, "s3-sqs", ENGINE)["QueueUrl"]
    queues, functions = aws("sqs"), aws("lambda")
    dead_url = queues.get_queue_url(QueueName="vpcflow-objects-dead")["QueueUrl"]
    queue, dead = attributes(queues, url), attributes(queues, dead_url)
    assert json.loads(queue["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 200}
    assert queue["VisibilityTimeout"] == "1800"
    (mapping,) = functions.list_event_source_mappings(FunctionName="vpcflow-forwarder")["EventSourceMappings"]
    assert mapping["EventSourceArn"] == queue["QueueArn"]
    assert mapping["BatchSize"] == 10
    variables = functions.get_function_configuration(FunctionName="vpcflow-forwarder")["Environment"]["Variables"]
    assert variables["VPCFLOW_FORWARDER__CONTINUE_QUEUE_URL"] == url

    queues.send_message(QueueUrl=url, MessageBody="{}")
    for _ in range(201):
        got = queues.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages", [])
    assert got == []
    assert attributes(queues, dead_url)["ApproximateNumberOfMessages"] == "1"


def test_the_command_of_the_output_tells_the_queue(aws: Clients) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket=OURS["FlowLogBucket"], CreateBucketConfiguration={"LocationConstraint": REGION})
    outputs = deployed(aws, "s3-sqs", ENGINE, OURS, {"Notifications": "direct"})
    command, configuration = outputs["NotificationCommand"].rstrip("'").split(" '")
    assert command.startswith(f"aws s3api put-bucket-notification-configuration --bucket {OURS['FlowLogBucket']} ")
    s3.put_bucket_notification_configuration(
        Bucket=OURS["FlowLogBucket"], NotificationConfiguration=json.loads(configuration)
    )
    told = s3.get_bucket_notification_configuration(Bucket=OURS["FlowLogBucket"])["QueueConfigurations"]
    assert told[0]["QueueArn"] == outputs["QueueArn"]


def test_a_rule_of_eventbridge_sends_objects_to_the_queue(aws: Clients) -> None:
    outputs = deployed(aws, "s3-sqs", ENGINE, OURS, {"Notifications": "eventbridge"})
    events = aws("events")
    (target,) = events.list_targets_by_rule(Rule="vpcflow-objects")["Targets"]
    assert target["Arn"] == outputs["QueueArn"]
    for bucket, key in (
        (OURS["FlowLogBucket"], "AWSLogs/1/x.log.gz"),
        ("another", "AWSLogs/1/x"),
        (OURS["FlowLogBucket"], "y"),
    ):
        detail = json.dumps({"bucket": {"name": bucket}, "object": {"key": key}})
        events.put_events(Entries=[{"Source": "aws.s3", "DetailType": "Object Created", "Detail": detail}])
    queues = aws("sqs")
    got = queues.receive_message(QueueUrl=outputs["QueueUrl"], MaxNumberOfMessages=10)["Messages"]
    assert [ref.key for one in got for ref in references(json.loads(one["Body"]))] == ["AWSLogs/1/x.log.gz"]


def test_a_log_group_may_call_the_function(aws: Clients) -> None:
    deployed(aws, "cloudwatch-logs", ENGINE, GROUP)
    policy = json.loads(aws("lambda").get_policy(FunctionName="vpcflow-forwarder")["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "logs.amazonaws.com"}
    assert "log-group:/vpc/flow-logs:*" in json.dumps(statement["Condition"])


def test_a_stream_feeds_the_function(aws: Clients) -> None:
    deployed(aws, "kinesis", ENGINE, GROUP, {"RetentionHours": "168"})
    stream = aws("kinesis").describe_stream_summary(StreamName="vpcflow")["StreamDescriptionSummary"]
    assert stream["RetentionPeriodHours"] == 168
    (mapping,) = aws("lambda").list_event_source_mappings(FunctionName="vpcflow-forwarder")["EventSourceMappings"]
    assert mapping["EventSourceArn"] == stream["StreamARN"]
