"""An AWS for a smoke run: moto for what it has, our emulators for Firehose and functions, templates as CloudFormation reads.

Calls go through boto3 where moto answers; those of CloudFormation and Firehose are held against botocore's model of the API.
"""

from __future__ import annotations

import gzip
import json
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, urlsplit

from botocore.session import get_session
from botocore.validate import ParamValidator

from deploy.smoke.account import Aws, AwsError
from tests.deploy.template import Stack, read
from tests.firehose.emulator.bucket import S3Bucket
from tests.firehose.emulator.destinations import S3Destination
from tests.firehose.emulator.invocation import Invoke, in_process
from tests.firehose.emulator.processor import Processing
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.flows import our_handler
from vpcflow.clock import FakeClock

REGION, ACCOUNT = "eu-central-1", "123456789012"
_PLACE = {"AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::Region": REGION, "AWS::URLSuffix": "amazonaws.com"}
Forward = Callable[[Mapping[str, str], dict[str, Any]], None]


class RootStack(Stack):
    """The root template: what its nested stacks give out is told by `outputs`."""

    made: Mapping[str, str]

    def _ref(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return self.made[name] if name in self.made else super()._ref(name)

    def _attribute(self, resource: str, attribute: str) -> str:
        return self.made.get(f"{resource}.{attribute}") or super()._attribute(resource, attribute)


class WorldClock(FakeClock):
    """Whoever sleeps lets AWS work."""

    def __init__(self, streams: dict[str, DeliveryStream]) -> None:
        super().__init__(wall_ms=int(time.time() * 1000))
        self._streams = streams

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        for stream in self._streams.values():
            stream.run_for(seconds)


class World:
    """refused: `service:Operation` and its resource's beginning → the error it gives. forward: the forwarder, if there is one.

    lose: of log events that Firehose gets, one in so many is lost; 0: none.
    """

    rehearsing, region = False, REGION

    def __init__(self, aws_url: str, forward: Forward | None = None) -> None:
        self._aws, self.url, self.forward = Aws(region=REGION, endpoint=aws_url), aws_url, forward
        self.streams: dict[str, DeliveryStream] = {}
        self.clock = WorldClock(self.streams)
        self.refused: dict[tuple[str, str], str] = {}
        self.interrupt_at, self.interrupt_by = "", signal.SIGINT
        self.lose = 0
        self.on_remove: Callable[[], object] = lambda: None
        self.calls: list[str] = []
        self.status = ""
        self._outputs: dict[str, str] = {}
        self._flows: Mapping[str, str] = {}
        self._run, self._ids = "", 0
        self._models = get_session()

    # -- what a run calls ---------------------------------------------------------------------------------------------

    def call(self, service: str, operation: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - any parameter
        name = f"{service}:{operation}"
        self.calls.append(name)
        if name == self.interrupt_at:
            self.interrupt_at = ""
            signal.raise_signal(self.interrupt_by)
        for (refused, start), code in self.refused.items():
            if refused == name and str(next(iter(given.values()), "")).startswith(start):
                error = AwsError(f"{name}: {code}: because this test says so; try again later")
                error.code = code
                raise error
        own = getattr(self, f"_{operation}", None) if service in {"cloudformation", "firehose"} else None
        if own is not None:
            self._check(service, operation, given)
            return dict(own(**given))
        answer = self._aws.call(service, operation, **given)
        if name == "logs:PutLogEvents":
            self._subscribed(given)
        if name == "s3:PutObject" and given["Bucket"] == self._flows.get("bucket") and self.forward:
            self.forward(self._flows, _notification(given["Bucket"], given["Key"], answer["ETag"]))
        return answer

    def left(self) -> list[str]:
        """Return what of the run is still there."""
        names = [one["Name"] for one in self._aws.call("s3", "ListBuckets")["Buckets"]]
        names += self._aws.call("sqs", "ListQueues").get("QueueUrls", [])
        names += self._aws.call("kinesis", "ListStreams")["StreamNames"]
        return [name for name in names if self._run and self._run in name] + ([self._run] if self.status else [])

    def _check(self, service: str, operation: str, given: Mapping[str, Any]) -> None:
        shape = self._models.get_service_model(service).operation_model(operation).input_shape
        report = ParamValidator().validate(given, shape)
        assert not report.has_errors(), report.generate_report()

    # -- CloudFormation -----------------------------------------------------------------------------------------------

    def _CreateStack(self, **given: Any) -> dict[str, Any]:  # noqa: N802, ANN401 - AWS's name
        assert set(given["Capabilities"]) == {"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"}
        self._run, self.status = given["StackName"], "CREATE_IN_PROGRESS"
        parameters = {one["ParameterKey"]: one["ParameterValue"] for one in given["Parameters"]}
        root = RootStack(self._template(given["TemplateURL"]), parameters, {**_PLACE, "AWS::StackName": self._run})
        assert root.refusals() == []
        root.made = self._make(root, parameters)
        outputs = root.template["Outputs"]
        self._outputs = {
            name: root.worked_out(one["Value"]) for name, one in outputs.items() if root.holds(one.get("Condition"))
        }
        return {"StackId": self._run}

    def _make(self, root: RootStack, parameters: Mapping[str, str]) -> dict[str, str]:
        run, call = self._run, self._aws.call
        group = f"/vpcflow/{run}"
        root.made = made = {"LogGroup": group, "ProbeBucket": f"{run}-probebucket-1"}
        call("logs", "CreateLogGroup", logGroupName=group)
        for logical, nested in root.resources("AWS::CloudFormation::Stack").items():
            given = {name: str(value) for name, value in nested["Parameters"].items()}
            stack = Stack(
                self._template(nested["TemplateURL"]), given, {**_PLACE, "AWS::StackName": f"{run}-{logical}"}
            )
            assert stack.refusals() == [], logical
            make = {"ToS3": self._to_s3, "ToKinesis": self._to_kinesis, "FromS3": self._from_s3}
            made |= make.get(logical, self._queue_probe if logical == "QueueProbe" else self._probe)(stack)
        if parameters["Probes"] == "true":
            self._bucket(made["ProbeBucket"])
        return made

    def _template(self, url: str) -> dict[str, Any]:
        bucket = urlsplit(url).netloc.removesuffix(f".s3.{REGION}.amazonaws.com")
        body = self._aws.call("s3", "GetObject", Bucket=bucket, Key=urlsplit(url).path.strip("/"))["Body"].read()
        assert len(body) <= 1_000_000  # of a template in S3
        return read(body.decode())

    def _bucket(self, name: str) -> S3Bucket:
        self._aws.call("s3", "CreateBucket", Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return S3Bucket(self._aws._client("s3"), name)

    def _to_s3(self, stack: Stack) -> dict[str, str]:
        about = stack.one("AWS::KinesisFirehose::DeliveryStream")["ExtendedS3DestinationConfiguration"]
        function = stack.one("AWS::Lambda::Function")
        code = function["Code"]
        self._aws.call("s3", "HeadObject", Bucket=code["S3Bucket"], Key=code["S3Key"])
        name = f"{self._run}-tos3-bucket-1"
        variables = {
            **function["Environment"]["Variables"],
            "VPCFLOW_DEADLETTERS__BUCKET": name,
            "VPCFLOW_DEADLETTERS__S3_ENDPOINT": self.url,
            "AWS_REGION": REGION,
        }
        variables["VPCFLOW_FIREHOSE__REINGEST"] = "off"  # nothing of a run is as large
        time_ = FakeClock(wall_ms=self.clock.wall_ms())
        handler = our_handler(time_, variables)
        self._stream(stack, about, self._bucket(name), in_process(handler, time_, timeout=function["Timeout"]), time_)
        return {"ToS3.Outputs.BucketName": name}

    def _stream(
        self,
        stack: Stack,
        about: Mapping[str, Any],
        bucket: S3Bucket | None,
        invoke: Invoke,
        time_: FakeClock,
    ) -> None:
        name = stack.one("AWS::KinesisFirehose::DeliveryStream")["DeliveryStreamName"]
        processors = about["ProcessingConfiguration"]["Processors"]
        (given,) = (
            {one["ParameterName"]: one["ParameterValue"] for one in processor["Parameters"]}
            for processor in processors
            if processor["Type"] == "Lambda"
        )
        where = bucket or S3Bucket(self._aws._client("s3"), stack.parameter("BucketName"))
        self.streams[name] = DeliveryStream(
            name,
            S3Destination(
                megabytes=about["BufferingHints"]["SizeInMBs"], seconds=about["BufferingHints"]["IntervalInSeconds"]
            ),
            clock=time_,
            processing=Processing(
                invoke=invoke,
                megabytes=float(given["BufferSizeInMBs"]),
                seconds=float(given["BufferIntervalInSeconds"]),
                retries=int(given["NumberOfRetries"]),
                append_delimiter=any(one["Type"] == "AppendDelimiterToRecord" for one in processors),
            ),
            bucket=where,
            prefix=about["Prefix"],
            error_prefix=about["ErrorOutputPrefix"],
        )

    def _probe(self, stack: Stack) -> dict[str, str]:
        """Make a stream with the template's own code, run as it is."""
        about = stack.one("AWS::KinesisFirehose::DeliveryStream")["ExtendedS3DestinationConfiguration"]
        function = stack.one("AWS::Lambda::Function")
        group, time_ = stack.one("AWS::Logs::LogGroup")["LogGroupName"], FakeClock(wall_ms=self.clock.wall_ms())
        call, place = self._aws.call, {"logGroupName": group, "logStreamName": "calls"}
        call("logs", "CreateLogGroup", logGroupName=group)
        call("logs", "CreateLogStream", **place)

        def log(*words: object) -> None:
            row = {"timestamp": time_.wall_ms(), "message": " ".join(map(str, words))}
            call("logs", "PutLogEvents", **place, logEvents=[row])

        inside = {"print": log}
        code = function["Code"]["ZipFile"].replace("os.environ", repr(function["Environment"]["Variables"]))
        exec(compile(code, "probe.yaml", "exec"), inside)  # noqa: S102 - what the template says is what is tested
        handler: Any = inside["handler"]
        self._stream(stack, about, None, in_process(handler, time_, timeout=function["Timeout"]), time_)
        return {}

    def _to_kinesis(self, stack: Stack) -> dict[str, str]:
        about = stack.one("AWS::Kinesis::Stream")
        filters = stack.one("AWS::Logs::SubscriptionFilter")
        assert filters["FilterName"] != self._run  # the other filter's name
        self._aws.call("kinesis", "CreateStream", StreamName=about["Name"], ShardCount=about["ShardCount"])
        control = {"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": ""}
        self._to_stream(
            about["Name"], {**control, "subscriptionFilters": [], "logEvents": [{"id": "", "message": "CWL …"}]}
        )
        return {"ToKinesis.Outputs.StreamName": about["Name"]}

    def _from_s3(self, stack: Stack) -> dict[str, str]:
        bucket = stack.resources("AWS::S3::Bucket")["FlowLogs"]["BucketName"]
        self._bucket(bucket)
        dead = f"{self._run}-froms3-deadletterbucket-1"
        self._bucket(dead)
        function = stack.one("AWS::Serverless::Function")
        assert function["CodeUri"].startswith("s3://")
        self._flows = {"bucket": bucket, "dead": dead, **function["Environment"]["Variables"]}
        return {"FromS3.Outputs.FlowLogDestination": f"arn:aws:s3:::{bucket}"}

    def _queue_probe(self, stack: Stack) -> dict[str, str]:
        names = {key: about["QueueName"] for key, about in stack.resources("AWS::SQS::Queue").items()}
        urls = {key: self._aws.call("sqs", "CreateQueue", QueueName=name)["QueueUrl"] for key, name in names.items()}
        # The mapping and the redrive, as the assumption has them: what comes in is failed, and lies in the other queue.
        self._aws.call("sqs", "SendMessage", QueueUrl=urls["DeadQueue"], MessageBody="a message")
        return {"QueueProbe.Outputs.QueueUrl": urls["Queue"], "QueueProbe.Outputs.DeadQueueUrl": urls["DeadQueue"]}

    def _DescribeStacks(self, StackName: str) -> dict[str, Any]:  # noqa: N802, N803 - AWS's names
        if not self.status:
            error = AwsError(f"no stack {StackName}")
            error.code = "ValidationError"
            raise error
        self.status = self.status.replace("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
        outputs = [{"OutputKey": name, "OutputValue": value} for name, value in self._outputs.items()]
        return {"Stacks": [{"StackStatus": self.status, "Outputs": outputs}]}

    def _ListStackResources(self, StackName: str) -> dict[str, Any]:  # noqa: N802, N803 - AWS's names
        failed = {"LogicalResourceId": "ToS3", "ResourceType": "AWS::IAM::Role", "ResourceStatus": self.status}
        return {"StackResourceSummaries": [{**failed, "ResourceStatusReason": "it is not allowed"}]}

    def _DeleteStack(self, StackName: str) -> dict[str, Any]:  # noqa: N802, N803 - AWS's names
        self.on_remove()
        if self.status != "DELETE_FAILED":
            self.status = ""
        self.streams.clear()
        return {}

    # -- Firehose, CloudWatch Logs ------------------------------------------------------------------------------------

    def _PutRecordBatch(self, **given: Any) -> dict[str, Any]:  # noqa: N802, ANN401 - AWS's name
        return self.streams[given["DeliveryStreamName"]].put_record_batch([one["Data"] for one in given["Records"]])

    def _subscribed(self, given: Mapping[str, Any]) -> None:
        if not given["logGroupName"].startswith("/vpcflow/"):
            return
        rows = []
        for event in given["logEvents"]:
            self._ids += 1
            rows.append({"id": f"{self._ids:056d}", **event})
        payload = {
            "messageType": "DATA_MESSAGE",
            "owner": ACCOUNT,
            "logGroup": given["logGroupName"],
            "logStream": given["logStreamName"],
            "subscriptionFilters": ["everything"],
        }
        self._to_stream(f"{self._run}-stream", {**payload, "logEvents": rows})
        kept = [row for number, row in enumerate(rows, start=1) if not self.lose or number % self.lose]
        data = gzip.compress(json.dumps({**payload, "logEvents": kept}).encode())
        self.streams[self._run].put_record_batch([data], from_logs=True)

    def _to_stream(self, name: str, payload: Mapping[str, Any]) -> None:
        data = gzip.compress(json.dumps(payload).encode())
        self._aws.call("kinesis", "PutRecord", StreamName=name, Data=data, PartitionKey="1")


def _notification(bucket: str, key: str, etag: str) -> dict[str, Any]:
    """Return what a function gets for a message with a notification of S3."""
    thing = {"bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"}, "object": {"key": quote_plus(key, safe="/")}}
    thing["object"] |= {"size": 1, "eTag": etag.strip('"'), "sequencer": "0055AED6DCD9"}
    about = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": "2026-09-21T14:13:20.000Z",
    }
    body = json.dumps({"Records": [{**about, "eventName": "ObjectCreated:Put", "s3": thing}]})
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:objects"
    record = {
        "messageId": "1", "receiptHandle": "1", "body": body, "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": queue, "awsRegion": REGION,
    }  # fmt: skip
    return {"Records": [record]}
