"""Numbers of the templates: an outage of hours wears nothing out, and what is given up at last is kept whole."""

from __future__ import annotations

import pytest

from forwarder.times import Times
from tests.deploy.forwarder.cases import CASES, ENGINE, GROUP, OURS
from tests.deploy.forwarder.policies import allowed
from tests.deploy.forwarder.sam import expanded, stack
from tests.deploy.template import fits
from tests.forwarder.scene import Context
from vpcflow.clock import FakeClock
from vpcflow.settings.model import Forwarder

HOUR = 3600
OUTAGE = 6 * HOUR
WEEKEND = 72 * HOUR
KEPT = 14 * 24 * HOUR


@pytest.mark.parametrize("timeout", expanded("s3-sqs")["Parameters"]["Timeout"]["AllowedValues"])
def test_a_queue_outlasts_a_long_weekend(timeout: str) -> None:
    """Visibility: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html, "at least six times"."""
    made = stack("s3-sqs", ENGINE, {"Timeout": timeout})
    queue, dead = (made.resources("AWS::SQS::Queue")[name] for name in ("Queue", "DeadLetterQueue"))
    visibility, receives = queue["VisibilityTimeout"], queue["RedrivePolicy"]["maxReceiveCount"]
    window = made.one("AWS::Lambda::EventSourceMapping")["MaximumBatchingWindowInSeconds"]
    assert visibility >= 6 * int(timeout) + window
    assert 1 <= receives <= 1000
    last_receive = (receives - 1) * visibility
    assert last_receive >= WEEKEND > OUTAGE
    assert last_receive >= 97 * HOUR, "what the template's comment and the walk-through say"
    assert receives * visibility < KEPT / 2, "there is time left to redrive"
    assert queue["MessageRetentionPeriod"] == dead["MessageRetentionPeriod"] == KEPT
    assert queue["RedrivePolicy"]["deadLetterTargetArn"].endswith("deadletterqueue")


def test_the_queue_is_the_brake() -> None:
    """Reserved concurrency below MaximumConcurrency throttles, and a throttled receive counts as one."""
    for given in CASES["s3-sqs"]:
        made = stack("s3-sqs", given)
        mapping = made.one("AWS::Lambda::EventSourceMapping")
        most = mapping["ScalingConfig"]["MaximumConcurrency"]
        reserved = made.one("AWS::Lambda::Function").get("ReservedConcurrentExecutions", most)
        assert 2 <= most <= 1000
        assert reserved >= most
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BatchSize"] == 10


@pytest.mark.parametrize("hours", expanded("kinesis")["Parameters"]["RetentionHours"]["AllowedValues"])
def test_a_stream_is_tried_until_just_before_it_expires(hours: str) -> None:
    """Age: 60 to 604,800 s, https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html."""
    made = stack("kinesis", ENGINE, {"RetentionHours": hours})
    mapping = made.one("AWS::Lambda::EventSourceMapping")
    age, retention = mapping["MaximumRecordAgeInSeconds"], int(hours) * HOUR
    timeout = int(made.parameter("Timeout"))
    assert age == min(retention - HOUR, 604_800)
    assert retention - age > timeout + 300 + timeout, "a call under way, the wait between two tries, a batch behind"
    assert age > OUTAGE
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["BisectBatchOnFunctionError"] is False
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == "arn:aws:s3:::deadletterbucket"
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    half = made.resources("AWS::CloudWatch::Alarm")["IteratorAgeHalfAlarm"]["Threshold"]
    assert half == age * 1000 / 2
    assert 24 <= int(hours) <= 8760


def test_a_new_stream_keeps_records_as_long_as_the_mapping_thinks() -> None:
    made = stack("kinesis", ENGINE, {"RetentionHours": "168"})
    assert str(made.one("AWS::Kinesis::Stream")["RetentionPeriodHours"]) == "168"


def test_asynchronous_events_end_in_s3() -> None:
    """The most that Lambda takes: https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html."""
    made = stack("cloudwatch-logs", ENGINE, GROUP)
    about = made.one("AWS::Lambda::EventInvokeConfig")
    assert about["DestinationConfig"] == {"OnFailure": {"Destination": "arn:aws:s3:::deadletterbucket"}}
    assert (about["MaximumRetryAttempts"], about["MaximumEventAgeInSeconds"]) == (2, 21_600)
    assert about["Qualifier"] == "$LATEST"
    timeout = made.one("AWS::Lambda::Function")["Timeout"]
    assert 3 * timeout + 180 == 360, "what the walk-through says: six minutes until an event is in S3"


@pytest.mark.parametrize("name", ["cloudwatch-logs", "kinesis"])
def test_lambda_may_write_what_it_gives_up(name: str) -> None:
    """s3:PutObject and s3:ListBucket: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html."""
    made = stack(name, CASES[name][0])
    may = allowed(made)
    assert "arn:aws:s3:::deadletterbucket/aws/lambda/*" in may["s3:PutObject"]
    assert "arn:aws:s3:::deadletterbucket" in may["s3:ListBucket"]
    prefixes = {one["Prefix"] for one in made.resources("AWS::S3::Bucket")["DeadLetterBucket"]["MetricsConfigurations"]}
    assert prefixes == {"dead-letters/", "aws/lambda/"}


@pytest.mark.parametrize("name", CASES)
def test_a_call_is_slow_that_had_less_than_half_of_its_last_seconds(name: str) -> None:
    """These are seconds, not a part of the timeout: a call of 900 s that waits as long as it may is not slow."""
    made = stack(name, CASES[name][0])
    alarm = made.resources("AWS::CloudWatch::Alarm")["FunctionSlowAlarm"]
    (reckoned,) = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
    assert reckoned == f"{made.parameter('Timeout')} - longest / 1000"
    assert alarm["ComparisonOperator"] == "LessThanThreshold"
    for timeout in (45.0, float(made.parameter("Timeout")), 900.0):
        times = Times(FakeClock(), Context(timeout), Forwarder().deadline_margin_seconds)
        kept_for_the_answer = timeout - times.settle_seconds
        assert 0 < alarm["Threshold"] <= kept_for_the_answer / 2 + 1e-6


@pytest.mark.parametrize("timeout", expanded("s3-sqs")["Parameters"]["Timeout"]["AllowedValues"])
def test_a_message_that_fails_for_ever_is_told_of_long_before_it_is_given_up(timeout: str) -> None:
    """It comes again after the visibility only, and the age of the queue leaves it out after three times."""
    made = stack("s3-sqs", ENGINE, {"Timeout": timeout})
    alarm = made.resources("AWS::CloudWatch::Alarm")["StuckAlarm"]
    visibility = made.resources("AWS::SQS::Queue")["Queue"]["VisibilityTimeout"]
    for begins in range(0, alarm["Period"], 60):
        fails = range(begins, 48 * HOUR, visibility)
        hours = {at // alarm["Period"] for at in fails}
        windows = [len(hours & set(range(n, n + alarm["EvaluationPeriods"]))) for n in range(6)]
        assert max(windows) >= alarm["DatapointsToAlarm"], begins
    blip = {(alarm["Period"] - 60) // alarm["Period"], (alarm["Period"] + 60) // alarm["Period"]}
    assert len(blip) < alarm["DatapointsToAlarm"]


def test_no_event_comes_before_there_is_a_place_for_those_that_fail() -> None:
    assert set(expanded("cloudwatch-logs")["Resources"]["Subscription"]["DependsOn"]) == {
        "LogsPermission",
        "Asynchronous",
    }


def test_what_a_topic_or_a_rule_cannot_send_goes_to_the_dead_letter_queue() -> None:
    dead = "arn:aws:sqs:eu-central-1:123456789012:deadletterqueue"
    topic = {**OURS, "Notifications": "sns", "SnsTopicArn": "arn:aws:sns:eu-central-1:210987654321:t"}
    made = stack("s3-sqs", ENGINE, topic)
    assert made.one("AWS::SNS::Subscription")["RedrivePolicy"] == {"deadLetterTargetArn": dead}
    rule = stack("s3-sqs", ENGINE, OURS, {"Notifications": "eventbridge"})
    assert rule.one("AWS::Events::Rule")["Targets"][0]["DeadLetterConfig"] == {"Arn": dead}
    for one, service in ((made, "sns.amazonaws.com"), (rule, "events.amazonaws.com")):
        statements = one.resources("AWS::SQS::QueuePolicy")["DeadLetterQueuePolicy"]["PolicyDocument"]["Statement"]
        assert [it["Principal"] for it in statements if it["Effect"] == "Allow"] == [{"Service": service}]


# ---- how the queue hears of objects ----


@pytest.mark.parametrize(
    ("given", "services"),
    [
        ({}, {"s3.amazonaws.com": "arn:aws:s3:::vpcflow-flow-logs-123456789012-eu-central-1"}),
        ({**OURS, "Notifications": "direct"}, {"s3.amazonaws.com": "arn:aws:s3:::flow-logs-of-all"}),
        (
            {**OURS, "Notifications": "eventbridge"},
            {"events.amazonaws.com": "arn:aws:events:eu-central-1:123456789012:objectrule"},
        ),
        (
            {**OURS, "Notifications": "sns", "SnsTopicArn": "arn:aws:sns:eu-central-1:210987654321:t"},
            {"sns.amazonaws.com": "arn:aws:sns:eu-central-1:210987654321:t"},
        ),
    ],
)
def test_only_the_chosen_way_may_send(given: dict[str, str], services: dict[str, str]) -> None:
    made = stack("s3-sqs", ENGINE, given)
    statements = made.resources("AWS::SQS::QueuePolicy")["QueuePolicy"]["PolicyDocument"]["Statement"]
    let_in = [one for one in statements if one["Effect"] == "Allow"]
    assert {one["Principal"]["Service"]: one["Condition"]["ArnEquals"]["aws:SourceArn"] for one in let_in} == services
    assert bool(made.resources("AWS::Events::Rule")) == (given.get("Notifications") == "eventbridge")
    assert bool(made.resources("AWS::SNS::Subscription")) == (given.get("Notifications") == "sns")
    assert made.holds("Direct") == (given.get("Notifications") == "direct")


def test_the_bucket_waits_for_the_policy_that_lets_it_send() -> None:
    bucket = expanded("s3-sqs")["Resources"]["FlowLogs"]
    assert bucket["DependsOn"] == "QueuePolicy"
    made = stack("s3-sqs", ENGINE)
    (told,) = made.resources("AWS::S3::Bucket")["FlowLogs"]["NotificationConfiguration"]["QueueConfigurations"]
    assert told["Event"] == "s3:ObjectCreated:*"


# ---- what is refused before anything is made ----


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("s3-sqs", {**ENGINE, **OURS}, "leave FlowLogBucket empty"),
        ("s3-sqs", {**ENGINE, "BucketAccountId": "210987654321"}, "leave BucketAccountId empty"),
        ("s3-sqs", {**ENGINE, "Notifications": "direct"}, "need a FlowLogBucket"),
        ("s3-sqs", {**ENGINE, **OURS, "Notifications": "sns"}, "needs an SnsTopicArn"),
        (
            "s3-sqs",
            {**ENGINE, **OURS, "Notifications": "direct", "SnsTopicArn": "arn:aws:sns:eu-central-1:210987654321:t"},
            "SnsTopicArn is for",
        ),
        (
            "s3-sqs",
            {**ENGINE, **OURS, "Notifications": "eventbridge", "BucketAccountId": "210987654321"},
            "its own account",
        ),
        ("s3-sqs", {**ENGINE, "Timeout": "301"}, "Timeout"),
        ("s3-sqs", {**ENGINE, "MaximumConcurrency": "1"}, "MaximumConcurrency"),
        ("s3-sqs", {**ENGINE, "ExpireDays": "7"}, "ExpireDays"),
        ("s3-sqs", {**ENGINE, "SettingsBucket": "bucket"}, "belong together"),
        ("s3-sqs", {**ENGINE, "SecretArn": ""}, "need a SecretArn"),
        ("s3-sqs", {**ENGINE, "SecretArn": "the-key-itself"}, "SecretArn"),
        ("s3-sqs", {**ENGINE, "Authentication": "basic"}, "needs a Username"),
        ("s3-sqs", {**ENGINE, "Authentication": "sigv4"}, "needs a DomainArn"),
        ("cloudwatch-logs", ENGINE, "LogGroupName"),
        ("cloudwatch-logs", {**ENGINE, **GROUP, "Timeout": "30"}, "Timeout"),
        ("cloudwatch-logs", {**ENGINE, **GROUP, "LogFormat": '${version}", "x": "'}, "LogFormat"),
        (
            "kinesis",
            {**ENGINE, **GROUP, "StreamArn": "arn:aws:kinesis:eu-central-1:123456789012:stream/x"},
            "leave it empty",
        ),
        ("kinesis", {**ENGINE, "StreamKmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/x"}, "takes KmsKeyArn"),
        ("kinesis", {**ENGINE, "RetentionHours": "25"}, "RetentionHours"),
        ("kinesis", {**ENGINE, "BatchSize": "10001"}, "BatchSize"),
        *[
            (name, {**CASES[name][0], "SubnetIds": "subnet-0a", "SecurityGroupIds": ""}, "SubnetIds need")
            for name in CASES
        ],
    ],
)
def test_the_template_refuses(name: str, given: dict[str, str], said: str) -> None:
    found = [one for one in stack(name, given).refusals() if said in one]
    assert found, stack(name, given).refusals()


def test_defaults_fit_their_own_constraints() -> None:
    for name in CASES:
        for parameter, about in expanded(name)["Parameters"].items():
            assert "Default" not in about or fits(str(about["Default"]), about), parameter
