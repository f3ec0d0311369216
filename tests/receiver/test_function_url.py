"""The same contract behind a Lambda function URL, with events as AWS documents them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.receiver.conftest import Target
from tests.receiver.firehose import KEY, Answer, Sent, cloudwatch, lines, violations
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import ConfigError
from vpcflow.receiver import function_url, parts

LIMIT = 6 * 1024 * 1024  # of a synchronous invocation, request and response each


class Context:
    def __init__(self, seconds: float = 60) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def event(sent: Sent, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, "Request payload format", version 2.0."""
    plain = not sent.packed
    body = sent.body.decode() if plain else base64.b64encode(sent.body).decode()
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in sent.headers.items()},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.lambda-url.eu-central-1.on.aws",
            "http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "id",
            "time": "25/Nov/2026:08:33:14 +0000",
            "timeEpoch": 1795595594000,
        },
        "body": body,
        "isBase64Encoded": not plain,
        **changes,
    }


def asked(sent: Sent, *, context: Context | None = None, **changes: Any) -> Answer:  # noqa: ANN401
    """Invoke it, and judge the answer as what Lambda makes of it."""
    said = function_url.handler(event(sent, **changes), context or Context())
    assert set(said) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert said["isBase64Encoded"] is False
    assert len(json.dumps(said)) < LIMIT
    body = said["body"].encode()
    headers = [*said["headers"].items(), ("Content-Length", str(len(body)))]  # which Lambda adds
    answer = Answer(said["statusCode"], headers, body)
    given = changes.get("headers", {name.lower(): value for name, value in sent.headers.items()})
    assert violations(answer, given.get("x-amz-firehose-request-id", "")) == []
    return answer


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MemoryDeadLetters]]:
    """Set the function up for an engine; its dead letters are kept in memory."""

    def up(url: str, name: str = "", **environ: str) -> MemoryDeadLetters:
        letters = MemoryDeadLetters()
        monkeypatch.setattr(parts, "deadletters", lambda *_args, **_named: letters)
        monkeypatch.setenv("VPCFLOW_ELASTICSEARCH__HOSTS", url)
        monkeypatch.setenv("VPCFLOW_INDEX__NAME", name)
        monkeypatch.setenv("VPCFLOW_RECEIVER__ACCESS_KEY", KEY)
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "receiver")
        for key, value in environ.items():
            monkeypatch.setenv(key, value)
        function_url._parts.cache_clear()
        return letters

    yield up
    function_url._parts.cache_clear()


@pytest.mark.stack
def test_a_request_is_settled_when_200_is_returned(
    function: Callable[..., MemoryDeadLetters], one_target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = function(one_target.url, one_target.name)
    sent = Sent([cloudwatch(0, 3), lines(3, 2) + b"no flow log\n"], packed=True)
    assert asked(sent).status == 200
    assert asked(sent).status == 200
    assert one_target.count() == 5
    assert [one.raw for one in letters.entries] == [b"no flow log"] * 2  # dead letters may come twice
    first, second = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (first["documents_created"], second["documents_duplicate"]) == (5, 5)
    assert first["firehose_requests_settled"] == second["firehose_requests_settled"] == 1
    assert "documents_created" not in second or second["documents_created"] == 0


@pytest.mark.stack
@pytest.mark.parametrize("packed", [False, True])
def test_the_largest_buffer_that_fits(
    function: Callable[..., MemoryDeadLetters], one_target: Target, *, packed: bool
) -> None:
    """A buffer of 1 MB may overshoot by a record of 1,000 KiB; base64 twice over, it must still be below Lambda's limit."""
    function(one_target.url, one_target.name, VPCFLOW_CODEC__EXCLUDE_LOG_GROUPS="noise")
    noise = cloudwatch(0, 100, group="noise", pad="x" * 9_990)
    assert 1_000_000 < len(noise) < 1_024_000
    sent = Sent([noise, noise, lines(0, 1)], packed=packed)
    assert len(json.dumps(event(sent))) < LIMIT
    assert asked(sent).status == 200
    assert one_target.count() == 1


def test_what_is_refused(function: Callable[..., MemoryDeadLetters]) -> None:
    function("http://127.0.0.1:9", VPCFLOW_RECEIVER__MAX_REQUEST_BYTES="1000")
    sent = Sent([lines(0, 1)])
    headers = {name.lower(): value for name, value in sent.headers.items()}
    assert asked(sent).status == 503  # the engine is away
    assert asked(sent, headers={**headers, "x-amz-firehose-access-key": "x"}).status == 401
    assert asked(sent, headers={}).status == 401
    assert asked(sent, headers={**headers, "x-amz-firehose-request-id": "y"}).status == 400
    assert asked(sent, body=None).status == 400
    assert asked(sent, body="%", isBase64Encoded=True).status == 400
    assert asked(sent, requestContext={"http": {"method": "GET"}}).status == 405
    assert asked(Sent([lines(0, 20)])).status == 503
    assert asked(sent, context=Context(seconds=1)).status == 503


def test_a_lambda_has_no_disk_for_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "receiver")
    monkeypatch.setenv("VPCFLOW_RECEIVER__ACCESS_KEY", KEY)
    function_url._parts.cache_clear()
    with pytest.raises(ConfigError, match="a Lambda has no disk that stays"):
        function_url.handler(event(Sent([])), Context())
