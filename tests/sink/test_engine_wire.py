"""What the engine's client puts on the wire."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import importlib
import json
import threading
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from tests.sink.peers import BODY, DONE, ELASTIC, ONE, Canned, Proxy, Server, running
from vpcflow.errors import SinkUnavailable
from vpcflow.sink.abstract import BodyTooLarge
from vpcflow.sink.compression import compress
from vpcflow.sink.engine import EngineSink
from vpcflow.types import Bulk, Outcome

Connect: TypeAlias = Callable[..., EngineSink]


def created(count: int) -> Canned:
    return Canned(body=json.dumps({"items": [{"create": {"status": 201}}] * count}).encode())


def test_on_the_wire_are_the_bytes_that_we_compressed(server: Server, connect: Connect) -> None:
    body = BODY * 500
    server.answers = [created(500)]
    answer = connect(server).write(Bulk(body, 500))
    assert list(answer.outcomes) == [Outcome.CREATED] * 500
    (request,) = server.bulks
    assert request.body == compress(body, 1)
    assert gzip.decompress(request.body) == body
    assert answer.wire_bytes == len(request.body)
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.headers["accept"] == "application/json"


def test_levels() -> None:
    body = b"".join(b'{"create":{"_id":"%d"}}\n{"@timestamp":%d}\n' % (n, n * 7) for n in range(3000))
    fast = gzip.compress
    with contextlib.suppress(ImportError):
        fast = importlib.import_module("isal.igzip").compress
    assert compress(body, 1) == fast(body, 1, mtime=0)
    assert compress(body, 6) == gzip.compress(body, 6, mtime=0)
    assert all(gzip.decompress(compress(body, level)) == body for level in range(1, 10))


def test_level_zero_is_plain(server: Server, connect: Connect) -> None:
    answer = connect(server, compression_level=0).write(ONE)
    (request,) = server.bulks
    assert request.body == BODY
    assert answer.wire_bytes == len(BODY)
    assert "content-encoding" not in request.headers


def test_a_body_over_the_limit_is_not_sent(server: Server, connect: Connect) -> None:
    size = len(compress(BODY, 1))
    with pytest.raises(BodyTooLarge, match=r"bulk\.max_wire_bytes"):
        connect(server, max_wire_bytes=size - 1).write(ONE)
    assert server.requests == []
    assert connect(server, max_wire_bytes=size).write(ONE).wire_bytes == size


def test_what_is_asked_for(server: Server, connect: Connect) -> None:
    connect(server).write(ONE)
    (request,) = server.bulks
    assert request.method == "POST"
    assert urlsplit(request.path).path == "/logs-x-y/_bulk"
    assert request.query == {
        "filter_path": ["errors,items.*.status,items.*.error,items.*.failure_store"],
        "pipeline": ["_none"],
    }


def test_pattern_mode_and_pipelines(server: Server, connect: Connect) -> None:
    connect(server, target="", data_stream=False, pipeline="default").write(ONE)
    connect(server, target="", data_stream=False, pipeline="a b&c").write(ONE)
    first, second = server.requests
    assert urlsplit(first.path).path == "/_bulk"
    assert "pipeline" not in first.query
    assert second.query["pipeline"] == ["a b&c"]


def test_elasticsearch_is_told_by_any_header_and_asked_for_a_data_stream(server: Server, connect: Connect) -> None:
    server.root = Canned(status=403, body=b"{}", headers=ELASTIC)
    engine = connect(server)
    engine.write(ONE)
    assert engine.product == "elasticsearch"
    assert server.bulks[0].query["require_data_stream"] == ["true"]


def test_opensearch_is_told_by_the_missing_header(server: Server, connect: Connect) -> None:
    engine = connect(server)
    engine.write(ONE)
    assert engine.product == "opensearch"
    assert "require_data_stream" not in server.bulks[0].query


def test_a_page_of_somebody_between_tells_no_product(server: Server, connect: Connect) -> None:
    server.root = Canned(body=b"<html>please log in</html>", headers={"Content-Type": "text/html"})
    server.answers = [Canned(headers=ELASTIC)]
    engine = connect(server)
    engine.identify()
    assert engine.product is None
    engine.write(ONE)
    assert engine.product == "elasticsearch"


def test_a_refused_root_is_asked_once_and_decides_nothing(server: Server, connect: Connect) -> None:
    server.root = Canned(status=401, body=b"Unauthorized")
    server.answers = [Canned(status=503), Canned()]
    engine = connect(server)
    with pytest.raises(SinkUnavailable):
        engine.write(ONE)
    before = engine.product
    engine.write(ONE)
    assert (before, engine.product) == (None, "opensearch")
    paths = [request.path.partition("?")[0] for request in server.requests]
    assert paths == ["/", "/logs-x-y/_bulk", "/logs-x-y/_bulk"]


def test_many_threads_ask_once_who_is_there(server: Server, connect: Connect) -> None:
    server.root = Canned(headers=ELASTIC)
    engine = connect(server)
    start, found = threading.Barrier(8), []

    def write() -> None:
        start.wait()
        found.append(list(engine.write(ONE).outcomes))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DONE] * 8
    assert [request.path for request in server.requests].count("/") == 1
    assert all(request.query["require_data_stream"] == ["true"] for request in server.bulks)


def test_product_by_settings(server: Server, connect: Connect) -> None:
    connect(server, product="elasticsearch").write(ONE)
    assert len(server.requests) == 1
    assert server.bulks[0].query["require_data_stream"] == ["true"]


def test_an_elasticsearch_that_does_not_know_the_parameter(server: Server, connect: Connect) -> None:
    reason = "request [/logs-x-y/_bulk] contains unrecognized parameter: [require_data_stream]"
    error: Any = {"error": {"type": "illegal_argument_exception", "reason": reason}, "status": 400}
    server.answers = [Canned(status=400, body=json.dumps(error).encode()), Canned(), Canned()]
    engine = connect(server, product="elasticsearch")
    assert list(engine.write(ONE).outcomes) == DONE
    engine.write(ONE)
    assert ["require_data_stream" in request.query for request in server.bulks] == [True, False, False]


@pytest.mark.parametrize("proxied", [False, True])
def test_sending_has_the_time_of_a_request_not_that_of_connecting(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch, *, proxied: bool
) -> None:
    times: list[float | None] = []
    send = http.client.HTTPConnection.send

    def noted(self: http.client.HTTPConnection, data: Any) -> None:  # noqa: ANN401 - as it is there
        times.append(self.sock.gettimeout())
        send(self, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", noted)
    with contextlib.ExitStack() as stack:
        proxy = Proxy()
        stack.enter_context(running(proxy))
        way = {"proxy": f"http://{proxy.address}"} if proxied else {}
        engine = connect(server, product="opensearch", request_timeout_seconds=47.0, **way)
        for _ in range(2):  # over a new connection, and over one that may be there
            assert engine.write(ONE).outcomes == DONE
    assert times
    assert set(times) == {47.0}
