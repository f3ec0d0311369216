"""What is asked of an engine besides writing: who it is, and whether its target is what it should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.sink.peers import ELASTIC, Canned, Server
from vpcflow.errors import SinkRefused, SinkUnavailable
from vpcflow.sink.engine import EngineSink

Connect: TypeAlias = Callable[..., EngineSink]
NOT_FOUND = Canned(status=404, body=b'{"error":{"type":"index_not_found_exception"}}')
REASON = (
    "Request for uri [/_index_template] with method [GET] exists but is not available when running in serverless mode"
)
GONE = Canned(
    status=410,
    body=json.dumps({"error": {"type": "api_not_available_exception", "reason": REASON}, "status": 410}).encode(),
    headers=ELASTIC,
)
EARLY = Canned(status=404, body=json.dumps({"error": REASON}).encode(), headers=ELASTIC)


def test_identify(server: Server, connect: Connect) -> None:
    assert connect(server).identify() == "opensearch 3.6.0"
    server.root = Canned(status=405, body=b"{}", headers=ELASTIC)
    assert connect(server).identify() == "elasticsearch"


def test_what_tools_ask(server: Server, connect: Connect) -> None:
    engine = connect(server)
    server.answers = [Canned(body=b'{"count":7}'), Canned(body=b'{"hits":{}}'), Canned(body=b"{}"), Canned(status=500)]
    assert engine.count("logs-*") == 7
    assert engine.search("logs-*", {"size": 0}) == {"hits": {}}
    engine.refresh("logs-*")
    with pytest.raises(SinkUnavailable):
        engine.ask("GET", "/x")
    engine.close()
    assert json.loads(server.requests[1].body) == {"size": 0}
    assert server.requests[1].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "answers",
    [[Canned(status=403, body=b"{}")], [NOT_FOUND, Canned(status=403, body=b"{}")]],
    ids=["index", "templates"],
)
def test_a_key_that_may_not_look_is_no_error(
    server: Server, connect: Connect, answers: list[Canned], caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [*answers]
    connect(server).check_target()
    assert "target not checked: the credentials may not look at it" in caplog.messages


@pytest.mark.parametrize("gone", [GONE, EARLY, Canned(status=405, body=b"")], ids=["410", "404", "405"])
@pytest.mark.parametrize("known", [False, True], ids=["index", "templates"])
def test_a_service_without_these_apis_is_no_error(
    server: Server, connect: Connect, caplog: pytest.LogCaptureFixture, gone: Canned, *, known: bool
) -> None:
    server.answers = [NOT_FOUND, gone] if known else [gone]
    connect(server).check_target()
    assert "target not checked: this service has no API for it" in caplog.messages


def test_the_template_of_highest_priority_decides(server: Server, connect: Connect) -> None:
    def answer(plain: int, stream: int) -> Canned:
        templates = [
            {"name": "plain", "index_template": {"index_patterns": ["logs-*"], "priority": plain}},
            {"name": "other", "index_template": {"index_patterns": ["metrics-*"], "priority": 999}},
            {"name": "stream", "index_template": {"index_patterns": "logs-x-*", "priority": stream, "data_stream": {}}},
        ]
        return Canned(body=json.dumps({"index_templates": templates}).encode())

    server.answers = [NOT_FOUND, answer(plain=1, stream=2)]
    connect(server).check_target()
    server.answers = [NOT_FOUND, answer(plain=2, stream=1)]
    with pytest.raises(SinkRefused, match="vpcflow setup --template"):
        connect(server).check_target()


def test_a_busy_engine_is_no_missing_target(server: Server, connect: Connect) -> None:
    server.answers = [Canned(status=503)]
    with pytest.raises(SinkUnavailable):
        connect(server).check_target()


NONSENSE = [b"", b"<html>log in</html>", b"[]", b'"x"', b"null"]
TEMPLATES = [*NONSENSE, b"{}", b'{"index_templates":"x"}', b'{"index_templates":[1]}', b'{"index_templates":[{}]}']


@pytest.mark.parametrize("body", NONSENSE)
def test_a_page_of_somebody_between_is_no_target(server: Server, connect: Connect, body: bytes) -> None:
    server.answers = [Canned(body=body)]
    with pytest.raises(SinkUnavailable, match="none of a search engine"):
        connect(server).check_target()


@pytest.mark.parametrize("body", TEMPLATES)
def test_a_page_of_somebody_between_is_no_template(server: Server, connect: Connect, body: bytes) -> None:
    server.answers = [NOT_FOUND, Canned(body=body)]
    with pytest.raises(SinkUnavailable, match="none of a search engine"):
        connect(server).check_target()
    server.answers = [Canned(body=body)]
    with pytest.raises(SinkUnavailable, match="none of a search engine"):
        connect(server).ensure_template("name", {})


def test_a_target_that_needs_no_check(server: Server, connect: Connect) -> None:
    connect(server, data_stream=False).check_target()
    connect(server, target="").check_target()
    assert server.requests == []
