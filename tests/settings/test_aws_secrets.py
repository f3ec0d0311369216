"""Secrets that AWS keeps, against an emulator of it; and their rotation under a running sink."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import boto3
import pytest

from tests.sink.peers import DONE, ONE, Canned, Request, Server, nobody, running
from vpcflow import wiring
from vpcflow.errors import ConfigError, SinkRefused
from vpcflow.settings import aws_secrets
from vpcflow.settings.load import Loaded, load

Client: TypeAlias = Any  # boto3 makes its clients at run time
NAME = "VPCFLOW_ELASTICSEARCH__PASSWORD"
USER = {"VPCFLOW_ELASTICSEARCH__USERNAME": "elastic"}


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch, aws_url: str) -> None:
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def manager() -> Iterator[Any]:
    client = boto3.client("secretsmanager")
    yield client
    client.close()


@pytest.fixture
def store() -> Iterator[Any]:
    client = boto3.client("ssm")
    yield client
    client.close()


def loaded_with(reference: str, **environ: str) -> Loaded:
    return load(None, {NAME: reference, **USER, **environ})


def password(reference: str, **environ: str) -> str:
    return loaded_with(reference, **environ).settings.elasticsearch.password.reveal()


def complaint(reference: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded_with(reference)
    message = str(caught.value)
    assert message.startswith("elasticsearch.password: ")
    assert message.endswith(f" ({NAME})")
    assert "\n" not in message
    assert "geheim" not in message
    return message


def test_secrets_manager(manager: Client) -> None:
    arn = manager.create_secret(Name="plain", SecretString="geheim\n")["ARN"]
    assert password("aws-secretsmanager:plain") == "geheim"
    assert password(f"aws-secretsmanager:{arn}") == "geheim"
    origin = loaded_with("aws-secretsmanager:plain").origins["elasticsearch.password"]
    assert origin == f"{NAME}, by reference to Secrets Manager"


def test_25_one_key_of_a_secret_or_what_it_has_instead(manager: Client) -> None:
    manager.create_secret(Name="rds", SecretString=json.dumps({"username": "u", "password": "geheim", "port": 9200}))
    assert password("aws-secretsmanager:rds#password") == "geheim"
    assert "has no text under the key pass; its keys are password, port, username" in complaint(
        "aws-secretsmanager:rds#pass"
    )
    assert "has no text under the key port" in complaint("aws-secretsmanager:rds#port")


def test_parameter_store(store: Client) -> None:
    store.put_parameter(Name="/search/password", Value="geheim", Type="SecureString")
    assert password("ssm:/search/password") == "geheim"
    origin = loaded_with("ssm:/search/password").origins["elasticsearch.password"]
    assert origin == f"{NAME}, by reference to Parameter Store"


@pytest.mark.parametrize(
    ("partition", "region"), [("aws", "eu-west-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")]
)
def test_25_an_arn_of_any_partition_is_asked_for_in_its_region(
    partition: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    class Manager:
        def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803 - boto3's name
            asked[-1] = (asked[-1][0], SecretId)
            return {"SecretString": "geheim"}

        def close(self) -> None:
            pass

    def client(_session: object, _service: str, *, region_name: str | None = None, **_more: object) -> Manager:
        asked.append((region_name or "", ""))
        return Manager()

    monkeypatch.setattr("boto3.Session.client", client)
    arn = f"arn:{partition}:secretsmanager:{region}:123456789012:secret:search-AbCdEf"
    assert password(f"aws-secretsmanager:{arn}") == "geheim"
    assert asked == [(region, arn)]


def test_25_the_region_of_an_arn(manager: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = manager.create_secret(Name="elsewhere", SecretString="geheim")["ARN"]
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert "has no elsewhere in this account and region" in complaint("aws-secretsmanager:elsewhere")
    assert password(f"aws-secretsmanager:{arn}") == "geheim"


def test_the_region_of_the_environment(manager: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    manager.create_secret(Name="here", SecretString="geheim")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "You must specify a region" in complaint("aws-secretsmanager:here")
    assert password("aws-secretsmanager:here", AWS_REGION="eu-central-1") == "geheim"


def test_25_what_is_not_there_or_of_another_kind(manager: Client) -> None:
    assert "Secrets Manager has no nothing in this account and region" in complaint("aws-secretsmanager:nothing")
    assert "Parameter Store has no /nothing in this account and region" in complaint("ssm:/nothing")
    manager.create_secret(Name="bytes", SecretBinary=b"geheim")
    assert "the secret bytes holds bytes, not text" in complaint("aws-secretsmanager:bytes")
    manager.create_secret(Name="text", SecretString='"geheim"')
    assert "is no JSON object, so it has no key password" in complaint("aws-secretsmanager:text#password")
    manager.create_secret(Name="blank", SecretString=" \n")
    assert "what it names is empty: blank" in complaint("aws-secretsmanager:blank")


@pytest.mark.parametrize("reference", ["aws-secretsmanager:x", "ssm:/x"])
def test_a_service_that_does_not_let_us(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As AWS answers a role without the permission; the emulator lets everybody."""
    server = Server()
    said = {"__type": "AccessDeniedException", "message": "User: arn:aws:iam::1:role/r is not authorized\nto do it"}
    server.root = Canned(status=400, body=json.dumps(said).encode())
    with running(server):
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        message = complaint(reference)
    assert "AccessDeniedException: User: arn:aws:iam::1:role/r is not authorized to do it" in message


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "cannot be asked for x: Unable to locate credentials" in complaint("aws-secretsmanager:x")


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", nobody())
    assert "cannot be asked for /x: Could not connect" in complaint("ssm:/x")


def test_without_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert "Secrets Manager needs the package boto3; pip install boto3" in complaint("aws-secretsmanager:x")


@pytest.fixture
def engine() -> Iterator[Server]:
    with running(server := Server()):
        yield server


def wanting(word: str) -> Any:  # noqa: ANN401
    pair = f"Basic {base64.b64encode(f'elastic:{word}'.encode()).decode()}"

    def judge(request: Request) -> Canned | None:
        return None if request.headers.get("authorization") == pair else Canned(status=401, body=b"{}")

    return judge


@pytest.mark.parametrize("kind", ["aws-secretsmanager", "ssm"])
def test_a_rotation_while_we_run(manager: Client, store: Client, engine: Server, kind: str) -> None:
    """The engine wants the new password from one moment on; the sink goes on without a restart."""

    name = f"rotated-{kind}"

    def rotate(value: str) -> None:
        store.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
        manager.put_secret_value(SecretId=name, SecretString=value)

    manager.create_secret(Name=name)
    rotate("first")
    settings = loaded_with(f"{kind}:{name}", VPCFLOW_ELASTICSEARCH__HOSTS=engine.url).settings
    sink = wiring.sink(settings)
    engine.judge = wanting("first")
    assert list(sink.write(ONE).outcomes) == DONE
    rotate("second")
    engine.judge = wanting("second")
    assert list(sink.write(ONE).outcomes) == DONE
    sink.close()


def test_a_password_that_stays_wrong_does_not_hammer_aws(
    manager: Client, engine: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.create_secret(Name="dead", SecretString="dead")
    asked: list[str] = []
    read = aws_secrets.read

    def counted(kind: str, name: str, environ: Mapping[str, str]) -> str:
        asked.append(name)
        return read(kind, name, environ)

    monkeypatch.setattr(aws_secrets, "read", counted)
    settings = loaded_with("aws-secretsmanager:dead", VPCFLOW_ELASTICSEARCH__HOSTS=engine.url).settings
    sink = wiring.sink(settings)
    engine.judge = wanting("another")
    for _ in range(5):
        with pytest.raises(SinkRefused) as caught:
            sink.write(ONE)
        assert caught.value.exit_code == 77
    assert asked == ["dead", "dead"], "at the start, and once after the first 401"
    sink.close()
