"""Several hosts: turns, failover, and the way back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.sink.peers import DONE, ONE, Canned, Server, nobody
from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError, SinkUnavailable
from vpcflow.sink.engine import EngineOptions, EngineSink

Connect: TypeAlias = Callable[..., EngineSink]
Serve: TypeAlias = Callable[[], Server]


def test_hosts_take_turns(connect: Connect, serve: Serve) -> None:
    servers = [serve() for _ in range(3)]
    engine = connect(*servers, product="opensearch")
    for _ in range(6):
        engine.write(ONE)
    assert [len(server.bulks) for server in servers] == [2, 2, 2]


def test_a_host_that_is_down_costs_no_wait(server: Server, connect: Connect) -> None:
    clock = FakeClock()
    engine = connect(hosts=(nobody(), nobody(), server.url, nobody()), clock=clock, product="opensearch")
    for _ in range(4):
        assert list(engine.write(ONE).outcomes) == DONE
    assert len(server.bulks) == 4, "each was sent once"
    assert clock.sleeps == []


def test_a_name_that_nobody_knows_is_a_host_that_is_down(server: Server, connect: Connect) -> None:
    engine = connect(hosts=("http://nowhere.invalid:9200", server.url), product="opensearch")
    assert [list(engine.write(ONE).outcomes) for _ in range(2)] == [DONE, DONE]


def test_all_hosts_down(connect: Connect) -> None:
    with pytest.raises(SinkUnavailable, match="Connection refused"):
        connect(hosts=(nobody(), nobody())).write(ONE)


def test_what_was_sent_is_not_sent_to_another_host_by_itself(connect: Connect, serve: Serve) -> None:
    first, second = serve(), serve()
    first.answers = [Canned(hang_up=True)]
    engine = connect(first, second, product="opensearch")
    with pytest.raises(SinkUnavailable):
        engine.write(ONE)
    assert (len(first.bulks), len(second.bulks)) == (1, 0)
    for _ in range(2):
        assert list(engine.write(ONE).outcomes) == DONE
    assert (len(first.bulks), len(second.bulks)) == (1, 2), "the one that failed is left out for a while"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_host_without_a_cluster_is_left_out(connect: Connect, serve: Serve, status: int) -> None:
    first, second = serve(), serve()
    first.answers = [Canned(status=status, body=b"")]
    engine = connect(first, second, product="opensearch")
    with pytest.raises(SinkUnavailable):
        engine.write(ONE)
    engine.write(ONE)
    engine.write(ONE)
    assert (len(first.bulks), len(second.bulks)) == (1, 2)


def test_a_host_that_is_busy_stays(connect: Connect, serve: Serve) -> None:
    first, second = serve(), serve()
    first.answers = [Canned(status=429, body=b""), Canned()]
    engine = connect(first, second, product="opensearch")
    with pytest.raises(SinkUnavailable):
        engine.write(ONE)
    for _ in range(2):
        engine.write(ONE)
    assert (len(first.bulks), len(second.bulks)) == (2, 1)


def test_a_host_comes_back(connect: Connect, serve: Serve) -> None:
    clock = FakeClock()
    first, second = serve(), serve()
    first.answers = [Canned(status=503, body=b""), Canned(status=503, body=b""), Canned()]
    engine = connect(first, second, clock=clock, product="opensearch")

    def writes(count: int) -> int:
        before = len(first.bulks)
        for _ in range(count):
            try:
                engine.write(ONE)
            except SinkUnavailable:
                continue
        return len(first.bulks) - before

    assert writes(4) == 1
    clock.advance(1)
    assert writes(4) == 1, "asked again after a second, and found as it was"
    clock.advance(1)
    assert writes(4) == 0, "two seconds the second time"
    clock.advance(1)
    assert writes(4) == 2
    assert writes(4) == 2, "up: it takes its turns"
    first.answers = [Canned(status=503, body=b""), Canned()]
    assert writes(2) == 1
    clock.advance(1)
    assert writes(2) == 1, "its failures are counted anew"


def test_hosts_that_are_all_left_out_are_asked_all_the_same(connect: Connect, serve: Serve) -> None:
    first, second = serve(), serve()
    for server in (first, second):
        server.answers = [Canned(status=503, body=b""), Canned()]
    engine = connect(first, second, clock=FakeClock(), product="opensearch")
    for _ in range(2):
        with pytest.raises(SinkUnavailable):
            engine.write(ONE)
    assert list(engine.write(ONE).outcomes) == DONE


def test_many_threads_share_the_hosts(connect: Connect, serve: Serve) -> None:
    servers = [serve(), serve()]
    down = nobody()
    engine = connect(hosts=(servers[0].url, down, servers[1].url), product="opensearch", connections=2)
    found: list[object] = []

    def write() -> None:
        for _ in range(10):
            found.append(list(engine.write(ONE).outcomes))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DONE] * 80
    assert sum(len(server.bulks) for server in servers) == 80


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"hosts": ("not a url",)}, "hosts"),
        ({"hosts": ("https://u:hidden@:x",)}, "hosts"),
        ({"hosts": ("ftp://u:hidden@host:21",)}, "hosts"),
        ({"hosts": ("http://u:hidden@" + "a" * 64 + ".example.com",)}, "hosts"),
        ({"hosts": ()}, "hosts"),
        ({"ca_certs": "/nowhere/ca.pem"}, "ca_certs"),
        ({"cloud_id": "mine:nonsense"}, "cloud_id"),
        ({"cloud_id": "mine:"}, "cloud_id"),
        ({"cloud_id": "mine:aG9zdA=="}, "cloud_id"),
        ({"proxy": "socks5://u:hidden@host:1080"}, "proxy"),
        ({"proxy": "http://u:hidden@[x"}, "proxy"),
        ({"proxy": "host:3128"}, "proxy"),
        ({"hosts": ("https://a",), "certificate_fingerprint": "ab:cd"}, "certificate_fingerprint"),
        ({"hosts": ("https://a", "http://b"), "certificate_fingerprint": "ab" * 32}, "certificate_fingerprint"),
        ({"client_cert": "c.pem"}, "client_cert"),
        ({"hosts": ("https://a",), "client_cert": "/nowhere/c.pem"}, "client_cert"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"elasticsearch\.{key}: ") as caught:
        EngineSink(EngineOptions(**options))  # type: ignore[arg-type]
    assert "hidden" not in str(caught.value)


def test_a_cloud_id_names_its_host(connect: Connect) -> None:
    """The id is base64 of `domain:port$cluster$kibana`; the one of a domain that cannot exist is asked for here."""
    cloud_id = "my-deployment:bm93aGVyZS5pbnZhbGlkOjkyNDMkYWJjZGVmJGtpYmFuYQ=="
    engine = connect(cloud_id=cloud_id, api_key="k")
    assert engine.where == "Elastic Cloud my-deployment (logs-x-y)"
    assert [node.base_url for node in engine._hosts._nodes] == ["https://abcdef.nowhere.invalid:9243"]
    with pytest.raises(SinkUnavailable, match="Elastic Cloud my-deployment"):
        engine.write(ONE)
