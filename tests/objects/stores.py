"""An S3 that does as a test says: a real HTTP server on loopback, for boto3."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.quiet_http import QuietServer
from vpcflow.objects.fetching import s3_client

_PHRASE = "as the test says"


@dataclass
class Stored:
    """One object. version: answered for this versionId only, if it is asked for."""

    data: bytes
    etag: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        self.etag = self.etag or sha256(self.data).hexdigest()[:32]


@dataclass
class Fault:
    """What happens to one request instead of its answer.

    status, code, message: an error of S3. after: the answer ends after so many bytes of its body. stall: it says nothing
    more then, until the store closes. becomes: the object is overwritten before it is answered. headers: more of them.
    whole: the range is not heeded.
    """

    status: int = 0
    code: str = ""
    message: str = "as the test says"
    after: int | None = None
    stall: bool = False
    becomes: Stored | None = None
    headers: dict[str, str] = field(default_factory=dict)
    whole: bool = False


class Store:
    """Objects by (bucket, key); `faults` are used up by requests in order, None lets one pass."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Stored] = {}
        self.faults: list[Fault | None] = []
        self.requests: list[dict[str, str]] = []
        self.closing = threading.Event()
        self._clients: dict[float, Any] = {}
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                store.answer(self)

        self._server = QuietServer(Handler)
        self.url = self._server.url

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)

    def stop(self) -> None:
        self.closing.set()
        for client in self._clients.values():
            client.close()
        self._server.shutdown()
        self._server.server_close()

    def put(self, key: str, data: bytes, *, bucket: str = "logs", etag: str = "", version: str = "") -> Stored:
        stored = self.objects[bucket, key] = Stored(data, etag, version)
        return stored

    def client(self, read_seconds: float = 60) -> Any:  # noqa: ANN401
        """One per patience: to make a client takes longer than most of the tests."""
        if read_seconds not in self._clients:
            self._clients[read_seconds] = s3_client(region="eu-central-1", endpoint=self.url, read_seconds=read_seconds)
        return self._clients[read_seconds]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        address = urlsplit(request.path)
        bucket, _, key = unquote(address.path).lstrip("/").partition("/")
        version = parse_qs(address.query).get("versionId", [""])[0]
        self.requests.append({"key": key, "version": version, **{k.lower(): v for k, v in request.headers.items()}})
        fault = (self.faults.pop(0) if self.faults else None) or Fault()
        if fault.becomes is not None:
            self.objects[bucket, key] = fault.becomes
        if fault.status:
            self._refuse(request, fault.status, fault.code, fault.message, fault.headers)
            return
        stored = self.objects.get((bucket, key))
        wanted = request.headers.get("If-Match", "").strip('"')
        if stored is None or (version and version != stored.version):
            self._refuse(request, 404, "NoSuchVersion" if version else "NoSuchKey", "The specified key does not exist.")
        elif wanted and wanted != stored.etag:
            self._refuse(request, 412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        else:
            self._give(request, stored, fault)

    def _give(self, request: BaseHTTPRequestHandler, stored: Stored, fault: Fault) -> None:
        size = len(stored.data)
        start, end, partial = 0, size, False
        span = "" if fault.whole else request.headers.get("Range", "").removeprefix("bytes=")
        if span.startswith("-"):
            start, partial = max(0, size - int(span[1:])), True
        elif span:
            first, last = span.split("-")
            start, partial = int(first), True
            end = min(size, int(last) + 1) if last else size
        if partial and start >= size:
            self._refuse(request, 416, "InvalidRange", "The requested range is not satisfiable")
            return
        body = stored.data[start:end]
        request.send_response(206 if partial else 200)
        request.send_header("ETag", f'"{stored.etag}"')
        request.send_header("Content-Length", str(len(body)))
        if partial:
            request.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        request.end_headers()
        if fault.after is not None:
            body = body[: fault.after]
        try:
            request.wfile.write(body)
            request.wfile.flush()
        except OSError:  # the reader has gone
            fault.after = 0
        if fault.stall:
            self.closing.wait()
        if fault.after is not None or fault.stall:
            request.close_connection = True
            with suppress(OSError):
                request.connection.shutdown(socket.SHUT_RDWR)

    def _refuse(
        self, request: BaseHTTPRequestHandler, status: int, code: str, message: str, more: dict[str, str] | None = None
    ) -> None:
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode() if code else b""
        request.send_response(status, _PHRASE)
        for name, value in (more or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@contextmanager
def running() -> Iterator[Store]:
    store = Store()
    thread = threading.Thread(target=store.serve, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.stop()
        thread.join()
