"""The Lambda Runtime API of one execution environment, over HTTP on loopback.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: the runtime asks for the next invocation and posts its answer
or its error. One server, and so one queue, for each runtime process: a process that was killed while it waited in `next`
leaves a thread here that would swallow the event of the process after it.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""Of a request and of an answer: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

_VERSION = "2018-06-01"


@dataclass(frozen=True)
class Said:
    """What the runtime said about an invocation. kind: response, error, or too large (the answer was not taken)."""

    kind: Literal["response", "error", "too large"]
    body: bytes


@dataclass(frozen=True)
class Event:
    """One invocation. deadline_ms: wall clock, milliseconds since 1970."""

    request_id: str
    payload: bytes
    deadline_ms: int


class RuntimeApi(ThreadingHTTPServer):
    """The API for one runtime process. `init_error` is what the process could not start with."""

    daemon_threads = True
    block_on_close = False  # a thread may wait in `next` for ever

    def __init__(self, arn: str) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.arn = arn
        self.init_error: dict[str, Any] | None = None
        self.events: queue.Queue[Event | None] = queue.Queue()
        self.said: dict[str, queue.Queue[Said]] = {}
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def give(self, request_id: str, payload: bytes, seconds: float) -> queue.Queue[Said]:
        """Hand one event to the process; return where its answer will be."""
        answer = self.said[request_id] = queue.Queue()
        self.events.put(Event(request_id, payload, int((time.time() + seconds) * 1000)))
        return answer

    def close(self) -> None:
        """Stop serving; who waits in `next` is let go."""
        self.events.put(None)
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a runtime that was killed resets its connection."""


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # with a buffered write: seventy times as many invocations a second
    wbufsize = -1
    server: RuntimeApi

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path != f"/{_VERSION}/runtime/invocation/next":
            self._answer(404)
            return
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        self._answer(
            200,
            event.payload,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": event.request_id,
                "Lambda-Runtime-Deadline-Ms": str(event.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": self.server.arn,
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.path.strip("/").split("/"):
            case [version, "runtime", "init", "error"] if version == _VERSION:
                self.server.init_error = json.loads(body)
                self._answer(202)
            case [version, "runtime", "invocation", request_id, "response" | "error" as kind] if version == _VERSION:
                self._take(request_id, kind, body)
            case _:
                self._answer(404)

    def _take(self, request_id: str, kind: str, body: bytes) -> None:
        answer = self.server.said.pop(request_id, None)
        if answer is None:
            self._answer(400, b'{"errorType":"InvalidRequestID","errorMessage":"no such invocation"}')
        elif kind == "error":
            answer.put(Said("error", body))
            self._answer(202)
        elif len(body) > MAX_PAYLOAD_BYTES:
            answer.put(Said("too large", str(len(body)).encode()))
            self._answer(413, b'{"errorType":"RequestEntityTooLarge","errorMessage":"the answer exceeds 6 MB"}')
        else:
            answer.put(Said("response", body))
            self._answer(202)

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
