"""Through a proxy: a tunnel to https hosts, the request itself to http hosts."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.sink.peers import DONE, ONE, Authority, Canned, Proxy, Server, nobody
from vpcflow.errors import SinkRefused, SinkUnavailable
from vpcflow.sink.engine import EngineSink

Connect: TypeAlias = Callable[..., EngineSink]
Serve: TypeAlias = Callable[..., Server]
Proxies: TypeAlias = Callable[..., Proxy]
LOGIN = f"Basic {base64.b64encode(b'me:p w').decode()}"


def test_a_tunnel(connect: Connect, serve: Serve, proxy: Proxies, authority: Authority) -> None:
    server, between = serve(authority.serving("server")), proxy()
    engine = connect(server, ca_certs=str(authority.path), proxy=f"http://{between.address}", product="opensearch")
    assert [list(engine.write(ONE).outcomes) for _ in range(2)] == [DONE] * 2
    assert set(between.asked) == {f"CONNECT 127.0.0.1:{server.server_port}"}


def test_a_tunnel_to_a_pinned_certificate(
    connect: Connect, serve: Serve, proxy: Proxies, authority: Authority, stranger: Authority
) -> None:
    server, between = serve(authority.serving("server", chain=True)), proxy()
    options = {"proxy": f"http://{between.address}", "product": "opensearch"}
    engine = connect(server, certificate_fingerprint=authority.fingerprint, **options)
    assert [list(engine.write(ONE).outcomes) for _ in range(2)] == [DONE] * 2
    with pytest.raises(SinkRefused, match="certificate_fingerprint"):
        connect(server, certificate_fingerprint=stranger.fingerprint, **options).write(ONE)


def test_what_is_in_the_tunnel_is_checked(
    connect: Connect, serve: Serve, proxy: Proxies, authority: Authority, stranger: Authority
) -> None:
    server, between = serve(authority.serving("server")), proxy()
    with pytest.raises(SinkRefused, match="not trusted"):
        connect(server, ca_certs=str(stranger.path), proxy=f"http://{between.address}").write(ONE)
    assert server.requests == []


def test_a_plain_request(server: Server, connect: Connect, proxy: Proxies) -> None:
    between = proxy()
    engine = connect(server, proxy=f"http://{between.address}", product="opensearch", api_key="k")
    assert list(engine.write(ONE).outcomes) == DONE
    assert between.asked == [f"POST {server.url}{server.bulks[0].path}"]
    assert server.bulks[0].headers["host"] == f"127.0.0.1:{server.server_port}"
    assert server.bulks[0].headers["authorization"] == "ApiKey k"


def test_a_redirect_through_a_proxy_is_not_followed(
    server: Server, connect: Connect, serve: Serve, proxy: Proxies
) -> None:
    other = serve()
    server.answers = [Canned(status=307, body=b"", headers={"Location": f"{other.url}/logs-x-y/_bulk"})]
    with pytest.raises(SinkRefused, match="redirect"):
        connect(server, proxy=f"http://{proxy().address}", product="opensearch").write(ONE)
    assert other.requests == []


@pytest.mark.parametrize("secure", [True, False])
def test_a_proxy_with_a_password(
    connect: Connect, serve: Serve, proxy: Proxies, authority: Authority, *, secure: bool
) -> None:
    server = serve(authority.serving("server") if secure else None)
    between = proxy(wanted=LOGIN)
    options = {"ca_certs": str(authority.path), "product": "opensearch"}
    engine = connect(server, proxy=f"http://me:p%20w@{between.address}", **options)
    assert list(engine.write(ONE).outcomes) == DONE
    assert "proxy-authorization" not in server.bulks[0].headers
    with pytest.raises(SinkRefused, match="407") as caught:
        connect(server, proxy=f"http://me:geheim@{between.address}", **options).write(ONE)
    assert caught.value.exit_code == 77
    assert "elasticsearch.proxy" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_proxy_that_is_not_there(connect: Connect, serve: Serve, authority: Authority) -> None:
    server = serve(authority.serving("server"))
    away = nobody().replace("//", "//me:geheim@")
    with pytest.raises(SinkUnavailable) as caught:
        connect(server, proxy=away, ca_certs=str(authority.path)).write(ONE)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(("status", "kind"), [(403, SinkRefused), (502, SinkUnavailable), (503, SinkUnavailable)])
def test_a_proxy_that_gives_no_tunnel(
    connect: Connect, serve: Serve, proxy: Proxies, authority: Authority, status: int, kind: type[Exception]
) -> None:
    server, between = serve(authority.serving("server")), proxy(status=status)
    with pytest.raises(kind):
        connect(server, ca_certs=str(authority.path), proxy=f"http://{between.address}").write(ONE)
    assert server.requests == []


def test_a_proxy_that_is_reached_over_tls(
    connect: Connect, serve: Serve, proxy: Proxies, authority: Authority, stranger: Authority
) -> None:
    """TLS to the engine inside TLS to the proxy."""
    server, between = serve(authority.serving("server")), proxy()
    context: ssl.SSLContext = authority.serving("proxy")
    between.socket = context.wrap_socket(between.socket, server_side=True)
    options = {"proxy": f"https://{between.address}", "product": "opensearch"}
    assert list(connect(server, ca_certs=str(authority.path), **options).write(ONE).outcomes) == DONE
    assert between.asked == [f"CONNECT 127.0.0.1:{server.server_port}"]
    with pytest.raises(SinkRefused, match="the proxy's certificate is not trusted"):
        connect(server, ca_certs=str(stranger.path), **options).write(ONE)
