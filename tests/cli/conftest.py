from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vpcflow.cli.main import main

Answers = dict[str, tuple[int, dict[str, Any]]]


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on loopback; give the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [*os.environ]:
        if name.startswith(("VPCFLOW_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `vpcflow` with arguments and standard input, in this process."""

    def ran(*arguments: object, stdin: bytes = b"", **environ: str) -> Ran:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
            for name, value in environ.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = main([str(one) for one in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return ran


@dataclass
class Peer:
    """A search engine, and AWS, as far as the commands ask them."""

    url: str = ""
    version: str = "9.1.0"
    elastic: bool = True
    answers: Answers = field(default_factory=dict)  # by `METHOD /path` or AWS action, over the usual ones
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes, action: str) -> tuple[int, dict[str, Any]]:
        question = action or f"{method} {path}"
        self.asked.append(question)
        if question in self.answers:
            return self.answers[question]
        if question == "GET /":
            return 200, {"version": {"number": self.version}}
        name = path.removeprefix("/_index_template").lstrip("/")
        if path.startswith("/_index_template") and method == "PUT":
            self.templates[name] = json.loads(body)
            return 200, {"acknowledged": True}
        if path.startswith("/_index_template"):
            found = [(one, body) for one, body in self.templates.items() if name in ("", one)]
            entries = [{"name": one, "index_template": body} for one, body in found]
            return (200 if entries or not name else 404), {"index_templates": entries}
        return 404, {"error": {"type": "index_not_found_exception", "reason": "no such index"}, "__type": "Nope"}


@pytest.fixture
def peer() -> Iterator[Peer]:
    found = Peer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            action = self.headers.get("x-amz-target", "").partition(".")[2]
            status, answer = found.answer(self.command, self.path.partition("?")[0], body, action)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            if found.elastic:
                self.send_header("x-elastic-product", "Elasticsearch")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as found.url:
        yield found


@dataclass
class Engine:
    """A data stream over HTTP, as far as a replay asks: `_bulk`, `_search` by ids, `_refresh`."""

    url: str = ""
    documents: dict[str, Any] = field(default_factory=dict)
    rejects: set[str] = field(default_factory=set)  # ids
    bulks: int = 0

    def answer(self, path: str, body: bytes) -> dict[str, Any]:
        if path.endswith("/_bulk"):
            self.bulks += 1
            lines = [json.loads(line) for line in body.splitlines()]
            items = [
                self.create(action["create"]["_id"], line) for action, line in zip(lines[::2], lines[1::2], strict=True)
            ]
            return {"errors": True, "items": [{"create": item} for item in items]}
        if path.endswith("/_search"):
            wanted = json.loads(body)["query"]["ids"]["values"]
            hits = [{"_id": name} for name in self.documents if name in wanted]
            return {"timed_out": False, "_shards": {"failed": 0}, "hits": {"total": {"value": len(hits)}, "hits": hits}}
        return {"_shards": {"failed": 0}, "stream": {"data_stream": "stream"}}

    def create(self, name: str, document: Any) -> dict[str, Any]:  # noqa: ANN401
        if name in self.rejects:
            return {"status": 400, "error": {"type": "document_parsing_exception", "reason": "odd"}}
        if name in self.documents:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "there"}}
        self.documents[name] = document
        return {"status": 201}


@pytest.fixture
def engine() -> Iterator[Engine]:
    found = Engine()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            data = json.dumps(found.answer(self.path.partition("?")[0], body)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.send_header("x-elastic-product", "Elasticsearch")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as found.url:
        yield found
