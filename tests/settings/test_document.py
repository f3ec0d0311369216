"""A settings file on this machine or in S3, before an emulator of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.sink.peers import Canned, Server, nobody, running
from vpcflow.errors import EX_CONFIG, EX_NOPERM, EX_TEMPFAIL, ConfigError
from vpcflow.settings.document import read_document
from vpcflow.settings.load import load

NAME = "s3://settings/team/vpcflow.toml"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, aws_url: str) -> pytest.MonkeyPatch:
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


@pytest.fixture
def s3(aws: pytest.MonkeyPatch) -> Iterator[Any]:
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="settings")
    yield client
    client.close()


def environ(**more: str) -> Mapping[str, str]:
    return {"VPCFLOW_SETTINGS": NAME, "AWS_REGION": "us-east-1", **more}


def put(s3: Any, data: bytes) -> None:  # noqa: ANN401
    s3.put_object(Bucket="settings", Key="team/vpcflow.toml", Body=data)


def test_a_file_in_s3_is_a_settings_file(s3: Any) -> None:  # noqa: ANN401
    put(s3, b'[document]\nnamespace = "s3"\n[outputs.a.bulk]\nmax_actions = 3\n')
    loaded = load(None, environ())
    assert loaded.settings.document.namespace == "s3"
    assert loaded.origins["document.namespace"] == NAME
    (route,) = loaded.routes
    assert route.outputs["a"].bulk.max_actions == 3


def test_a_path_that_was_made_of_a_url_is_the_url(s3: Any) -> None:  # noqa: ANN401
    put(s3, b'[document]\nnamespace = "s3"\n')
    assert load(Path(NAME), environ()).origins["document.namespace"] == NAME


def test_errors_in_it_name_its_url(s3: Any) -> None:  # noqa: ANN401
    put(s3, b"[outputs.a.bulk]\nmax_action = 3\n")
    with pytest.raises(ConfigError, match=r"^outputs\.a\.bulk\.max_action: unknown key \(file s3://settings/team/vpc"):
        load(None, environ())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[outputs\n", "not TOML: "),
        (b"# " + b"x" * 1_000_000, "over 1,000,000 bytes; no settings file is so large"),
        (b"# \xff\n", "no UTF-8 text; a settings file is TOML"),
    ],
)
def test_what_is_no_settings_file_is_refused_wherever_it_lies(
    s3: Any,  # noqa: ANN401
    tmp_path: Path,
    data: bytes,
    said: str,
) -> None:
    put(s3, data)
    path = tmp_path / "x.toml"
    path.write_bytes(data)
    for where in (NAME, str(path)):
        with pytest.raises(ConfigError) as caught:
            load(None, environ(VPCFLOW_SETTINGS=where))
        assert str(caught.value).startswith(f"{where}: {said}")
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == EX_CONFIG


def test_a_file_of_the_largest_size_is_read(s3: Any) -> None:  # noqa: ANN401
    put(s3, b"#" * 999_999 + b"\n")
    assert len(read_document(NAME, environ()).text) == 1_000_000


@pytest.mark.parametrize("name", ["s3://", "s3://settings", "s3://settings/", "s3:///key"])
def test_a_url_without_bucket_or_key_is_none(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^s3://[^ ]*: write s3://BUCKET/KEY$"):
        read_document(name, {})


@pytest.mark.parametrize(
    ("name", "code"),
    [("s3://settings/other.toml", "NoSuchKey"), ("s3://nobodys/vpcflow.toml", "NoSuchBucket")],
)
def test_what_is_not_there_is_named(s3: Any, name: str, code: str) -> None:  # noqa: ANN401
    with pytest.raises(ConfigError, match=f"^{name}: {code}: .*; make it, or correct VPCFLOW_SETTINGS$") as caught:
        load(None, environ(VPCFLOW_SETTINGS=name))
    assert caught.value.exit_code == EX_CONFIG


def test_what_is_not_for_us_is_named(aws: pytest.MonkeyPatch) -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    server = Server()
    server.judge = lambda _request: Canned(status=403, body=body, headers={"content-type": "application/xml"})
    with running(server):
        aws.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(ConfigError, match="AccessDenied: Access Denied; give the role the permission") as caught:
            load(None, environ())
    assert caught.value.exit_code == EX_NOPERM


def test_where_nobody_answers_it_may_be_tried_again(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_ENDPOINT_URL", nobody())
    aws.setattr("vpcflow.aws._ATTEMPTS", 1)
    with pytest.raises(ConfigError, match=r"^s3://settings/team/vpcflow\.toml: .*; try again later$") as caught:
        load(None, environ())
    assert caught.value.exit_code == EX_TEMPFAIL


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file or directory; give the path of a settings file"):
        read_document(tmp_path / "none.toml", {})
