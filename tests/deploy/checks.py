"""What cfn-lint does not see. Each check returns its complaints; none means good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from tests.deploy.alarms import METRICS, OURS
from tests.deploy.template import Stack, listed, statements

# From https://docs.aws.amazon.com/firehose/latest/APIReference/: ProcessorParameter, BufferingHints and RetryOptions of each
# destination, and https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html.
PROCESSOR = {"NumberOfRetries": (0, 300), "BufferSizeInMBs": (0.2, 3), "BufferIntervalInSeconds": (0, 900)}
DESTINATIONS = {
    "ExtendedS3DestinationConfiguration": (128, 300, "Enabled Disabled"),  # most MB, s of its retry; backup modes
    "AmazonopensearchserviceDestinationConfiguration": (100, 7200, "FailedDocumentsOnly AllDocuments"),
    "HttpEndpointDestinationConfiguration": (64, 7200, "FailedDataOnly AllData"),
}
ROTATIONS = ("NoRotation", "OneHour", "OneDay", "OneWeek", "OneMonth")
LONGEST_INVOCATION = 300
LEAST_PARTITIONED_MB = 64

# IAM's prefix → botocore's services; those whose IAM actions are not the names of operations, with the reason.
SERVICES = {"es": ("opensearch", "es")}
NO_OPERATIONS = {
    "lambda:InvokeFunction": "the action of the operation Invoke",
    "s3:ListBucket": "the action of ListObjectsV2",
    "s3:GetObjectVersion": "the action of GetObject with a VersionId",
    "s3:ListBucketMultipartUploads": "the action of ListMultipartUploads",
    "es:ESHttpGet": "requests to the domain itself: Amazon OpenSearch Service, Identity and Access Management",
    "es:ESHttpPost": "likewise",
    "es:ESHttpPut": "likewise",
}
ANYTHING_ALLOWED = {
    "MakeInterfaces": "interfaces do not exist before; Describe actions of EC2 have no resource level",
    "NotFromInside": "a Deny",
}


def values(stack: Stack) -> Iterator[str]:
    """Complain about numbers and words that AWS would refuse, or that lose records."""
    delivery = stack.one("AWS::KinesisFirehose::DeliveryStream")
    for name, destination in delivery.items():
        if name.endswith("DestinationConfiguration"):
            yield from _destination(name, destination)
    for flow_log in stack.resources("AWS::EC2::FlowLog").values():
        if flow_log["MaxAggregationInterval"] not in (60, 600):
            yield f"MaxAggregationInterval {flow_log['MaxAggregationInterval']}: 60 or 600"
    for function in stack.resources("AWS::Lambda::Function").values():
        if function["Timeout"] > LONGEST_INVOCATION:
            yield f"Timeout {function['Timeout']}: Firehose waits for {LONGEST_INVOCATION} s"


def _within(name: str, value: float, least: float, most: float) -> Iterator[str]:
    if not least <= float(value) <= most:
        yield f"{name} {value}: {least} to {most}"


def _destination(name: str, about: Mapping[str, Any]) -> Iterator[str]:
    most_mb, most_seconds, modes = DESTINATIONS[name]
    hints = about["BufferingHints"]
    yield from _within("SizeInMBs", hints["SizeInMBs"], 1, most_mb)
    yield from _within("IntervalInSeconds", hints["IntervalInSeconds"], 0, 900)
    if name != "ExtendedS3DestinationConfiguration":  # S3 itself is tried again without an end
        yield from _within("DurationInSeconds", about["RetryOptions"]["DurationInSeconds"], 0, most_seconds)
    if about["S3BackupMode"] not in modes.split():
        yield f"S3BackupMode {about['S3BackupMode']}: {modes}"
    if about.get("IndexRotationPeriod", "OneDay") not in ROTATIONS:
        yield f"IndexRotationPeriod {about['IndexRotationPeriod']}"
    if "DynamicPartitioningConfiguration" in about and hints["SizeInMBs"] < LEAST_PARTITIONED_MB:
        yield f"SizeInMBs {hints['SizeInMBs']}: dynamic partitioning takes {LEAST_PARTITIONED_MB} or more"
    for place in (about, about.get("S3Configuration", {}), about.get("S3BackupConfiguration", {})):
        if "BucketARN" in place and "!{firehose:error-output-type}" not in place.get("ErrorOutputPrefix", ""):
            yield f"{name}: ErrorOutputPrefix does not name the kind of error"
        if place and not place["CloudWatchLoggingOptions"]["Enabled"]:
            yield f"{name}: errors are not logged"
    yield from _processors(about.get("ProcessingConfiguration", {"Processors": []})["Processors"])


def _processors(processors: list[Any]) -> Iterator[str]:
    kinds = [one["Type"] for one in processors]
    if kinds not in ([], ["Lambda"], ["Decompression"], ["Decompression", "Lambda"]):
        yield f"processors {kinds}"
    for processor in processors:
        if processor["Type"] != "Lambda":
            continue
        given = {one["ParameterName"]: one["ParameterValue"] for one in processor["Parameters"]}
        for name in ("LambdaArn", "RoleArn", *PROCESSOR):
            if name not in given:
                yield f"{name} is not said"
        for name, (least, most) in PROCESSOR.items():
            yield from _within(name, given.get(name, least), least, most)


def request(stack: Stack) -> dict[str, Any]:
    """Return the delivery stream as a request of CreateDeliveryStream: the properties are named as its members."""

    def as_text(value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, list):
            return [as_text(one) for one in value]
        if isinstance(value, dict):
            return {key: str(one) if key == "ParameterValue" else as_text(one) for key, one in value.items()}
        return value

    made: dict[str, Any] = as_text(stack.one("AWS::KinesisFirehose::DeliveryStream"))
    return made


def refused(sent: Mapping[str, Any]) -> str:
    """Return what botocore's model of CreateDeliveryStream has against a request, or ''."""
    shape = _session().get_service_model("firehose").operation_model("CreateDeliveryStream").input_shape
    report: str = ParamValidator().validate(dict(sent), shape).generate_report()
    return report


@cache
def _session() -> Any:  # noqa: ANN401 - botocore has no types
    return botocore.session.Session()


@cache
def _operations(prefix: str) -> frozenset[str]:
    names = SERVICES.get(prefix, (prefix,))
    models = [_session().get_service_model(name) for name in names]
    return frozenset(name for model in models for name in model.operation_names)


def actions(stack: Stack) -> Iterator[str]:
    """Complain about actions that AWS does not know, and about more of them than needed."""
    for name, role in stack.resources("AWS::IAM::Role").items():
        for statement in statements(role):
            where = f"{name}: {statement.get('Sid', '?')}"
            for action in listed(statement["Action"]):
                prefix, _, operation = action.partition(":")
                if "*" in action:
                    yield f"{where}: {action}"
                elif action not in NO_OPERATIONS and operation not in _operations(prefix):
                    yield f"{where}: no such action: {action}"
            if "*" in listed(statement["Resource"]) and statement.get("Sid") not in ANYTHING_ALLOWED:
                yield f"{where}: all resources"


def trust(stack: Stack) -> Iterator[str]:
    """Complain about roles that a service could take on behalf of another account."""
    for name, role in stack.resources("AWS::IAM::Role").items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        if statement["Principal"]["Service"] == "lambda.amazonaws.com":
            continue
        tests = {key for operator in statement.get("Condition", {}).values() for key in operator}
        if tests != {"aws:SourceAccount", "aws:SourceArn"}:
            yield f"{name}: {sorted(tests)}"


def alarms(stack: Stack) -> Iterator[str]:
    """Complain about alarms on metrics that do not exist, which stay silent for ever."""
    for name, alarm in stack.resources("AWS::CloudWatch::Alarm").items():
        for metric in _metrics(alarm):
            dimensions = {one["Name"] for one in metric["Dimensions"]}
            known = METRICS.get((metric["Namespace"], metric["MetricName"]))
            if metric["Namespace"] == stack.parameter("MetricsNamespace"):
                known = ({"function"}, "") if metric["MetricName"] in OURS else None
            if known is None:
                yield f"{name}: no such metric: {metric['Namespace']} {metric['MetricName']}"
            elif known[0] != dimensions:
                yield f"{name}: dimensions {sorted(dimensions)}, not {sorted(known[0])}"
        if alarm["TreatMissingData"] not in ("breaching", "notBreaching"):
            yield f"{name}: TreatMissingData {alarm['TreatMissingData']}"


def _metrics(alarm: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "MetricName" in alarm:
        yield alarm
    for one in alarm.get("Metrics", []):
        if "MetricStat" in one:
            yield one["MetricStat"]["Metric"]
