"""A cloud of LocalStack alone."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import localstack_client.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e.conftest import until
from tests.integration.cloud import Bucket, Delivery, Destination, Endpoint, Function, LogGroup, Named, Queue
from tests.integration.functions import ARCHITECTURE, HANDLERS, Zips
from vpcflow.generate import Event, Generator
from vpcflow.stack.streams import CREDENTIALS, REGION, create_stream, put_records, seed_leases

__all__ = ["ROLE", "RUNTIME", "LocalStackCloud", "written"]

ROLE = "arn:aws:iam::000000000000:role/flows"
"""LocalStack knows no permissions; it asks for the form alone."""
RUNTIME = "python3.13"
"""What it runs functions on is another matter: the zips are made for that."""
_PUT_EVENTS = 1000
_READY_SECONDS = 180.0


def written(made: Generator) -> Iterator[tuple[str, list[Event]]]:
    """Yield the events of a generator as PutLogEvents takes them: of one log stream, in order, not too many."""
    waiting: dict[str, list[Event]] = defaultdict(list)
    for event in made.events():
        waiting[f"{event.interface}-all"].append(event)
    for stream, events in waiting.items():
        for at in range(0, len(events), _PUT_EVENTS):
            yield stream, events[at : at + _PUT_EVENTS]


class LocalStackCloud:
    """Use it as a context: what was made is removed at its end, mappings first, for they hold LocalStack up."""

    def __init__(self, endpoint: str, zips: Zips) -> None:
        self.endpoint = endpoint
        self._zips = zips
        self._session = localstack_client.session.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
            localstack_host=urlsplit(endpoint).netloc,
        )
        self._clients: dict[str, Any] = {}
        self._closing = contextlib.ExitStack()
        self._name = f"flows-{uuid.uuid4().hex[:8]}"
        self._made = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.close()
        for client in self._clients.values():
            client.close()

    # -- what all parts need ----------------------------------------------------------------------------------------

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        if service not in self._clients:
            config = Config(proxies={}, read_timeout=120, retries={"max_attempts": 2}, s3={"addressing_style": "path"})
            self._clients[service] = self._session.client(service, config=config)
        return self._clients[service]

    def named(self, kind: str) -> str:
        """Return a name that nobody else has."""
        self._made += 1
        return f"{self._name}-{kind}-{self._made}"

    def at_end(self, remove: Callable[..., object], **arguments: object) -> None:
        """Remove something at the end; what is gone already is no problem."""

        def gone() -> None:
            with contextlib.suppress(ClientError, BotoCoreError):
                remove(**arguments)

        self._closing.callback(gone)

    # -- storage, queues, streams -----------------------------------------------------------------------------------

    def bucket(self, tells: Queue | None = None, name: str = "") -> Bucket:
        s3 = self.client("s3")
        made = Bucket(s3, name or self.named("bucket"))
        s3.create_bucket(Bucket=made.name)
        self._closing.callback(self._remove_bucket, made)
        if tells is not None:
            to = [{"QueueArn": tells.arn, "Events": ["s3:ObjectCreated:*"]}]
            s3.put_bucket_notification_configuration(
                Bucket=made.name, NotificationConfiguration={"QueueConfigurations": to}
            )
        return made

    def _remove_bucket(self, bucket: Bucket) -> None:
        s3 = self.client("s3")
        with contextlib.suppress(ClientError, BotoCoreError):
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket.name):
                for row in page.get("Contents", []):
                    s3.delete_object(Bucket=bucket.name, Key=row["Key"])
            s3.delete_bucket(Bucket=bucket.name)

    def queue(self, visibility: int = 60) -> Queue:
        sqs, attributes = self.client("sqs"), {"VisibilityTimeout": str(visibility)}
        url = sqs.create_queue(QueueName=self.named("queue"), Attributes=attributes)["QueueUrl"]
        self.at_end(sqs.delete_queue, QueueUrl=url)
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return Queue(sqs, url, told["Attributes"]["QueueArn"])

    def stream(self, shards: int = 1) -> Named:
        kinesis, name = self.client("kinesis"), self.named("stream")
        create_stream(self.endpoint, name, shards)
        self.at_end(kinesis.delete_stream, StreamName=name)
        told = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        return Named(name, told["StreamARN"])

    def leases(self, stream: Named) -> None:
        seed_leases(self.endpoint, stream.name, self.endpoint, stream.name)
        for others in ("", "-CoordinatorState", "-WorkerMetricStats"):  # the KCL makes the latter two
            self.at_end(self.client("dynamodb").delete_table, TableName=stream.name + others)

    def put(self, stream: Named, records: list[tuple[str, bytes]]) -> None:
        put_records(self.endpoint, stream.name, records)

    # -- functions --------------------------------------------------------------------------------------------------

    def function(self, program: str, environ: Mapping[str, str], *, timeout: int = 60) -> Function:
        functions, name = self.client("lambda"), self.named(program)
        self.at_end(self.client("logs").delete_log_group, logGroupName=f"/aws/lambda/{name}")
        given = {"NO_PROXY": "*", "no_proxy": "*", "AWS_EC2_METADATA_DISABLED": "true", **environ}
        made = functions.create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Architectures=[ARCHITECTURE],
            Role=ROLE,
            Handler=HANDLERS[program],
            Code={"ZipFile": self._zips[program]},
            Timeout=timeout,
            MemorySize=512,
            Environment={"Variables": given},
        )
        self.at_end(functions.delete_function, FunctionName=name)
        until(lambda: self._state(name) != "Pending", _READY_SECONDS, f"{name} is ready")
        assert self._state(name) == "Active"
        return Function(name, made["FunctionArn"])

    def _state(self, name: str) -> str:
        return str(self.client("lambda").get_function(FunctionName=name)["Configuration"]["State"])

    def call(self, name: str, payload: bytes) -> tuple[bool, bytes]:
        """Call a function; return whether it failed, and what it said."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=payload)
        return "FunctionError" in answer, answer["Payload"].read()

    def invoke(self, function: Function, event: object) -> Any:  # noqa: ANN401 - JSON
        failed, said = self.call(function.name, json.dumps(event).encode())
        assert not failed, said
        return json.loads(said)

    def map_queue(self, queue: Queue, function: Function) -> None:
        self._map(
            EventSourceArn=queue.arn,
            FunctionName=function.name,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )

    def map_stream(
        self, stream: Named, function: Function, *, given_up: Queue | None = None, retries: int = -1
    ) -> None:
        destination = {} if given_up is None else {"OnFailure": {"Destination": given_up.arn}}
        self._map(
            EventSourceArn=stream.arn,
            FunctionName=function.name,
            StartingPosition="TRIM_HORIZON",
            BatchSize=100,
            MaximumRetryAttempts=retries,
            DestinationConfig=destination,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )

    def _map(self, **mapping: Any) -> None:  # noqa: ANN401 - of boto3
        functions = self.client("lambda")
        name = functions.create_event_source_mapping(**mapping)["UUID"]
        self.at_end(functions.delete_event_source_mapping, UUID=name)

    # -- CloudWatch Logs and Firehose -------------------------------------------------------------------------------

    def log_group(self) -> LogGroup:
        return _LogGroup(self, f"/vpc/{self.named('group')}")

    def delivery(
        self, function: Function | None, to: Bucket | Endpoint, errors: Bucket, source: Named | None = None
    ) -> Delivery:
        assert isinstance(to, Bucket), "LocalStack's Firehose sends no key to endpoints"
        assert source is None, "LocalStack's Firehose takes most of a minute to read a stream"
        firehose, name = self.client("firehose"), self.named("delivery")
        destination: dict[str, Any] = {
            "RoleARN": ROLE,
            "BucketARN": f"arn:aws:s3:::{to.name}",
            "Prefix": "delivered/",
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1},
        }
        if function is not None:
            parameters = [{"ParameterName": "LambdaArn", "ParameterValue": function.arn}]
            processors = [{"Type": "Lambda", "Parameters": parameters}]
            destination["ProcessingConfiguration"] = {"Enabled": True, "Processors": processors}
        firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination)
        self.at_end(firehose.delete_delivery_stream, DeliveryStreamName=name)
        until(lambda: self._delivery(name)["DeliveryStreamStatus"] == "ACTIVE", _READY_SECONDS, f"{name} is ready")
        return _Delivery(self._delivery(name)["DeliveryStreamARN"])

    def _delivery(self, name: str) -> dict[str, Any]:
        told = self.client("firehose").describe_delivery_stream(DeliveryStreamName=name)
        return dict(told["DeliveryStreamDescription"])


class _LogGroup:
    def __init__(self, cloud: LocalStackCloud, name: str) -> None:
        self._cloud, self.name = cloud, name
        self._logs = cloud.client("logs")
        self._filters = 0
        self._logs.create_log_group(logGroupName=name)
        cloud.at_end(self._logs.delete_log_group, logGroupName=name)

    def subscribe(self, destination: Destination, pattern: str = "") -> None:
        assert not pattern, "LocalStack lets everything pass through a pattern"
        self._filters += 1
        given: dict[str, Any] = {
            "logGroupName": self.name,
            "filterName": f"filter-{self._filters}",
            "filterPattern": pattern,
            "destinationArn": destination.arn,
        }
        if ":lambda:" in destination.arn:
            self._cloud.client("lambda").add_permission(
                FunctionName=destination.arn,
                StatementId=f"logs-{self._filters}",
                Action="lambda:InvokeFunction",
                Principal="logs.amazonaws.com",
            )
        else:
            given |= {"roleArn": ROLE, "distribution": "Random"}
        self._logs.put_subscription_filter(**given)
        self._cloud.at_end(
            self._logs.delete_subscription_filter, logGroupName=self.name, filterName=given["filterName"]
        )

    def write(self, made: Generator) -> None:
        known: set[str] = set()
        for stream, events in written(made):
            if stream not in known:
                with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                    self._logs.create_log_stream(logGroupName=self.name, logStreamName=stream)
                known.add(stream)
            rows = [{"timestamp": event.ms, "message": event.message} for event in events]
            answer = self._logs.put_log_events(logGroupName=self.name, logStreamName=stream, logEvents=rows)
            assert "rejectedLogEventsInfo" not in answer, answer


class _Delivery:
    def __init__(self, arn: str) -> None:
        self.arn = arn

    def settle(self) -> None:
        """LocalStack delivers while it takes."""
