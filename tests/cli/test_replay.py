from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Engine: TypeAlias = Any  # tests/cli/conftest.py
Run = Callable[..., Any]
FLOW = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
NAME = "flows-1-2026-11-25-08-09-10-0a1b2c3d-0000-1111-2222-333344445555"
ARN = "arn:aws:firehose:eu-west-1:1:deliverystream/flows"
DOCUMENT = {"@timestamp": "2014-12-14T04:07:50.000Z", "n": 1}


def entry(data: bytes, **more: object) -> bytes:
    fixed = {"attemptsMade": 4, "arrivalTimestamp": 1_418_530_100_000, "errorCode": "Lambda.FunctionError"}
    return json.dumps({**fixed, "errorMessage": "m", "rawData": b64encode(data).decode(), **more}).encode() + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "processing-failed" / "2026"
    path.mkdir(parents=True)
    (path / NAME).write_bytes(entry(FLOW.encode()) + entry(gzip.compress(FLOW.replace("20641", "7").encode())))
    return tmp_path


def test_a_folder_is_sent_and_left_as_it_is(run: Run, folder: Path, engine: Engine) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    ran = run("replay", folder, "--firehose-arn", ARN, VPCFLOW_ELASTICSEARCH__HOSTS=engine.url)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == "2 tried: 2 succeeded, 0 failed again"
    assert "  succeeded: processing-failed: 2" in ran.out
    assert {json.dumps(one["aws"]["firehose"]) for one in engine.documents.values()} == {json.dumps({"arn": ARN})}
    again = run("replay", folder, "--firehose-arn", ARN, VPCFLOW_ELASTICSEARCH__HOSTS=engine.url)
    assert "0 documents created, 2 already there" in again.out
    assert {path: path.read_bytes() for path in before} == before


def test_dry_run_and_filters(run: Run, folder: Path, engine: Engine) -> None:
    ran = run("replay", "--dry-run", folder, VPCFLOW_ELASTICSEARCH__HOSTS=engine.url)
    assert (ran.code, engine.bulks) == (0, 0)
    assert "2 documents to send" in ran.out
    for options in (
        ["--reason", "http*"],
        ["--error-type", "x*"],
        ["--source", "kinesis:*"],
        ["--since", "2015-01-01"],
    ):
        ran = run("replay", folder, *options, VPCFLOW_ELASTICSEARCH__HOSTS=engine.url)
        assert "0 tried" in ran.out
        assert "2 not asked for" in ran.out
    assert engine.bulks == 0


def test_bad_units_are_told_and_the_rest_is_sent(run: Run, folder: Path, engine: Engine) -> None:
    path = folder / "processing-failed" / "2026" / NAME
    path.write_bytes(b"nonsense\n" + path.read_bytes() + entry(b"2 hopeless"))
    ran = run("replay", path, VPCFLOW_ELASTICSEARCH__HOSTS=engine.url)
    assert (ran.code, len(engine.documents)) == (65, 2)
    assert "1 undecodable again, 1 unreadable" in ran.out
    assert f"{NAME}:1: not what Firehose or Lambda leave" in ran.out


def test_a_document_goes_to_the_index_of_its_time(run: Run, tmp_path: Path, engine: Engine) -> None:
    path = tmp_path / "AmazonOpenSearchService_failed"
    path.mkdir()
    (path / NAME).write_bytes(entry(json.dumps(DOCUMENT).encode(), esDocumentId="its-own"))
    seen: list[bytes] = []
    answer = engine.answer

    def noted(where: str, body: bytes) -> Any:  # noqa: ANN401
        seen.append(body)
        return answer(where, body)

    engine.answer = noted
    ran = run("replay", tmp_path, VPCFLOW_ELASTICSEARCH__HOSTS=engine.url, VPCFLOW_INDEX__MODE="pattern")
    assert (ran.code, engine.documents) == (0, {"its-own": DOCUMENT})
    actions = [json.loads(body.splitlines()[0]) for body in seen if b'"create"' in body]
    assert actions == [{"create": {"_index": "logs-aws.vpcflow-2014.12.14", "_id": "its-own"}}]


def test_nothing_there(run: Run, tmp_path: Path, engine: Engine) -> None:
    ran = run("replay", tmp_path / "none", VPCFLOW_ELASTICSEARCH__HOSTS=engine.url)
    assert ran.code == 66
    assert "not there; give s3://BUCKET/PREFIX" in ran.err


def test_no_credentials(run: Run, engine: Engine) -> None:
    ran = run("replay", "s3://bucket/x", VPCFLOW_ELASTICSEARCH__HOSTS=engine.url, AWS_REGION="eu-west-1")
    assert ran.code == 77
    assert "no AWS credentials" in ran.err


def test_no_source(run: Run) -> None:
    assert run("replay").code == 64
