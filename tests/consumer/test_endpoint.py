"""The endpoint over real sockets."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from consumer.board import Board, Problem
from consumer.endpoint import Endpoint, address_of
from consumer.run_folder import RunFolder
from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError


class Bench:
    def __init__(self, path: Path, client_seconds: float = 60) -> None:
        folder = RunFolder(path)
        folder.create()
        self.clock = FakeClock()
        self.board = Board(folder, self.clock)
        self.endpoint = Endpoint(("127.0.0.1", 0), self.board, client_seconds=client_seconds)
        self.address = ("127.0.0.1", self.endpoint.port)

    def ask(self, path: str, **headers: str) -> tuple[int, str, str]:
        request = Request(f"http://127.0.0.1:{self.endpoint.port}{path}", headers=headers)
        try:
            with urlopen(request, timeout=60) as reply:
                return reply.status, reply.headers["Content-Type"], reply.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path / "run")
    yield one
    one.endpoint.close()


def test_readiness_says_why_not(bench: Bench) -> None:
    status, kind, body = bench.ask("/readyz")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body)["ready"] is False
    bench.board.daemon_starts()
    assert json.loads(bench.ask("/readyz")[2])["problems"] == [{"reason": "the daemon starts", "seconds": 0.0}]
    bench.clock.advance(120)
    status, _, body = bench.ask("/readyz")
    assert (status, json.loads(body)) == (200, {"ready": True, "problems": []})


def test_health(bench: Bench) -> None:
    assert bench.ask("/healthz")[0] == 200
    bench.clock.advance(31)
    status, _, body = bench.ask("/healthz?verbose=1")
    assert status == 503
    assert json.loads(body)["healthy"] is False
    bench.board.turns()
    assert bench.ask("/healthz")[0] == 200


def test_metrics(bench: Bench) -> None:
    status, kind, body = bench.ask("/metrics")
    assert status == 200
    assert kind.startswith("text/plain")
    assert "vpcflow_ready 0.0\n" in body
    assert bench.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")[2].endswith("# EOF\n")


def test_other_paths_and_methods(bench: Bench) -> None:
    for _ in range(20):  # more than may be served at once
        assert bench.ask("/")[0] == 404
    with socket.create_connection(bench.address, timeout=60) as one:
        one.sendall(b"POST /metrics HTTP/1.0\r\n\r\n")
        assert one.makefile("rb").readline().split()[1] == b"501"


def test_clients_that_hang_are_no_hindrance_and_too_many_are_hung_up_on(bench: Bench) -> None:
    with contextlib.ExitStack() as hanging:
        for _ in range(15):
            first = hanging.enter_context(socket.create_connection(bench.address, timeout=60))
            first.sendall(b"GET /met")
        assert bench.ask("/metrics")[0] == 200  # the sixteenth
        end = time.monotonic() + 60
        while bench.endpoint._server._room._value == 0 and time.monotonic() < end:
            time.sleep(0.01)  # it has its answer; its thread ends a moment later
        for _ in range(2):
            one = hanging.enter_context(socket.create_connection(bench.address, timeout=60))
            one.sendall(b"GET /met")
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(1) == b""  # the last one got no thread
        first.setblocking(False)
        with pytest.raises(BlockingIOError):  # those before it did: they may go on
            first.recv(1)


def test_a_client_that_hangs_is_left(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "run", client_seconds=0.5)
    with socket.create_connection(bench.address, timeout=30) as one:
        one.sendall(b"GET /met")
        assert one.recv(1) == b""
    bench.endpoint.close()


def test_a_fault_of_ours_is_logged_and_the_next_is_served(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def fault() -> list[Problem]:
        raise ZeroDivisionError

    whole = bench.board.illness
    bench.board.illness = fault  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR), pytest.raises(OSError):
        bench.ask("/healthz")
    bench.board.illness = whole  # type: ignore[method-assign]
    assert bench.ask("/healthz")[0] == 200
    assert [record.getMessage() for record in caplog.records] == ["endpoint fails"]


def test_a_port_in_use_names_the_setting(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=rf"metrics\.listen: 127\.0\.0\.1:{bench.endpoint.port}: .*in use"):
        Endpoint(bench.address, bench.board)


def test_an_address_of_another_machine(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.listen: 192\.0\.2\.1:0"):
        Endpoint(("192.0.2.1", 0), bench.board)


def test_closed_it_listens_no_more(tmp_path: Path) -> None:
    one = Bench(tmp_path / "run")
    before = threading.active_count()
    one.endpoint.close()
    assert threading.active_count() < before
    with pytest.raises(OSError):
        socket.create_connection(one.address, timeout=60)


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:9464", ("::1", 9464)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_addresses(listen: str, address: tuple[str, int] | None) -> None:
    assert address_of(listen) == address


@pytest.mark.parametrize(
    "listen", ["9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "h:65536", "h:-1", "h:²"]
)
def test_what_is_no_address(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.listen: .*no HOST:PORT"):
        address_of(listen)
