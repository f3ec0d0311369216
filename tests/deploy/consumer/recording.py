"""What programs ask AWS for: a way to an emulated service that notes each operation, and on which resource."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.quiet_http import QuietRequests, QuietServer, running

_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


class Recorder(QuietServer):
    """Passes requests on; `asked` are the operations with their parameters, in order."""

    def __init__(self, target: str) -> None:
        super().__init__(_Passing)
        self.target = urlsplit(target)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def note(self, operation: str, parameters: dict[str, Any]) -> None:
        with self._lock:
            self.asked.append((operation, parameters))


class _Passing(QuietRequests):
    server: Recorder

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server wants
        body = self.body()
        target = self.headers.get("X-Amz-Target", "")
        self.server.note(target.rpartition(".")[2], json.loads(body))
        to = http.client.HTTPConnection(self.server.target.hostname or "", self.server.target.port, timeout=60)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            to.request("POST", self.path, body, kept)
            reply = to.getresponse()
            answer = reply.read()
        finally:
            to.close()
        self.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Metrics(QuietServer):
    """Takes what is put into CloudWatch, in the protocol of forms, and keeps it."""

    def __init__(self) -> None:
        super().__init__(_Taking)
        self.put: list[dict[str, str]] = []


class _Taking(QuietRequests):
    server: Metrics

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server wants
        body = self.body()
        self.server.put.append(
            {"_target": self.headers.get("X-Amz-Target", ""), **dict(parse_qsl(body.decode("latin-1")))}
        )
        answer = (
            b'<PutMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><ResponseMetadata>'
            b"<RequestId>0</RequestId></ResponseMetadata></PutMetricDataResponse>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@contextmanager
def recorded(target: str) -> Iterator[Recorder]:
    with running(Recorder(target)) as one:
        yield one


@contextmanager
def metrics() -> Iterator[Metrics]:
    with running(Metrics()) as one:
        yield one
