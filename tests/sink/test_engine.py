"""The engine's client against a loopback server: what is on the wire, and what becomes of each answer."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from vpcflow.errors import ConfigError, SinkRefused, SinkUnavailable
from vpcflow.sink.abstract import BodyTooLarge
from vpcflow.sink.compression import compress
from vpcflow.sink.engine import Credentials, EngineOptions, EngineSink
from vpcflow.types import Bulk, Outcome

BODY = b'{"create":{"_id":"a"}}\n{"@timestamp":1,"n":"\xc3\xa4"}\n'
CREATED = b'{"errors":false,"items":[{"create":{"status":201}}]}'
ELASTIC = {"X-Elastic-Product": "Elasticsearch"}
ROOT = b'{"version":{"number":"3.6.0","distribution":"opensearch"}}'


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)


@dataclass
class Canned:
    status: int = 200
    body: bytes = CREATED
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    cut: int = 0


class Server(ThreadingHTTPServer):
    """Answers from a list; the last answer stays. `GET /` has one of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Request] = []
        self.sinks: list[EngineSink] = []
        self.answers: list[Canned] = [Canned()]
        self.root = Canned(body=ROOT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_answer(self, path: str) -> Canned:
        if path == "/":
            return self.root
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def bulks(self) -> list[Request]:
        return [request for request in self.requests if "/_bulk" in request.path]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers, body))
        canned = self.server.next_answer(self.path)
        self.close_connection = True
        if canned.hang_up:
            return
        self.send_response(canned.status)
        for name, value in {"Content-Type": "application/json", **canned.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(canned.body)))
        self.end_headers()
        self.wfile.write(canned.body[: len(canned.body) - canned.cut])

    def __getattr__(self, name: str) -> object:
        """Answer every method alike: the base class looks for `do_GET` and so on."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
        for used in running.sinks:
            used.close()


def sink(server: Server, **options: object) -> EngineSink:
    values = {"hosts": (server.url,), "target": "logs-x-y", "data_stream": True, **options}
    server.sinks.append(EngineSink(EngineOptions(**values)))  # type: ignore[arg-type]
    return server.sinks[-1]


def write(engine: EngineSink, body: bytes = BODY) -> list[Outcome]:
    return list(engine.write(Bulk(body, body.count(b"\n") // 2)).outcomes)


def test_on_the_wire_are_the_bytes_that_we_compressed(server: Server) -> None:
    body = BODY * 500
    server.answers = [Canned(body=json.dumps({"items": [{"create": {"status": 201}}] * 500}).encode())]
    assert write(sink(server), body) == [Outcome.CREATED] * 500
    (request,) = server.bulks
    assert request.body == compress(body, 1)
    assert gzip.decompress(request.body) == body
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


def test_level_zero_is_plain(server: Server) -> None:
    write(sink(server, compression_level=0))
    (request,) = server.bulks
    assert request.body == BODY
    assert "content-encoding" not in request.headers


def test_what_is_asked_for(server: Server) -> None:
    write(sink(server))
    (request,) = server.bulks
    assert urlsplit(request.path).path == "/logs-x-y/_bulk"
    assert request.query == {
        "filter_path": ["errors,items.*.status,items.*.error,items.*.failure_store"],
        "pipeline": ["_none"],
    }


def test_pattern_mode_and_pipelines(server: Server) -> None:
    write(sink(server, target="", data_stream=False, pipeline="default"))
    write(sink(server, target="", data_stream=False, pipeline="a b&c"))
    first, second = server.requests
    assert urlsplit(first.path).path == "/_bulk"
    assert "pipeline" not in first.query
    assert second.query["pipeline"] == ["a b&c"]


def test_elasticsearch_is_told_by_any_header_and_asked_for_a_data_stream(server: Server) -> None:
    server.root = Canned(status=403, body=b"{}", headers=ELASTIC)
    engine = sink(server)
    write(engine)
    assert engine.product == "elasticsearch"
    assert server.bulks[0].query["require_data_stream"] == ["true"]


def test_opensearch_is_told_by_the_missing_header(server: Server) -> None:
    engine = sink(server)
    write(engine)
    assert engine.product == "opensearch"
    assert "require_data_stream" not in server.bulks[0].query


def test_a_refused_root_is_asked_once_and_decides_nothing(server: Server) -> None:
    server.root = Canned(status=401, body=b"Unauthorized")
    server.answers = [Canned(status=503), Canned()]
    engine = sink(server)
    with pytest.raises(SinkUnavailable):
        write(engine)
    before = engine.product
    write(engine)
    assert (before, engine.product) == (None, "opensearch")
    assert [request.path.partition("?")[0] for request in server.requests] == [
        "/",
        "/logs-x-y/_bulk",
        "/logs-x-y/_bulk",
    ]


def test_product_by_settings(server: Server) -> None:
    write(sink(server, product="elasticsearch"))
    assert len(server.requests) == 1
    assert server.bulks[0].query["require_data_stream"] == ["true"]


def test_an_elasticsearch_that_does_not_know_the_parameter(server: Server) -> None:
    reason = "request [/logs-x-y/_bulk] contains unrecognized parameter: [require_data_stream]"
    error = json.dumps({"error": {"type": "illegal_argument_exception", "reason": reason}, "status": 400}).encode()
    server.answers = [Canned(status=400, body=error), Canned(), Canned()]
    engine = sink(server, product="elasticsearch")
    assert write(engine) == [Outcome.CREATED]
    write(engine)
    assert ["require_data_stream" in request.query for request in server.bulks] == [True, False, False]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_the_client_itself_never_tries_again(server: Server, status: int) -> None:
    server.answers = [Canned(status=status, body=b"<html>", headers={"Content-Type": "text/html", "Retry-After": "7"})]
    with pytest.raises(SinkUnavailable) as caught:
        write(sink(server))
    assert caught.value.retry_after == 7
    assert len(server.bulks) == 1


@pytest.mark.parametrize(
    "canned",
    [
        Canned(hang_up=True),
        Canned(cut=10),
        Canned(body=b"{"),
        Canned(body=b"", headers={"Content-Type": "image/png"}),
        Canned(body=b"<xml/>", headers={"Content-Type": "application/xml"}),
        Canned(headers={"Content-Type": "application/vnd.other+json"}, body=b"{}"),
    ],
    ids=["hang-up", "cut off", "half JSON", "image", "xml", "vendor"],
)
def test_answers_that_decide_nothing(server: Server, canned: Canned) -> None:
    server.answers = [canned]
    with pytest.raises(SinkUnavailable):
        write(sink(server))
    assert len(server.bulks) == 1


def test_any_media_type_with_the_right_content_will_do(server: Server) -> None:
    server.answers = [Canned(headers={"Content-Type": "application/vnd.elasticsearch+json; compatible-with=8"})]
    assert write(sink(server)) == [Outcome.CREATED]


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    engine = EngineSink(EngineOptions(hosts=(url,), target="t"))
    with pytest.raises(SinkUnavailable, match="Connection refused"):
        write(engine)


def test_a_silent_server_is_left_after_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        engine = EngineSink(EngineOptions(hosts=(url,), target="t", request_timeout_seconds=0.1))
        with pytest.raises(SinkUnavailable, match="ConnectionTimeout"):
            write(engine)


def test_https_where_nobody_speaks_it(server: Server) -> None:
    engine = EngineSink(EngineOptions(hosts=(server.url.replace("http:", "https:"),), target="t"))
    with pytest.raises(SinkRefused, match="http://") as caught:
        write(engine)
    assert caught.value.exit_code == 78


def test_413_is_its_own_error(server: Server) -> None:
    server.answers = [Canned(status=413, body=b"")]
    with pytest.raises(BodyTooLarge):
        write(sink(server))


def test_credentials_are_sent_and_never_shown(server: Server) -> None:
    write(sink(server, api_key="a2V5OnNlY3JldA==", username="ignored"))
    write(sink(server, username="elastic", password="pässword"))
    assert server.bulks[0].headers["authorization"] == "ApiKey a2V5OnNlY3JldA=="
    assert server.bulks[1].headers["authorization"] == "Basic ZWxhc3RpYzpww6Rzc3dvcmQ="
    server.answers = [Canned(status=401, body=b"{}")]
    options = EngineOptions(hosts=("http://u:hidden1@127.0.0.1:1",), api_key="hidden2", password="hidden3", target="t")
    assert "hidden2" not in repr(options)
    assert "hidden3" not in repr(options)
    assert "hidden" not in EngineSink(options).where


def test_a_rotated_secret_is_read_again_once(server: Server) -> None:
    server.answers = [Canned(status=401, body=b"{}"), Canned(), Canned(status=401, body=b"{}")]
    reads: list[Credentials] = []

    def reload() -> Credentials:
        reads.append(Credentials(api_key="new"))
        return reads[-1]

    engine = EngineSink(EngineOptions(hosts=(server.url,), target="t", api_key="old"), reload=reload)
    server.sinks.append(engine)
    assert write(engine) == [Outcome.CREATED]
    assert [request.headers["authorization"] for request in server.bulks] == ["ApiKey old", "ApiKey new"]
    with pytest.raises(SinkRefused) as caught:
        write(engine)
    assert caught.value.exit_code == 77
    assert len(server.bulks) == 3, "the same secret is not tried twice"
    assert len(reads) == 2


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (EngineOptions(hosts=("not a url",)), "hosts"),
        (EngineOptions(hosts=("https://u:hidden@:x",)), "hosts"),
        (EngineOptions(hosts=()), "hosts"),
        (EngineOptions(ca_certs="/nowhere/ca.pem"), "ca_certs"),
    ],
)
def test_settings_that_cannot_be(options: EngineOptions, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"elasticsearch\.{key}") as caught:
        EngineSink(options)
    assert "hidden" not in str(caught.value)


def test_a_ca_file_without_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(ConfigError, match="no certificates in PEM form"):
        EngineSink(EngineOptions(hosts=("https://127.0.0.1:1",), ca_certs=str(tmp_path / "ca.pem")))


def test_identify(server: Server) -> None:
    engine = sink(server)
    assert engine.identify() == "opensearch 3.6.0"
    server.root = Canned(status=405, body=b"{}", headers=ELASTIC)
    other = sink(server)
    assert other.identify() == "elasticsearch"
    engine.close()
    other.close()


def test_what_tools_ask(server: Server) -> None:
    engine = sink(server)
    server.answers = [Canned(body=b'{"count":7}'), Canned(body=b'{"hits":{}}'), Canned(body=b"{}"), Canned(status=500)]
    assert engine.count("logs-*") == 7
    assert engine.search("logs-*", {"size": 0}) == {"hits": {}}
    engine.refresh("logs-*")
    with pytest.raises(SinkUnavailable):
        engine.ask("GET", "/x")
    engine.close()
    assert json.loads(server.requests[1].body) == {"size": 0}
    assert server.requests[1].headers["content-type"] == "application/json"


NOT_FOUND = Canned(status=404, body=b'{"error":{"type":"index_not_found_exception"}}')


@pytest.mark.parametrize(
    "answers",
    [[Canned(status=403, body=b"{}")], [NOT_FOUND, Canned(status=403, body=b"{}")]],
    ids=["index", "templates"],
)
def test_a_key_that_may_not_look_is_no_error(
    server: Server, answers: list[Canned], caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [*answers]
    sink(server).check_target()
    assert "target not checked: the credentials may not look at it" in caplog.messages


def test_the_template_of_highest_priority_decides(server: Server) -> None:
    def answer(plain: int, stream: int) -> Canned:
        templates = [
            {"name": "plain", "index_template": {"index_patterns": ["logs-*"], "priority": plain}},
            {"name": "other", "index_template": {"index_patterns": ["metrics-*"], "priority": 999}},
            {"name": "stream", "index_template": {"index_patterns": "logs-x-*", "priority": stream, "data_stream": {}}},
        ]
        return Canned(body=json.dumps({"index_templates": templates}).encode())

    server.answers = [NOT_FOUND, answer(plain=1, stream=2)]
    sink(server).check_target()
    server.answers = [NOT_FOUND, answer(plain=2, stream=1)]
    with pytest.raises(SinkRefused, match="vpcflow setup --template"):
        sink(server).check_target()


def test_a_busy_engine_is_no_missing_target(server: Server) -> None:
    server.answers = [Canned(status=503)]
    with pytest.raises(SinkUnavailable):
        sink(server).check_target()


def test_a_target_that_needs_no_check(server: Server) -> None:
    sink(server, data_stream=False).check_target()
    sink(server, target="").check_target()
    assert server.requests == []
