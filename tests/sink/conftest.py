from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sink.peers import Authority, Proxy, Server, running
from vpcflow.clock import Clock
from vpcflow.sink.connection import Credentials, EngineOptions
from vpcflow.sink.engine import EngineSink

MakeServer = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[MakeServer]:
    """Start a server (with TLS, if a context is given); it ends with the test."""
    with contextlib.ExitStack() as stack:

        def started(tls: ssl.SSLContext | None = None) -> Server:
            server = Server(tls)
            stack.enter_context(running(server))
            return server

        yield started


@pytest.fixture
def server(serve: MakeServer) -> Server:
    return serve()


@pytest.fixture
def connect() -> Iterator[Callable[..., EngineSink]]:
    """Make a sink for a server, or for `hosts`; it is closed with the test."""
    with contextlib.ExitStack() as stack:

        def connected(
            *servers: Server,
            reload: Callable[[], Credentials] | None = None,
            clock: Clock | None = None,
            **options: Any,  # noqa: ANN401
        ) -> EngineSink:
            values = {"hosts": tuple(one.url for one in servers), "target": "logs-x-y", "data_stream": True, **options}
            engine = EngineSink(EngineOptions(**values), reload=reload, clock=clock)
            stack.callback(engine.close)
            return engine

        yield connected


@pytest.fixture
def proxy() -> Iterator[Callable[..., Proxy]]:
    """Start a proxy; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def started(**options: Any) -> Proxy:  # noqa: ANN401
            made = Proxy(**options)
            stack.enter_context(running(made))
            return made

        yield started


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority; its name is the same, which must not be enough."""
    return Authority(tmp_path_factory.mktemp("strange"), "ours")
