"""The function over real S3 and SQS emulators and an engine that remembers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from forwarder.program import Program
from forwarder.times import Times
from tests.forwarder.engine import MemoryEngine
from tests.forwarder.events import FUNCTION, object_key
from vpcflow.clock import FakeClock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.forwarding.messages import OpenFan
from vpcflow.forwarding.outputs import Branches, Outputs
from vpcflow.metrics.meters import Meters, Tally
from vpcflow.pipeline.pipeline import Record
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings


@dataclass
class Context:
    """The part of Lambda's context that is looked at."""

    seconds: float = 60.0
    invoked_function_arn: str = FUNCTION
    function_name: str = "forwarder"

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1000)


class CountingFan:
    """Moves the clock to the deadline after a number of lines."""

    def __init__(self, fan: OpenFan, scene: Scene, times: Times) -> None:
        self._fan, self._scene, self._times = fan, scene, times

    def __getattr__(self, name: str) -> object:
        return getattr(self._fan, name)

    def submit(self, record: Record) -> None:
        self._fan.submit(record)
        self._scene.sent += len(record.data.splitlines())
        if self._scene.stop_after is not None and self._scene.sent >= self._scene.stop_after:
            self._scene.clock.advance(max(0.0, self._times.left - self._times.margin))


class Stopping(Program):
    """Stops as the scene says."""

    def __init__(self, scene: Scene, settings: Settings, outputs: Outputs, environ: dict[str, str]) -> None:
        super().__init__(settings, outputs, environ, scene.clock)
        self._scene = scene

    def open(self, branches: Branches, times: Times, meters: Meters) -> Any:  # noqa: ANN401
        return CountingFan(super().open(branches, times, meters), self._scene, times)

    def _client(self, service: str, region: str, endpoint: str, read_seconds: float) -> Any:  # noqa: ANN401
        """Be patient: that this machine is busy is no fault of the queue, and what was sent twice would be one of ours."""
        return super()._client(service, region, endpoint, max(read_seconds, 60))


@dataclass
class Scene:
    """bucket: of the objects; letters: of the dead letters; queue_url: of a queue of moto."""

    engine: MemoryEngine
    s3: Any
    sqs: Any
    aws_url: str
    bucket: str
    letters: str
    queue_url: str
    environ: dict[str, str] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    match: str = "*"
    stop_after: int | None = None
    sent: int = 0
    _program: Program | None = None
    tally: Tally = field(default_factory=Tally)

    def settings(self) -> dict[str, str]:
        given = {
            "ELASTICSEARCH__HOSTS": self.engine.url,
            "INDEX__MODE": "pattern",
            "INDEX__NAME": "flows-{yyyy}",
            "DEADLETTERS__KIND": "s3",
            "DEADLETTERS__BUCKET": self.letters,
            "DEADLETTERS__S3_ENDPOINT": self.aws_url,
            "OBJECTS__S3_ENDPOINT": self.aws_url,
            "FORWARDER__SQS_ENDPOINT": self.aws_url,
            "FORWARDER__DEADLINE_MARGIN_SECONDS": "10",
            **({"INPUTS__FLOWS__MATCH": self.match} if self.match != "*" else {}),
            **self.environ,
        }
        return {f"VPCFLOW_{name}": value for name, value in given.items()}

    def program(self) -> Program:
        if self._program is None:
            environ = {"AWS_LAMBDA_FUNCTION_NAME": "forwarder", "AWS_REGION": "eu-west-1", **self.settings()}
            loaded = load(None, self.settings())
            outputs = Outputs(loaded.routes, environ, self.clock)
            self._program = Stopping(self, loaded.settings, outputs, environ)
        return self._program

    def restart(self) -> None:
        """Let the next event find a new process."""
        self._program = None

    def handle(self, event: object, *, seconds: float = 60.0, arn: str = FUNCTION) -> dict[str, Any]:
        """Return the answer, as it goes over the wire."""
        self.tally, self.sent = Tally(), 0
        answer = self.program().answer(event, Context(seconds, arn), self.tally)
        value: dict[str, Any] = json.loads(json.dumps(answer))
        return value

    def stop_after_lines(self, count: int | None) -> None:
        """Let the time to begin things be over once so many lines were sent in an invocation."""
        self.stop_after = count

    @property
    def queue_arn(self) -> str:
        """Return the ARN of the queue of moto."""
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def counted(self, name: str, **labels: str) -> float:
        return self.tally.snapshot().counters.get((name, tuple(labels.values())), 0)

    def put(self, data: bytes, name: str = "") -> str:
        """Put an object; return its key."""
        self.s3.put_object(Bucket=self.bucket, Key=name or object_key(), Body=data)
        return name or object_key()

    def kept(self) -> list[DeadLetter]:
        """Return the dead letters."""
        found = []
        for one in self.s3.list_objects_v2(Bucket=self.letters).get("Contents", []):
            body = self.s3.get_object(Bucket=self.letters, Key=one["Key"])["Body"].read()
            found += [DeadLetter.from_json(line) for line in body.splitlines()]
        return found

    def queued(self) -> Sequence[dict[str, Any]]:
        """Take the messages out of the queue."""
        taken: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for one in found:
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=one["ReceiptHandle"])
            taken += found
        return taken
