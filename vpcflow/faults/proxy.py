"""The proxy: a thread for each client connection, one request after the other."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from vpcflow.clock import Clock, SystemClock
from vpcflow.errors import ConfigError
from vpcflow.faults.exchange import Exchange, Upstream, UpstreamLost
from vpcflow.faults.journal import Journal
from vpcflow.faults.messages import MessageError, Request, Response, read_request
from vpcflow.faults.rules import Rule, Schedule

__all__ = ["FaultProxy"]

_BACKLOG = 100


class FaultProxy:
    """Stands before a server and makes faults by rules.

        with FaultProxy("http://127.0.0.1:9200", rules, seed=7) as proxy:
            proxy.url, proxy.journal.lines()

    What no rule takes is passed on as it is, but for hop-by-hop headers, `Host`, and chunks, which become a length.
    A server that does not answer gives a reset, as it would without us, and a line with the action `upstream_lost`.
    """

    def __init__(
        self,
        to: str,
        rules: Sequence[Rule] = (),
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        seed: int = 0,
        journal: Journal | None = None,
        ca_certs: str = "",
        clock: Clock | None = None,
    ) -> None:
        """Listen, but answer nobody yet.

        Raises:
            ConfigError: an address or a URL that cannot be used.
        """
        self._upstream = Upstream.of(to, ca_certs=ca_certs)
        self._schedule = Schedule(rules, seed)
        self.journal = journal or Journal()
        self._clock = clock or SystemClock()
        self._numbers = itertools.count(1)
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._server = socket.create_server(listen, backlog=_BACKLOG)
        except OSError as error:
            raise ConfigError(f"--listen: cannot listen on {listen[0]}:{listen[1]}: {error.strerror}") from None
        host, port = self._server.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self._thread = threading.Thread(target=self.serve, name="fault proxy", daemon=True)

    def __enter__(self) -> Self:
        """Serve in a thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, and wait for the thread."""
        self.close()
        self._thread.join()

    def serve(self) -> None:
        """Take connections until `close`."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                with self._lock:
                    if self._closed:
                        client.close()
                        return
                    self._clients.add(client)
                threading.Thread(target=self._attend, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Stop listening and cut all connections; a delay or drip that is under way ends by itself. May be called twice."""
        with self._lock:
            self._closed = True
            clients = list(self._clients)
        for end in (self._server, *clients):
            with contextlib.suppress(OSError):  # a blocked accept() or recv() would go on past close()
                end.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _attend(self, client: socket.socket) -> None:
        stream = client.makefile("rb")
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            alive = True
            while alive:
                request = read_request(stream, lambda: client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"))
                if request is None:
                    return
                alive = self._answer(request, client) and request.keeps_alive
        except MessageError as error:
            with contextlib.suppress(OSError):
                refusal = Response(status=400, headers=(("Connection", "close"),), body=f"{error}\n".encode())
                client.sendall(refusal.head() + refusal.body)
        except OSError:
            pass  # the client is gone
        finally:
            with contextlib.suppress(OSError):
                stream.close()  # only now does a socket that was closed before let go of its connection
            client.close()
            with self._lock:
                self._clients.discard(client)

    def _answer(self, request: Request, client: socket.socket) -> bool:
        """Do what a rule says, or pass the request on; return whether the client's connection can be used again."""
        exchange = Exchange(
            request=request,
            number=next(self._numbers),
            client=client,
            upstream=self._upstream,
            journal=self.journal,
            clock=self._clock,
        )
        rule = self._schedule.choose(exchange)
        try:
            if rule is None:
                exchange.reply(exchange.forward())
            else:
                rule.run(exchange)
        except UpstreamLost as error:
            exchange.action = "upstream_lost"
            exchange.note(reason=str(error))
            exchange.reset()
        return exchange.alive
