"""`vpcflow forward` and a backfill as processes: kills, stops, two on one queue. A real engine, an emulated SQS and S3."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.forwarding.scene import lines
from vpcflow.errors import SinkUnavailable
from vpcflow.sink.engine import EngineOptions, EngineSink

REGION = "eu-central-1"
PATIENCE = 300.0
DAY = "AWSLogs/111111111111/vpcflowlogs/eu-central-1/2026/11/01"


def key(number: int) -> str:
    return f"{DAY}/111111111111_vpcflowlogs_eu-central-1_fl-1_20261101T{number:04}Z_abc.log.gz"


@dataclass
class Scene:
    engine: EngineSink
    sqs: Any
    s3: Any
    environ: dict[str, str]
    stream: str
    bucket: str
    queue: str
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def put(self, objects: int, flows: int, *, notify: bool = True) -> None:
        for number in range(objects):
            body = gzip.compress("\n".join(lines(flows)).encode())
            self.s3.put_object(Bucket=self.bucket, Key=key(number), Body=body)
            s3 = {"bucket": {"name": self.bucket}, "object": {"key": key(number)}}
            if notify:
                self.send(json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]}))

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"log-{len(self.running)}").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "vpcflow", *arguments],
                env={**os.environ, **self.environ},
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def log(self, number: int = 0) -> str:
        return (self.folder / f"log-{number}").read_text()

    def documents(self) -> int:
        self.engine.refresh(self.stream)
        return self.engine.count(self.stream)

    def has_some(self) -> bool:
        """Whether a document came; a stream that is just being made cannot say."""
        try:
            return self.documents() > 0
        except SinkUnavailable:
            return False

    def in_queue(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def until(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not what():
            ended = all(process.poll() is not None for process in self.running)
            assert not ended, self.log(len(self.running) - 1)
            assert time.monotonic() < end, "\n".join(self.log(number) for number in range(len(self.running)))
            time.sleep(0.1)

    def ended(self, process: subprocess.Popen[bytes]) -> tuple[int, str]:
        out, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, out.decode()


@pytest.fixture
def scene(aws_url: str, stack_elasticsearch: Any, tmp_path: Path) -> Iterator[Scene]:  # noqa: ANN401
    given = {"region_name": REGION, "endpoint_url": aws_url}
    given |= {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    sqs, s3 = boto3.client("sqs", **given), boto3.client("s3", **given)
    name = f"forward-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    environ = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "VPCFLOW_ELASTICSEARCH__HOSTS": stack_elasticsearch.engine_url,
        "VPCFLOW_INDEX__NAME": f"logs-{name}-default",
        "VPCFLOW_BULK__MAX_ACTIONS": "200",
        "VPCFLOW_OBJECTS__BLOCK_BYTES": "65536",
        "VPCFLOW_OBJECTS__S3_ENDPOINT": aws_url,
        "VPCFLOW_FORWARDER__QUEUE_URL": queue,
        "VPCFLOW_FORWARDER__SQS_ENDPOINT": aws_url,
        "VPCFLOW_FORWARDER__VISIBILITY_SECONDS": "30",
        "VPCFLOW_DEADLETTERS__PATH": str(tmp_path / "letters"),
        "VPCFLOW_DEADLETTERS__ACCEPT_LOSS": "true",
    }
    stream = environ["VPCFLOW_INDEX__NAME"]
    with closing(
        EngineSink(EngineOptions(hosts=(stack_elasticsearch.engine_url,), target=stream, data_stream=True))
    ) as engine:
        template = {
            "index_patterns": [stream],
            "data_stream": {},
            "priority": 900,
            "template": {"settings": {"number_of_replicas": 0, "number_of_shards": 1}},
        }
        engine.ensure_template(stream, template)
        made = Scene(engine, sqs, s3, environ, stream, name, queue, tmp_path)
        yield made
        for process in made.running:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        engine.request("DELETE", f"/_data_stream/{stream}")
        engine.request("DELETE", f"/_index_template/{stream}")


@pytest.mark.slow
@pytest.mark.stack
def test_53_a_kill_in_the_middle_and_another_start_give_everything_once(scene: Scene) -> None:
    scene.put(3, 5000)
    first = scene.start("forward")
    scene.until(scene.has_some)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert scene.in_queue() > 0
    scene.start("forward")
    scene.until(lambda: scene.in_queue() == 0)
    assert scene.documents() == 15_000


@pytest.mark.stack
@pytest.mark.slow
def test_a_stop_hands_over_and_two_share_what_is_left(scene: Scene) -> None:
    scene.put(4, 5000)
    scene.send("poison")
    first = scene.start("forward")
    scene.until(scene.has_some)
    first.send_signal(signal.SIGTERM)
    assert scene.ended(first)[0] == 0
    scene.start("forward")
    scene.start("forward")
    scene.until(lambda: scene.in_queue() == 1)  # the poison, which comes back each time
    assert scene.documents() == 20_000
    for process in scene.running[1:]:
        process.send_signal(signal.SIGINT)
        assert scene.ended(process)[0] == 0
    assert any("not JSON" in scene.log(number) for number in range(3))


@pytest.mark.stack
def test_a_queue_that_is_not_there_ends_it(scene: Scene) -> None:
    scene.environ["VPCFLOW_FORWARDER__QUEUE_URL"] += "-none"
    code, _ = scene.ended(scene.start("forward"))
    last = scene.log().splitlines()[-1]
    assert (code, "correct forwarder.queue_url" in last) == (78, True)


@pytest.mark.stack
@pytest.mark.slow
def test_15_a_backfill_gives_the_ids_that_live_objects_have(scene: Scene) -> None:
    scene.put(3, 400)
    live = scene.start("forward")
    scene.until(lambda: scene.in_queue() == 0)
    live.send_signal(signal.SIGTERM)
    assert scene.ended(live)[0] == 0
    counts = json.loads(next(line for line in reversed(scene.log().splitlines()) if "counts so far" in line))
    assert (counts["items_settled"], counts["objects_settled"], counts["documents_created"]) == (3, 3, 1200)
    scene.engine.ask("POST", f"/{scene.stream}/_rollover")  # where `create` alone would make them again
    source = f"s3://{scene.bucket}"
    code, out = scene.ended(
        scene.start("replay", source, "--from", "2026-11-01", "--to", "2026-11-01", "--workers", "2")
    )
    assert (code, scene.documents()) == (0, 1200), scene.log(1)
    assert "3 objects forwarded" in out
    assert "0 documents created, 1,200 already there" in out


@pytest.mark.stack
@pytest.mark.slow
def test_24_a_backfill_that_was_killed_goes_on_where_it_was(scene: Scene) -> None:
    scene.put(30, 2000, notify=False)
    state = scene.folder / "state.db"
    backfill = ("replay", f"s3://{scene.bucket}", "--from", "2026-11-01", "--state", str(state), "--workers", "2")
    first = scene.start(*backfill)
    scene.until(scene.has_some)
    first.send_signal(signal.SIGKILL)
    first.wait()
    code, out = scene.ended(scene.start(*backfill))
    assert code == 0, scene.log(1)
    assert scene.documents() == 60_000
    code, out = scene.ended(scene.start(*backfill))
    assert (code, "0 objects forwarded, 30 settled before" in out) == (0, True)
    other = (*backfill[:3], "2026-10-01", *backfill[4:])
    code, _ = scene.ended(scene.start(*other))
    assert (code, scene.log(3).count("\n")) == (64, 1)


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to_all", [False, True], ids=["one process", "all processes"])
def test_ctrl_c_and_sigterm_end_a_backfill_with_its_report(scene: Scene, number: signal.Signals, to_all: bool) -> None:  # noqa: FBT001
    scene.put(30, 2000, notify=False)
    state = scene.folder / "state.db"
    backfill = ("replay", f"s3://{scene.bucket}", "--from", "2026-11-01", "--state", str(state), "--workers", "1")
    first = scene.start(*backfill)
    scene.until(scene.has_some)
    if to_all:
        os.killpg(first.pid, number)
    else:
        first.send_signal(number)
    code, out = scene.ended(first)
    assert (code, scene.log()) == (130, "")
    assert "forwarded" in out
    assert scene.ended(scene.start(*backfill))[0] == 0
    assert scene.documents() == 60_000
