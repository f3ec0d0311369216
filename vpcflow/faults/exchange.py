"""One request at the proxy, and what a fault can do with it."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from vpcflow.clock import Clock
from vpcflow.errors import ConfigError
from vpcflow.faults.journal import Journal
from vpcflow.faults.messages import MessageError, Request, Response, read_response

__all__ = ["Exchange", "Upstream", "UpstreamLost", "reset"]

_UPSTREAM_SECONDS = 300.0
_LINGER_NOT = struct.pack("ii", 1, 0)


class UpstreamLost(Exception):
    """The server behind the proxy gave no answer."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server behind the proxy; a connection of its own for each request."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, *, ca_certs: str = "") -> Upstream:
        """Return the server of a URL; its path must be empty.

        Raises:
            ConfigError: not such a URL, or no such file of certificates.
        """
        parts = urlsplit(url)
        wrong = ConfigError("--to: not a URL like http://127.0.0.1:9200; correct it")
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise wrong from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise wrong
        try:
            tls = ssl.create_default_context(cafile=ca_certs or None) if parts.scheme == "https" else None
        except OSError as error:
            raise ConfigError(f"--ca-certs: cannot use {ca_certs}: {error.strerror or error}; correct it") from None
        return cls(parts.hostname, port, tls)

    @property
    def authority(self) -> str:
        """Return what the Host header says."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{name}:{self.port}"

    @contextlib.contextmanager
    def connection(self) -> Iterator[socket.socket]:
        """Give a connection.

        Raises:
            UpstreamLost: there is none to be had, or it broke while it was used.
        """
        try:
            with socket.create_connection((self.host, self.port), timeout=_UPSTREAM_SECONDS) as plain:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.tls is None:
                    yield plain
                else:
                    with self.tls.wrap_socket(plain, server_hostname=self.host) as secured:
                        yield secured
        except (OSError, MessageError) as error:
            raise UpstreamLost(f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}") from error


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request that a rule may act on. `alive` says whether the client's connection can be used for another one."""

    request: Request
    number: int
    client: socket.socket
    upstream: Upstream
    journal: Journal
    clock: Clock
    rule: str = ""
    action: str = ""
    random: random.Random = field(default_factory=random.Random)
    alive: bool = True

    def forward(self, request: Request | None = None) -> Response:
        """Return the server's answer to the request as it came, or to another one.

        Raises:
            UpstreamLost: there was none.
        """
        sent = request or self.request
        with self.upstream.connection() as server, server.makefile("rb") as stream:
            server.sendall(sent.head(self.upstream.authority) + sent.body)
            return read_response(stream, sent.method)

    def forward_half(self) -> int:
        """Send the head and half of the body to the server, then reset that connection; return the bytes of the half."""
        half = self.request.body[: len(self.request.body) // 2]
        with self.upstream.connection() as server:
            server.sendall(self.request.head(self.upstream.authority) + half)
            reset(server)
        return len(half)

    def reply(self, response: Response) -> None:
        """Answer the client."""
        self.send(response.head() + response.body)

    def send(self, data: bytes) -> None:
        """Send bytes to the client. One who is gone is none of our business."""
        try:
            self.client.sendall(data)
        except OSError:
            self.alive = False

    def reset(self) -> None:
        """Break the client's connection off with a reset."""
        self.alive = False
        reset(self.client)

    def close(self) -> None:
        """End the client's connection in an orderly way, whatever was promised in the head."""
        self.alive = False
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)

    def note(self, **what: object) -> None:
        """Write the line of this fault."""
        self.journal.write(
            rule=self.rule,
            action=self.action,
            request=self.number,
            method=self.request.method,
            path=self.request.target,
            **what,
        )

    def with_body(self, body: bytes) -> Request:
        """Return the request with another body."""
        return dataclasses.replace(self.request, body=body)


def reset(connection: socket.socket) -> None:
    """Close a connection with RST instead of FIN. A file that was made of it must be closed before, or it does not close."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    connection.close()
