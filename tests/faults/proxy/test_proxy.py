"""What passes through the proxy, and what each fault does to it."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from vpcflow.errors import ConfigError
from vpcflow.faults import FaultProxy
from vpcflow.stack.server import free_port

if TYPE_CHECKING:
    from tests.faults.proxy.conftest import Bulk, Desk

NDJSON = {"Content-Type": "application/x-ndjson"}
PACKED = {**NDJSON, "Content-Encoding": "gzip"}


def ask(
    connection: http.client.HTTPConnection,
    path: str = "/t/_bulk",
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, bytes]:
    connection.request("POST" if body is not None else "GET", path, body, dict(headers))
    with connection.getresponse() as answer:
        return answer.status, answer.read()


def items(content: bytes) -> list[Any]:
    found: list[Any] = json.loads(content)["items"]
    return found


def test_what_no_rule_takes_is_passed_on_as_it_is(desk: Desk, bulk: Bulk) -> None:
    connection = desk.connection(desk.proxy('[[rule]]\naction = "reset_before"\npath = "/else"'))
    desk.server.headers = {"X-One": "1", "Retry-After": "7"}
    desk.server.status = 202
    body = gzip.compress(bulk("a", "b"))
    connection.request("PUT", "/x%20y/_bulk?a=1&b=*", body, {**PACKED, "X-Amz-Target": "DynamoDB_20120810.PutItem"})
    with connection.getresponse() as answer:
        assert (answer.status, answer.headers["X-One"], answer.headers["Retry-After"]) == (202, "1", "7")
        assert len(items(answer.read())) == 2
    (seen,) = desk.server.seen
    assert (seen.method, seen.path) == ("PUT", "/x%20y/_bulk?a=1&b=*")
    assert seen.headers["x-amz-target"] == "DynamoDB_20120810.PutItem"
    assert seen.headers["host"] == desk.server.url.removeprefix("http://")
    assert gzip.compress(seen.body) != seen.body == bulk("a", "b")
    assert desk.lines() == []


def test_a_connection_is_used_again(desk: Desk) -> None:
    connection = desk.connection(desk.proxy())
    assert ask(connection, "/1", b"x" * 100_000)[1] == b"x" * 100_000
    near = connection.sock
    assert ask(connection, "/2") == (200, b"nothing")
    connection.request("HEAD", "/3")
    with connection.getresponse() as answer:
        assert answer.headers["Content-Length"] == "7"
        assert answer.read() == b""
    assert ask(connection, "/4") == (200, b"nothing")
    assert connection.sock is near


def test_chunks_both_ways(desk: Desk) -> None:
    connection = desk.connection(desk.proxy())
    connection.request("POST", "/chunked", iter([b"one", b"two"]), encode_chunked=True)
    with connection.getresponse() as answer:
        assert answer.read() == b"firstsecond"
    assert desk.server.seen[0].body == b"onetwo"


def test_a_client_that_waits_to_go_on(desk: Desk) -> None:
    host, port = desk.proxy().url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as near, near.makefile("rb") as stream:
        near.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        near.sendall(b"yes")
        assert stream.readline() == b"\r\n"
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
    assert desk.server.seen[0].body == b"yes"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"GET /" + b"x" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",
    ],
)
def test_what_is_no_http_is_refused(desk: Desk, sent: bytes) -> None:
    host, port = desk.proxy().url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as near:
        near.sendall(sent)
        assert near.recv(12) == b"HTTP/1.1 400"
    assert desk.server.seen == []


def test_a_server_that_is_not_there(desk: Desk) -> None:
    with FaultProxy(f"http://127.0.0.1:{free_port()}") as proxy:
        with pytest.raises(ConnectionResetError):
            ask(desk.connection(proxy))
        (line,) = proxy.journal.lines("upstream_lost")
    assert "refused" in json.loads(line)["reason"]


def test_reset_before(desk: Desk, bulk: Bulk) -> None:
    proxy = desk.proxy('[[rule]]\naction = "reset_before"\nnth = 1')
    with pytest.raises(ConnectionResetError):
        ask(desk.connection(proxy), body=bulk("a"))
    assert desk.server.seen == []
    assert ask(desk.connection(proxy), body=bulk("a"))[0] == 200
    (line,) = desk.lines()
    assert (line["action"], line["rule"], line["number"], line["request"]) == ("reset_before", "1", 1, 1)
    assert (line["method"], line["path"]) == ("POST", "/t/_bulk")


def test_reset_mid(desk: Desk, bulk: Bulk) -> None:
    body = bulk(*(str(n) for n in range(1_000)))
    proxy = desk.proxy('[[rule]]\nname = "half"\naction = "reset_mid"\nnth = 1')
    with pytest.raises(ConnectionResetError):
        ask(desk.connection(proxy), body=body)
    assert desk.server.seen == []  # it saw a part, and nothing to answer
    (line,) = desk.lines()
    assert (line["rule"], line["sent_bytes"], line["of_bytes"]) == ("half", len(body) // 2, len(body))


def test_reset_after(desk: Desk, bulk: Bulk) -> None:
    proxy = desk.proxy('[[rule]]\naction = "reset_after"\nnth = 1')
    with pytest.raises(ConnectionResetError):
        ask(desk.connection(proxy), body=bulk("a"))
    assert desk.server.ids() == ["a"]
    assert desk.lines()[0]["applied_status"] == 200


def test_truncate(desk: Desk, bulk: Bulk) -> None:
    proxy = desk.proxy('[[rule]]\naction = "truncate"\nnth = 1')
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(desk.connection(proxy), body=bulk("a", "b", "c"))
    (line,) = desk.lines()
    assert 0 < line["sent_bytes"] == len(caught.value.partial) == line["of_bytes"] // 2
    assert desk.server.ids() == ["a", "b", "c"]


def test_delay_applies_late_even_if_the_client_has_gone(desk: Desk, bulk: Bulk) -> None:
    proxy = desk.proxy('[[rule]]\naction = "delay"\nseconds = 2')
    with pytest.raises(TimeoutError):
        ask(desk.connection(proxy, timeout=0.5), body=bulk("a"))
    until = time.monotonic() + 60
    while not desk.lines() and time.monotonic() < until:
        time.sleep(0.01)
    assert desk.lines()[0].get("ended") is None  # noted before, applied after
    while not desk.server.seen and time.monotonic() < until:
        time.sleep(0.01)
    assert desk.server.ids() == ["a"]


def test_drip(desk: Desk) -> None:
    connection = desk.connection(desk.proxy('[[rule]]\naction = "drip"\nseconds = 0.001\nbytes = 2'))
    assert ask(connection, "/") == (200, b"nothing")
    assert ask(connection, "/") == (200, b"nothing")
    first, last, *_ = desk.lines()
    assert first["of_bytes"] == 7
    assert (last["ended"], last["sent_bytes"], last["client_gone"]) == (True, 7, False)


def test_status(desk: Desk, bulk: Bulk) -> None:
    script = """
[[rule]]
action = "status"
code = 429
body = '{"error": "busy"}'
answer_headers = { Retry-After = "3" }
"""
    connection = desk.connection(desk.proxy(script))
    connection.request("POST", "/_bulk", bulk("a"))
    with connection.getresponse() as answer:
        assert (answer.status, answer.headers["Retry-After"], answer.headers["Content-Type"], answer.read()) == (
            429,
            "3",
            "application/json",
            b'{"error": "busy"}',
        )
    assert desk.server.seen == []
    assert desk.lines()[0]["status"] == 429


@pytest.mark.parametrize(("action", "kind"), [("garbage", "application/json"), ("html", "text/html; charset=utf-8")])
def test_nonsense_instead(desk: Desk, bulk: Bulk, action: str, kind: str) -> None:
    proxy = desk.proxy(f'[[rule]]\naction = "{action}"\nnth = 1\n[[rule]]\naction = "{action}"\nforward = false')
    connection = desk.connection(proxy)
    for _ in range(2):
        connection.request("POST", "/_bulk", bulk("a"))
        with connection.getresponse() as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
            content = answer.read()
        with pytest.raises(ValueError):
            json.loads(content)
    assert desk.server.ids() == ["a"]
    assert [line["applied_status"] for line in desk.lines()] == [200, None]


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_answer_twice(desk: Desk, seconds: float) -> None:
    script = f'[[rule]]\naction = "answer_twice"\nseconds = {seconds}\nnth = 1'
    host, port = desk.proxy(script).url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as near, near.makefile("rb") as stream:
        for name in (b"one", b"two"):
            near.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n" + name)
        bodies = []
        for _ in range(3):
            while stream.readline() != b"\r\n":
                pass
            bodies.append(stream.read(3))
    assert bodies == [b"one", b"one", b"two"]


@pytest.mark.parametrize(("change", "left"), [(1, 4), (-1, 2), (-9, 0), (3, 6)])
@pytest.mark.parametrize("packed", [False, True])
def test_wrong_count(desk: Desk, bulk: Bulk, change: int, left: int, *, packed: bool) -> None:
    connection = desk.connection(desk.proxy(f'[[rule]]\naction = "wrong_count"\nchange = {change}'))
    headers = {"Accept-Encoding": "gzip" if packed else "identity"}
    status, content = ask(connection, body=bulk("a", "b", "c"), headers=headers)
    assert status == 200
    assert len(items(gzip.decompress(content) if packed else content)) == left
    assert desk.server.ids() == ["a", "b", "c"]
    assert desk.lines()[0]["changed_by"] == change


def test_wrong_operation(desk: Desk, bulk: Bulk) -> None:
    connection = desk.connection(desk.proxy('[[rule]]\naction = "wrong_operation"'))
    assert items(ask(connection, body=bulk("a"))[1]) == [{"update": {"status": 201}}]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("which", "kept_back"),
    [
        ("", [0, 1, 2, 3]),
        ("items = [0, -1, 99]", [0, 3]),
        ('containing = "name.:.b"', [1]),
        ('items = [0, 1]\ncontaining = "name.:.[bc]"', [1]),
        ("share = 0.5", [0, 1]),
    ],
)
def test_items_are_kept_back(desk: Desk, bulk: Bulk, which: str, kept_back: list[int], *, packed: bool) -> None:
    rule = f'[[rule]]\naction = "item_errors"\nstatus = 403\ntype = "cluster_block_exception"\n{which}'
    connection = desk.connection(desk.proxy(rule, seed=4))
    body = bulk(*"abcd")
    status, content = ask(
        connection, body=gzip.compress(body) if packed else body, headers=PACKED if packed else NDJSON
    )
    made = {"status": 403, "error": {"type": "cluster_block_exception", "reason": "made by the fault proxy"}}
    assert status == 200
    assert items(content) == [{"create": made if place in kept_back else {"status": 201}} for place in range(4)]
    assert json.loads(content)["errors"] is True
    assert desk.server.ids() == [each for place, each in enumerate("abcd") if place not in kept_back]
    (line,) = desk.lines()
    assert (line["items"], line["of_items"], line["result"]) == (kept_back, 4, made)


def test_failure_store_used(desk: Desk, bulk: Bulk) -> None:
    connection = desk.connection(desk.proxy('[[rule]]\naction = "failure_store_used"\nitems = [1]'))
    content = ask(connection, body=bulk("a", "b"))[1]
    assert items(content) == [{"create": {"status": 201}}, {"create": {"status": 201, "failure_store": "used"}}]
    assert json.loads(content)["errors"] is False
    assert desk.server.ids() == ["a"]


def test_item_faults_leave_alone_what_is_no_bulk_or_was_refused(desk: Desk, bulk: Bulk) -> None:
    rule = '[[rule]]\naction = "item_errors"\nstatus = 429\ntype = "x"\nitems = [0]'
    connection = desk.connection(desk.proxy(rule))
    assert ask(connection, "/else", b"x") == (200, b"x")
    assert ask(connection, body=b"[1]\n")[0] == 200
    assert ask(connection, body=b"damaged", headers={"Content-Encoding": "zstd"})[0] == 200
    desk.server.status = 503
    assert ask(connection, body=bulk("a", "b"))[0] == 503
    assert desk.lines() == []  # nothing fired


def test_operations_with_one_line(desk: Desk) -> None:
    rule = '[[rule]]\naction = "item_errors"\nstatus = 429\ntype = "x"\nitems = [0, 2]'
    connection = desk.connection(desk.proxy(rule))
    body = b'{"delete":{"_id":"a"}}\n{"create":{"_id":"b"}}\n{}\n{"index":{"_id":"c"}}\n{}\n'
    content = ask(connection, body=body)[1]
    assert [next(iter(item)) for item in items(content)] == ["delete", "create", "index"]
    assert desk.server.ids() == ["b"]


def test_watch_notes_what_the_server_refuses(desk: Desk, bulk: Bulk) -> None:
    connection = desk.connection(desk.proxy('[[rule]]\naction = "watch"'))
    assert ask(connection, body=bulk("a"))[0] == 200
    assert desk.lines() == []
    desk.server.status = 503
    assert ask(connection, body=bulk("a"))[0] == 503
    assert desk.lines()[0]["errors"] == {"503": 1}


def test_close_cuts_connections(desk: Desk) -> None:
    proxy = desk.proxy()
    connection = desk.connection(proxy)
    ask(connection, "/")
    near = connection.sock
    proxy.close()
    assert near.recv(1) == b""
    with pytest.raises(OSError):
        ask(desk.connection(proxy), "/")
    proxy.close()


def test_a_client_that_resets(desk: Desk) -> None:
    proxy = desk.proxy('[[rule]]\naction = "drip"\nseconds = 1')
    host, port = proxy.url.removeprefix("http://").split(":")
    near = socket.create_connection((host, int(port)))
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    near.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    near.recv(1)
    near.close()
    until = time.monotonic() + 60
    while not any(line.get("ended") for line in desk.lines()) and time.monotonic() < until:
        time.sleep(0.01)
    assert desk.lines()[-1]["client_gone"] is True


@pytest.mark.parametrize("to", ["", "127.0.0.1:9200", "ftp://x", "http://", "http://x:y", "http://127.0.0.1:9200/path"])
def test_an_address_that_cannot_be(to: str) -> None:
    with pytest.raises(ConfigError, match="--to: not a URL"):
        FaultProxy(to)
