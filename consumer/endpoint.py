"""The replica's HTTP endpoint: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever looks after processes.

Requests are served by threads of their own, a bounded number of them, each with a timeout: a client that hangs costs the
supervisor nothing.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from consumer.board import Board, Problem
from vpcflow.errors import ConfigError
from vpcflow.logs import get_logger
from vpcflow.metrics.prometheus import exposition

__all__ = ["Endpoint", "address_of"]

log = get_logger(__name__)

_CLIENTS = 16  # at once; further ones are hung up on
_CLIENT_SECONDS = 5.0
_MOST_PORT = 65_535

Reply = tuple[int, str, bytes]


def address_of(listen: str) -> tuple[str, int] | None:
    """Return host and port of `metrics.listen`; None where it is empty.

    Raises:
        ConfigError: it is no HOST:PORT.
    """
    if not listen:
        return None
    host, colon, port = listen.rpartition(":")
    if not (colon and host and port.isdecimal() and port.isascii() and int(port) <= _MOST_PORT):
        raise ConfigError(f'metrics.listen: {listen}: no HOST:PORT; for example 127.0.0.1:9464, or "" for none')
    return host.removeprefix("[").removesuffix("]"), int(port)


class Endpoint:
    """Listens from the moment it is made."""

    def __init__(self, address: tuple[str, int], board: Board, *, client_seconds: float = _CLIENT_SECONDS) -> None:
        """Bind. A client that says nothing for `client_seconds` is hung up on.

        Raises:
            ConfigError: the address cannot be had.
        """
        host, port = address
        try:
            self._server = _Server((host, port), board, client_seconds)
        except OSError as error:
            raise ConfigError(
                f'metrics.listen: {host}:{port}: {error.strerror}; name another address, or "" for none'
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return the port, also where 0 was asked for."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], board: Board, client_seconds: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.BoundedSemaphore(_CLIENTS)
        self.board = board
        self.client_seconds = client_seconds
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind as a plain server does: the base class would ask the DNS for a name that nobody needs."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Serve it in a thread, if there is room for one more."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread was to be had
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Make room again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002
        """Say nothing of clients that hang up or hang; a fault of ours is told."""
        if not isinstance(sys.exception(), OSError):
            log.error("endpoint fails", extra={"fields": {"traceback": traceback.format_exc()}})


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def setup(self) -> None:
        """Bound how long a client may hang."""
        self.request.settimeout(self.server.client_seconds)
        super().setup()

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        board = self.server.board
        if path == "/metrics":
            body, kind = exposition(board.snapshot, self.headers.get("Accept", ""))
            self._reply(200, kind, body)
        elif path == "/healthz":
            self._tell("healthy", board.illness())
        elif path == "/readyz":
            self._tell("ready", board.obstacles())
        else:
            self._reply(404, "text/plain; charset=utf-8", b"here are /metrics, /healthz and /readyz\n")

    def _tell(self, word: str, problems: list[Problem]) -> None:
        body = json.dumps({word: not problems, "problems": [problem.shown() for problem in problems]}) + "\n"
        self._reply(503 if problems else 200, "application/json", body.encode())

    def _reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Tell nothing of versions."""
        return "vpcflow"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as the base class has it
        """Log no requests: a scrape each few seconds is no news."""
