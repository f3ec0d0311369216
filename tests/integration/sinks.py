"""How LocalStack's functions reach the servers of a test.

They listen on loopback, which is enough for a LocalStack that runs as a process of this machine. One in a container needs
TESTS_SINK_HOST: the name under which this machine is known in there (`host.docker.internal`), or an address of this machine
that can be reached from there (that of docker's bridge). At an address a relay listens; what a name leads to has to reach
loopback by itself, as docker's desktop editions do.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.e2e.conftest import Gate

__all__ = ["reachable"]

_LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def reachable(url: str) -> Iterator[str]:
    """Give the URL under which a function reaches a server on loopback."""
    host = os.environ.get("TESTS_SINK_HOST", _LOOPBACK)
    target = urlsplit(url)
    if host == _LOOPBACK:
        yield url
    elif not _is_address(host):
        yield target._replace(netloc=f"{host}:{target.port}").geturl()
    else:
        relay = _Relay(url, host)
        try:
            yield target._replace(netloc=f"{host}:{relay.port}").geturl()
        finally:
            relay.shut()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Relay(Gate):
    """A gate at another address than loopback."""

    def __init__(self, url: str, host: str) -> None:
        super().__init__(url)
        self._server = socket.create_server((host, 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
