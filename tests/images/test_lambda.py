"""The Lambdas' images under the real runtime client: each handler answers, and the forwarder reads Parquet."""

from __future__ import annotations

import io
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from typing import IO, Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.firehose_transform.contract import LINE, judged, payload
from tests.firehose_transform.contract import event as firehose_event
from tests.forwarder.events import HEADER, failed, lines, notices, sqs_event, text
from tests.images.engine import Engine
from tests.runtime.function import Function
from tests.runtime.service import RuntimeApi
from vpcflow import wiring
from vpcflow.settings.load import load
from vpcflow.stack import Stack

pytestmark = pytest.mark.images
REGION = "eu-west-1"
# As Lambda has it: a user that is nobody's, a file system that is read only but for /tmp.
ALONE = ["--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--user=993:990"]
COLUMNS = HEADER.replace("-", "_").split()


class Image(Function):
    """A function whose process is a container: its handler is what the image says."""

    def __init__(self, engine: Engine, image: str, environ: dict[str, str], log: IO[bytes]) -> None:
        super().__init__("", environ, log=log)
        self._engine, self._image = engine, image
        self._container = f"function-{uuid.uuid4().hex[:8]}"

    def _running(self) -> tuple[RuntimeApi, subprocess.Popen[bytes]]:
        if self._api is None or self._process is None:
            self._api = RuntimeApi(self.arn)
            left = ("PATH", "PYTHONPATH", "_HANDLER", "LAMBDA_TASK_ROOT")  # the image has its own
            given = {name: value for name, value in self._variables(self._api.address).items() if name not in left}
            variables = [f"--env={name}={value}" for name, value in given.items()]
            self._process = subprocess.Popen(
                [self._engine.client, "run", "--rm", f"--name={self._container}", *ALONE, *variables, self._image],
                env=self._engine.environ,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
            )
        return self._api, self._process

    def _end(self) -> None:
        self._engine.docker("rm", "--force", self._container, check=False)
        super()._end()


@pytest.fixture
def log() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        print(file.read().decode(errors="replace")[-4000:])


def parquet(rows: tuple[str, ...]) -> bytes:
    """Return flow-log lines as AWS writes them in Parquet: numbers as numbers, a dash as nothing."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for row in rows:
        for name, value in zip(COLUMNS, row.split(), strict=True):
            columns[name].append(None if value == "-" else int(value) if value.isdecimal() else value)
    file = io.BytesIO()
    columns["account_id"] = [None if value is None else f"{value:012d}" for value in columns["account_id"]]
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def test_the_transform_answers(container_engine: Engine, lambda_image: Callable[[str], str], log: IO[bytes]) -> None:
    sent = firehose_event(payload(LINE), LINE.encode())
    with Image(container_engine, lambda_image("transform"), {}, log) as function:
        answer = function.invoke(sent)
        assert not answer.failed, answer.payload
        assert [result for result, _ in judged(sent, answer.value)] == ["Ok", "Ok"]


def test_the_receiver_asks_for_the_key(
    container_engine: Engine, lambda_image: Callable[[str], str], log: IO[bytes]
) -> None:
    environ = {
        "VPCFLOW_RECEIVER__ACCESS_KEY": "a-key-of-a-test",
        "VPCFLOW_ELASTICSEARCH__HOSTS": "http://127.0.0.1:9",
        "VPCFLOW_DEADLETTERS__KIND": "index",
    }
    request = {
        "version": "2.0",
        "rawPath": "/",
        "headers": {"x-amz-firehose-request-id": str(uuid.uuid4()), "x-amz-firehose-access-key": "another"},
        "requestContext": {"http": {"method": "POST", "path": "/"}},
        "body": "{}",
        "isBase64Encoded": False,
    }
    with Image(container_engine, lambda_image("receiver"), environ, log) as function:
        answer = function.invoke(request)
        assert not answer.failed, answer.payload
        assert answer.value["statusCode"] == 401, answer.value


def test_the_forwarder_reads_text_and_parquet(
    container_engine: Engine,
    lambda_image: Callable[[str], str],
    stack_elasticsearch: Stack,
    aws_url: str,
    log: IO[bytes],
) -> None:
    name = uuid.uuid4().hex
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=aws_url, **credentials)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    folder = "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/25/"
    rows = tuple(lines(120))
    keys = [f"{folder}a.log", f"{folder}b.log.parquet"]
    s3.put_object(Bucket=name, Key=keys[0], Body=text(*rows))
    s3.put_object(Bucket=name, Key=keys[1], Body=parquet(rows))
    s3.close()
    environ = {
        "VPCFLOW_ELASTICSEARCH__HOSTS": stack_elasticsearch.engine_url,
        "VPCFLOW_INDEX__MODE": "pattern",
        "VPCFLOW_INDEX__NAME": f"image-{name}-" + "{yyyy}",
        "VPCFLOW_DEADLETTERS__KIND": "index",
        "VPCFLOW_DEADLETTERS__INDEX": f"letters-{name}",
        "VPCFLOW_OBJECTS__S3_ENDPOINT": aws_url,
    }
    with Image(container_engine, lambda_image("forwarder"), environ, log) as function:
        answer = function.invoke(sqs_event(*notices(name, *keys)), timeout=120)
        assert not answer.failed, answer.payload
        assert failed(answer.value) == []
    sink = wiring.sink(load(None, environ).settings)
    sink.refresh(f"image-{name}-*")
    assert sink.count(f"image-{name}-*") == 2 * len(rows)
    assert not sink.request("HEAD", f"/letters-{name}").ok, "there are dead letters"
    sink.close()


@pytest.mark.parametrize("target", ["transform", "forwarder"])
def test_a_function_finds_its_code_compiled(
    container_engine: Engine, lambda_image: Callable[[str], str], target: str
) -> None:
    """What it would compile it could not write: each cold start would do it again."""
    said = container_engine.docker(
        "run", "--rm", *ALONE, "--entrypoint=python3", lambda_image(target), "-v", "-c", "import vpcflow.settings.load"
    )
    sources = [
        line for line in said.splitlines() if "code object from" in line and "/var/task/" in line and ".pyc" not in line
    ]
    assert not sources, sources[:5]
    assert "/var/task/vpcflow/settings/__pycache__/load.cpython-313.pyc" in said
