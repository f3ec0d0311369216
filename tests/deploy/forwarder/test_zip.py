"""`make lambda`: the zip files of the functions, and that what is in them runs in Lambda's runtime client."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from tests.deploy.forwarder.packing import packer
from tests.deploy.forwarder.sam import ROOT, source
from tests.runtime.function import Function
from vpcflow.stack.cache import Cache

pytestmark = pytest.mark.slow

MOST = {"transform": 5_000_000, "forwarder": 10_000_000}
RUNTIMES_OWN = ("boto3", "botocore", "s3transfer", "jmespath")
LINE = "2 123456789012 eni-0123456789abcdef0 10.0.0.5 10.0.0.6 443 49152 6 10 840 1764064800 1764064860 ACCEPT OK"


@pytest.fixture(scope="module")
def pack() -> ModuleType:
    return packer()


def unpacked(pack: ModuleType, program: str, folder: Path) -> Path:
    """Return the folder of a zip made for this machine and this Python: the code is the same, the wheels are ours."""
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    made: Path = pack.pack(program, machine, folder, Cache(), python=version)
    task = folder / program
    with zipfile.ZipFile(made) as opened:
        opened.extractall(task)
    return task


@pytest.mark.parametrize("program", MOST)
@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_the_same_bytes_twice_and_not_too_many(
    pack: ModuleType, program: str, architecture: str, tmp_path: Path
) -> None:
    sums = set()
    for folder in ("one", "two"):
        done = subprocess.run(
            [
                sys.executable,
                str(ROOT / "deploy" / "pack.py"),
                program,
                "--architecture",
                architecture,
                "--to",
                tmp_path / folder,
            ],
            check=True,
            capture_output=True,
            timeout=600,
        )
        path = tmp_path / folder / f"{program}-{architecture}.zip"
        assert str(path) in done.stdout.decode()
        sums.add(hashlib.sha256(path.read_bytes()).hexdigest())
        assert path.stat().st_size < MOST[program]
    assert len(sums) == 1
    with zipfile.ZipFile(path) as opened:
        names = opened.namelist()
    word = {"arm64": "aarch64", "x86_64": "x86_64"}[architecture]
    libraries = [name for name in names if name.endswith(".so")]
    assert libraries
    assert all("313" in name and word in name for name in libraries if "cpython" in name)
    tops = {name.split("/")[0] for name in names}
    assert not tops & {*RUNTIMES_OWN, "consumer", "typer", "prometheus_client", "amazon_kclpy"}
    assert ("forwarder" in tops) == (program == "forwarder")
    assert ("firehose_transform" in tops) == (program == "transform")


def test_the_templates_name_the_zip_that_is_made() -> None:
    for name in ("s3-sqs", "cloudwatch-logs", "kinesis"):
        uri = source(name)["Resources"]["Function"]["Properties"]["CodeUri"]
        assert (ROOT / "deploy" / "forwarder" / uri).resolve() == ROOT / "dist" / "lambda" / "forwarder-arm64.zip"


@pytest.mark.parametrize(("program", "module"), [("transform", "firehose_transform"), ("forwarder", "forwarder")])
def test_nothing_is_missing_in_it(pack: ModuleType, program: str, module: str, tmp_path: Path) -> None:
    """All modules of the program, and what they need, with Lambda's own packages alone beside them."""
    task = unpacked(pack, program, tmp_path)
    beside = tmp_path / "beside"
    beside.mkdir()
    for name in RUNTIMES_OWN:
        (beside / name).symlink_to(Path(str(__import__(name).__file__)).parent)
    code = (
        f"import sys, pkgutil, importlib; sys.path[:0] = [{str(task)!r}, {str(beside)!r}]\n"
        f"import {module} as program\n"
        f"for one in pkgutil.iter_modules(program.__path__): importlib.import_module('{module}.' + one.name)\n"
        "import vpcflow.wiring, vpcflow.wiring_deadletters, boto3\n"
        "boto3.client('s3', region_name='us-east-1')\n"
        f"print(program.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(task))


def function(task: Path, handler: str, environ: Mapping[str, str]) -> Function:
    return Function(handler, environ, timeout=60, root=task)


def test_the_handler_of_the_transform_answers_out_of_the_zip(pack: ModuleType, tmp_path: Path) -> None:
    task = unpacked(pack, "transform", tmp_path)
    record = base64.b64encode(json.dumps({"message": LINE}).encode()).decode()
    event = {
        "invocationId": "1",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/flows",
        "region": "us-east-1",
        "records": [{"recordId": "1", "approximateArrivalTimestamp": 1764064900000, "data": record}],
    }
    with function(task, "firehose_transform.handler.handler", {}) as made:
        answer = made.invoke(event)
    assert not answer.failed, answer.payload
    records = answer.value["records"]
    assert isinstance(records, list)
    (answered,) = records
    assert answered["result"] == "Ok"
    document = json.loads(base64.b64decode(answered["data"]))
    assert document["aws"]["vpcflow"]["interface_id"] == "eni-0123456789abcdef0"


def test_the_handler_of_the_forwarder_refuses_what_is_not_its_own_out_of_the_zip(
    pack: ModuleType, tmp_path: Path
) -> None:
    """It loads, reads its settings, and tells a Firehose event from its own, without an engine."""
    task = unpacked(pack, "forwarder", tmp_path)
    environ = {"VPCFLOW_DEADLETTERS__KIND": "s3", "VPCFLOW_DEADLETTERS__BUCKET": "bucket"}
    with function(task, "forwarder.handler.handler", environ) as made:
        answer = made.invoke({"invocationId": "1", "deliveryStreamArn": "arn", "records": []})
    assert answer.error_type == "EventError", answer.payload
    assert "firehose_transform.handler.handler" in str(answer.value["errorMessage"])
