"""Elastic's own client over our connections: what it may be asked, and in whose words it fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sink.peers import Canned, Server
from vpcflow.errors import SinkRefused, SinkUnavailable
from vpcflow.sink.engine import EngineSink

Connect = Callable[..., EngineSink]
HITS = b'{"timed_out":false,"_shards":{"failed":0},"hits":{"total":{"value":1},"hits":[{"_id":"a"}]}}'


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
def test_any_api_of_the_client_goes_our_way(server: Server, connect: Connect, product: str) -> None:
    server.answers = [Canned(body=b'{"acknowledged":true}')]
    engine = connect(server, product=product, api_key="secret")
    reply = engine.client.indices.put_settings(index="logs-x-y", settings={"number_of_replicas": 0})
    (request,) = server.requests
    assert reply["acknowledged"] is True
    assert (request.method, request.path, request.body) == ("PUT", "/logs-x-y/_settings", b'{"number_of_replicas":0}')
    assert request.headers["authorization"] == "ApiKey secret"
    assert (request.headers["accept"], request.headers["content-type"]) == ("application/json", "application/json")


def test_searches_and_counts_of_what_is_missing_are_no_errors(server: Server, connect: Connect) -> None:
    server.answers = [Canned(body=HITS), Canned(body=b'{"count":7}'), Canned(body=b'{"_shards":{}}')]
    engine = connect(server)
    assert engine.search("logs-*,old", {"query": {"match_all": {}}, "size": 3})["hits"]["total"]["value"] == 1  # type: ignore[index]
    assert engine.count("logs-x-y") == 7
    engine.refresh("logs-x-y")
    assert [request.path.partition("?")[0] for request in server.requests] == [
        "/logs-*,old/_search",
        "/logs-x-y/_count",
        "/logs-x-y/_refresh",
    ]
    assert all(request.query["ignore_unavailable"] == ["true"] for request in server.requests)
    assert server.requests[0].body == b'{"query":{"match_all":{}},"size":3}'


@pytest.mark.parametrize("call", [lambda e: e.search("a", {}), lambda e: e.count("a"), lambda e: e.refresh("a")])
@pytest.mark.parametrize(
    ("canned", "error", "code"),
    [
        (Canned(status=503, body=b'{"error":{"type":"unavailable","reason":"soon"}}'), SinkUnavailable, 75),
        (Canned(status=429, body=b"{}"), SinkUnavailable, 75),
        (Canned(status=200, body=b"<html>", headers={"Content-Type": "text/html"}), SinkUnavailable, 75),
        (Canned(hang_up=True), SinkUnavailable, 75),
        (Canned(status=403, body=b'{"error":{"type":"security_exception","reason":"no"}}'), SinkRefused, 77),
        (Canned(status=400, body=b'{"error":{"type":"parsing_exception","reason":"odd"}}'), SinkRefused, 78),
    ],
)
def test_its_errors_are_ours(
    server: Server,
    connect: Connect,
    call: Callable[[EngineSink], object],
    canned: Canned,
    error: type[Exception],
    code: int,
) -> None:
    server.answers = [canned]
    with pytest.raises(error) as caught:
        call(connect(server))
    assert getattr(caught.value, "exit_code", None) == code
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1, "Delivery and RetryPolicy alone ask again"
