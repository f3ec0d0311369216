"""Signed requests, judged by a server that computes each signature again from what has arrived."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import sys
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import parse_qsl, quote

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as AwsCredentials
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from tests.sink.peers import DONE, ONE, Canned, Request, Server
from vpcflow.errors import ConfigError, SinkRefused, SinkUnavailable
from vpcflow.sink.compression import compress
from vpcflow.sink.engine import EngineSink
from vpcflow.sink.sigv4 import Signer, canonical

Connect: TypeAlias = Callable[..., EngineSink]
KEY = AwsCredentials("AKIAEXAMPLE", "very/secret", "the+token")
NOT_SIGNED = Canned(status=403, body=b'{"message":"The request signature we calculated does not match"}')


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.secret_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", str(KEY.token))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


class _At(botocore.auth.SigV4Auth):
    """The signature at the time that a request says, over the headers that it says."""

    def signature_of(self, request: AWSRequest, date: str) -> str:
        request.context["timestamp"] = date
        text = self.string_to_sign(request, self.canonical_request(request))
        return str(self.signature(text, request))


def judge(service: str, region: str = "eu-central-1") -> Callable[[Request], Canned | None]:
    """Return what refuses a request whose body or signature is not right, as the service would."""

    def judged(request: Request) -> Canned | None:
        sent = request.headers
        scheme, _, rest = sent.get("authorization", "").partition(" ")
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        names = parts.get("SignedHeaders", "").split(";")
        date = sent.get("x-amz-date", "")
        age = abs(dt.datetime.now(dt.UTC) - dt.datetime.strptime(f"{date}+0000", "%Y%m%dT%H%M%SZ%z"))
        wanted = {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}
        scope = f"{KEY.access_key}/{date[:8]}/{region}/{service}/aws4_request"
        right = (
            scheme == "AWS4-HMAC-SHA256"
            and wanted <= set(names)
            and "content-length" not in names
            and parts["Credential"] == scope
            and age < dt.timedelta(minutes=5)
            and sent["x-amz-content-sha256"] == hashlib.sha256(request.body).hexdigest()
        )
        if not right:
            return NOT_SIGNED
        path, _, query = request.path.partition("?")
        pairs = sorted(
            (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
            for name, value in parse_qsl(query, keep_blank_values=True)
        )
        again = AWSRequest(
            method=request.method,
            url=f"http://{sent['host']}{path}?" + "&".join(f"{name}={value}" for name, value in pairs),
            data=request.body,
            headers={name: sent[name] for name in names if name != "host"},
        )
        signature = _At(KEY, service, region).signature_of(again, date)
        return None if signature == parts["Signature"] else NOT_SIGNED

    return judged


@pytest.mark.parametrize(("service", "method"), [("es", "PUT"), ("aoss", "POST")])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_each_request_is_signed(server: Server, connect: Connect, service: str, method: str, level: int) -> None:
    """With `es` the body goes by PUT: the service ignores the parameters of a signed POST."""
    server.judge = judge(service)
    engine = connect(server, service=service, region="eu-central-1", product="opensearch", compression_level=level)
    assert list(engine.write(ONE).outcomes) == DONE
    (request,) = server.bulks
    assert request.method == method
    assert request.body == (compress(ONE.body, level) if level else ONE.body)
    assert request.query["pipeline"] == ["_none"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a-*,b/_count?ignore_unavailable=true",
        "/x?filter_path=*.data_stream",
        "/x?b=2&a=1&a=%20&c=",
        "/a%20b/_doc?q=a+b",
    ],
)
def test_any_path_and_query(server: Server, connect: Connect, path: str) -> None:
    server.judge = judge("aoss")
    engine = connect(server, service="aoss", region="eu-central-1")
    assert engine.request("GET", path).status == 200
    assert engine.request("POST", path, {"size": 0}).status == 200


def test_behind_a_prefix(server: Server, connect: Connect) -> None:
    server.judge = judge("es")
    engine = connect(hosts=(f"{server.url}/search",), service="es", region="eu-central-1", product="opensearch")
    assert list(engine.write(ONE).outcomes) == DONE
    assert server.bulks[0].path.startswith("/search/logs-x-y/_bulk?")


def test_the_judge_refuses_a_changed_body_another_service_and_no_signature(server: Server, connect: Connect) -> None:
    """So that the tests above cannot pass for nothing."""
    seen: list[Request] = []
    server.judge = lambda request: (seen.append(request), None)[1]  # type: ignore[func-returns-value]
    connect(server, service="es", region="eu-central-1", product="opensearch").write(ONE)
    (good,) = seen
    strict = judge("es")
    assert strict(good) is None
    changed = {**good.headers, "x-amz-content-sha256": hashlib.sha256(b"x").hexdigest()}
    for bad in (
        Request(good.method, good.path, good.headers, good.body + b"x"),
        Request(good.method, good.path, changed, b"x"),
        Request("POST", good.path, good.headers, good.body),
        Request(good.method, good.path + "&x=1", good.headers, good.body),
        Request(good.method, good.path, {**good.headers, "content-type": "text/plain"}, good.body),
        Request(good.method, good.path, {**good.headers, "authorization": "Basic x"}, good.body),
    ):
        assert strict(bad) is NOT_SIGNED
    server.judge = judge("aoss")
    with pytest.raises(SinkRefused, match="signature we calculated") as caught:
        connect(server, service="es", region="eu-central-1", product="opensearch").write(ONE)
    assert caught.value.exit_code == 77


def test_canonical() -> None:
    assert canonical("/x/_bulk?filter_path=errors,items.*.status&pipeline=a+b&empty=") == (
        "/x/_bulk?filter_path=errors%2Citems.%2A.status&pipeline=a%20b&empty="
    )
    assert canonical("/x-*") == "/x-*"


@pytest.mark.parametrize("name", ["AWS_DEFAULT_REGION", "AWS_REGION"])
def test_the_region_of_the_environment(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "us-west-2")
    server.judge = judge("es", "us-west-2")
    assert list(connect(server, service="es", product="opensearch").write(ONE).outcomes) == DONE


def test_no_region() -> None:
    with pytest.raises(ConfigError, match=r"elasticsearch\.region: not set"):
        Signer("es", "")


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigError, match=r"elasticsearch\.service: no AWS credentials"):
        Signer("es", "eu-central-1")


def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    with pytest.raises(ConfigError, match=r"elasticsearch\.service: .*nobodys"):
        Signer("es", "eu-central-1")


def test_without_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match="pip install boto3"):
        Signer("es", "eu-central-1")


def _temporary(refresh: Callable[[], dict[str, str]]) -> RefreshableCredentials:
    return RefreshableCredentials("old", "old", "old", dt.datetime.now(dt.UTC), refresh, method="test")


def test_temporary_credentials_are_renewed(server: Server, connect: Connect) -> None:
    server.judge = judge("es")
    engine = connect(server, service="es", region="eu-central-1", product="opensearch")
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    fresh = {"access_key": KEY.access_key, "secret_key": KEY.secret_key, "token": str(KEY.token), "expiry_time": later}
    engine._hosts._nodes[0]._signer._credentials = _temporary(lambda: fresh)  # type: ignore[union-attr]
    assert list(engine.write(ONE).outcomes) == DONE


def test_credentials_that_cannot_be_renewed_may_come_back(server: Server, connect: Connect) -> None:
    def away() -> dict[str, str]:
        raise CredentialRetrievalError(provider="the role", error_msg="no\nanswer")

    engine = connect(server, service="es", region="eu-central-1", product="opensearch")
    engine._hosts._nodes[0]._signer._credentials = _temporary(away)  # type: ignore[union-attr]
    with pytest.raises(SinkUnavailable, match=r"AWS credentials cannot be renewed: .*no answer"):
        engine.write(ONE)
    assert server.requests == []
