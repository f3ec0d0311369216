"""What authenticates us: sent as it should be, read again when it is refused, shown nowhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.sink.peers import DONE, ONE, Canned, Request, Server
from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError, SinkRefused, SinkUnavailable
from vpcflow.sink.connection import Credentials, EngineOptions
from vpcflow.sink.engine import EngineSink
from vpcflow.sink.login import Ticket

Connect: TypeAlias = Callable[..., EngineSink]
REFUSED = Canned(status=401, body=b'{"error":{"type":"security_exception","reason":"unable to authenticate"}}')


def wanting(key: str) -> Callable[[Request], Canned | None]:
    return lambda request: None if request.headers.get("authorization") == f"ApiKey {key}" else REFUSED


def test_credentials_are_sent(server: Server, connect: Connect) -> None:
    connect(server, api_key="a2V5OnNlY3JldA==", username="ignored").write(ONE)
    connect(server, bearer="AAEAAWVsYXN0aWM").write(ONE)
    connect(server, username="elastic", password="pässword").write(ONE)
    connect(hosts=(server.url.replace("//", "//me:p%20w@"),)).write(ONE)
    assert [request.headers["authorization"] for request in server.bulks] == [
        "ApiKey a2V5OnNlY3JldA==",
        "Bearer AAEAAWVsYXN0aWM",
        "Basic ZWxhc3RpYzpww6Rzc3dvcmQ=",
        "Basic bWU6cCB3",
    ]


def test_a_password_in_one_url_is_not_sent_to_another_host(
    server: Server, connect: Connect, serve: Callable[[], Server]
) -> None:
    other = serve()
    engine = connect(hosts=(server.url.replace("//", "//me:geheim@"), other.url))
    for _ in range(4):
        engine.write(ONE)
    assert all("authorization" in request.headers for request in server.requests)
    assert other.bulks
    assert not any("authorization" in request.headers for request in other.requests)


def test_nothing_shows_a_secret(server: Server, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {
        "api_key": "geheim2",
        "bearer": "geheim3",
        "password": "geheim4",
        "proxy": "http://u:geheim5@127.0.0.1:1",
    }
    options = EngineOptions(hosts=("http://somebody:geheim1@127.0.0.1:1",), **secrets)
    shown = [repr(options), repr(options.credentials), options.where]
    for values in ({}, {"api_key": "geheim2", "proxy": ""}, {"username": "u", "password": "geheim4"}):
        with pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
            connect(hosts=("http://somebody:geheim1@127.0.0.1:1",), **values).write(ONE)
        shown.append(str(caught.value))
    server.answers = [REFUSED]
    with pytest.raises(SinkRefused) as refused:
        connect(hosts=(server.url.replace("//", "//somebody:geheim1@"),), username="u", password="geheim4").write(ONE)
    shown += [str(refused.value), caplog.text]
    assert "somebody:" not in "".join(shown)
    assert "geheim" not in "".join(shown)


@pytest.mark.parametrize("key", ["api_key", "bearer"])
@pytest.mark.parametrize("value", ["geheim\nx", "geheim€", "geheim\x7f"])
def test_a_key_that_no_header_can_carry(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"elasticsearch\.{key}") as caught:
        EngineSink(EngineOptions(hosts=("http://127.0.0.1:1",), **{key: value}))  # type: ignore[arg-type]
    assert "geheim" not in str(caught.value)


def test_a_rotated_secret_is_read_again_once(server: Server, connect: Connect) -> None:
    server.answers = [REFUSED, Canned()]
    engine = connect(server, api_key="old", reload=lambda: Credentials(api_key="new"))
    assert list(engine.write(ONE).outcomes) == DONE
    assert [request.headers["authorization"] for request in server.bulks] == ["ApiKey old", "ApiKey new"]


def test_a_secret_that_was_never_right_is_refused_at_once(server: Server, connect: Connect) -> None:
    server.judge = wanting("another")
    reads: list[int] = []

    def reload() -> Credentials:
        reads.append(1)
        return Credentials(api_key="wrong")

    engine = connect(server, product="opensearch", api_key="wrong", reload=reload)
    with pytest.raises(SinkRefused) as caught:
        engine.write(ONE)
    assert caught.value.exit_code == 77
    assert (len(server.bulks), len(reads)) == (1, 1), "the same secret is not tried twice"


def test_an_engine_that_was_away_has_not_taken_a_secret(server: Server, connect: Connect) -> None:
    server.answers = [Canned(status=503), REFUSED]
    engine = connect(server, product="opensearch", api_key="wrong", reload=lambda: Credentials(api_key="wrong"))
    with pytest.raises(SinkUnavailable):
        engine.write(ONE)
    with pytest.raises(SinkRefused) as caught:
        engine.write(ONE)
    assert caught.value.exit_code == 77


def test_a_rotation_that_takes_a_while(server: Server, connect: Connect) -> None:
    """First the engine wants the new password, then it can be read where it is kept."""
    clock, kept = FakeClock(), "old"
    engine = connect(server, product="opensearch", api_key="old", reload=lambda: Credentials(api_key=kept), clock=clock)
    server.judge = wanting("old")
    assert list(engine.write(ONE).outcomes) == DONE
    server.judge = wanting("new")
    for _ in range(3):
        with pytest.raises(SinkUnavailable, match=r"elasticsearch\.rotation_seconds"):
            engine.write(ONE)
        clock.advance(119)
        kept = "new"
        assert list(engine.write(ONE).outcomes) == DONE
        kept = "old"
        engine._login.ticket = Ticket(Credentials(api_key="old"))


def test_a_password_that_is_taken_away_is_refused_after_a_while(server: Server, connect: Connect) -> None:
    clock = FakeClock()
    engine = connect(
        server, product="opensearch", api_key="old", reload=lambda: Credentials(api_key="old"), clock=clock
    )
    engine.write(ONE)
    server.answers = [REFUSED]
    for _ in range(4):
        with pytest.raises(SinkUnavailable):
            engine.write(ONE)
        clock.advance(30)
    with pytest.raises(SinkRefused) as caught:
        engine.write(ONE)
    assert caught.value.exit_code == 77


def test_many_threads_that_are_refused_at_once_read_once(server: Server, connect: Connect) -> None:
    """All of them sent the old key; one reads the new one, the others take it over."""
    all_refused = threading.Barrier(6)

    def judge(request: Request) -> Canned | None:
        if request.headers["authorization"] != "ApiKey old":
            return None
        all_refused.wait(60)
        return REFUSED

    server.judge = judge
    reads: list[int] = []

    def reload() -> Credentials:
        reads.append(1)
        return Credentials(api_key="new")

    engine = connect(server, product="opensearch", api_key="old", reload=reload)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(list(engine.write(ONE).outcomes))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DONE] * 6
    assert len(reads) == 1
    assert len(server.bulks) == 12


def test_a_second_rotation_is_noticed_too(server: Server, connect: Connect) -> None:
    keys = iter(["second", "third"])
    engine = connect(server, product="opensearch", api_key="first", reload=lambda: Credentials(api_key=next(keys)))
    for key in ("first", "second", "third"):
        server.judge = wanting(key)
        assert list(engine.write(ONE).outcomes) == DONE
