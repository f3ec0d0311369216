"""A server behind the proxy that remembers what reached it, and a client that shows what came back."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vpcflow.faults import FaultProxy, Journal, parse_script


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server(ThreadingHTTPServer):
    """Answers `_bulk` with one item for each action, anything else with an echo."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Seen] = []
        self.status = 200
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def ids(self) -> list[str]:
        """Return the ids that reached us, in order."""
        return [json.loads(line)["create"]["_id"] for seen in self.seen for line in seen.body.splitlines()[::2]]

    def handle_error(self, request: object, client_address: object) -> None:
        """A request that was cut off is what we are here for."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        size = int(self.headers.get("content-length", 0))
        body = self.rfile.read(size)
        if len(body) < size:
            return
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(Seen(self.command, self.path, headers, body))
        content = body or b"nothing"
        if "/_bulk" in self.path:
            created = [{"create": {"status": 201}}] * (len(body.splitlines()) // 2)
            content = json.dumps({"errors": False, "items": created}).encode()
        if self.headers.get("accept-encoding") == "gzip":
            content = gzip.compress(content)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        if self.headers.get("accept-encoding") == "gzip":
            self.send_header("Content-Encoding", "gzip")
        if self.path.startswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5;x=y\r\nfirst\r\n6\r\nsecond\r\n0\r\nTrailer: no\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@dataclass
class Desk:
    """A server, proxies before it, and what they wrote."""

    server: Server
    closing: contextlib.ExitStack
    log: Path
    proxies: list[FaultProxy] = field(default_factory=list)

    def proxy(self, script: str = "", *, seed: int = 1) -> FaultProxy:
        one = FaultProxy(self.server.url, parse_script(script), seed=seed, journal=Journal(self.log))
        self.closing.callback(one.journal.close)
        self.proxies.append(self.closing.enter_context(one))
        return one

    def connection(self, proxy: FaultProxy, timeout: float = 60) -> http.client.HTTPConnection:
        one = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=timeout)
        self.closing.callback(one.close)
        return one

    def lines(self) -> list[dict[str, Any]]:
        """Return the injection log, as it is on disk."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with contextlib.ExitStack() as closing:
        server = closing.enter_context(Server())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        closing.callback(thread.join)
        closing.callback(server.shutdown)
        yield Desk(server, closing, tmp_path / "injections.jsonl")


Bulk = Callable[..., bytes]


@pytest.fixture
def bulk() -> Bulk:
    def body(*ids: str) -> bytes:
        return "".join(f'{{"create":{{"_id":"{each}"}}}}\n{{"name":"{each}"}}\n' for each in ids).encode()

    return body
