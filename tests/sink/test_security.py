"""A real Elasticsearch with its security on: its own refusals, and a password that is changed under a running sink."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.required import skip_or_fail
from tests.sink.peers import DONE
from vpcflow.errors import SinkRefused
from vpcflow.sink.connection import Credentials, EngineOptions
from vpcflow.sink.engine import EngineSink
from vpcflow.stack import StackError
from vpcflow.stack.cache import Cache, quiet
from vpcflow.stack.server import NOBODY
from vpcflow.stack.servers import engine_server
from vpcflow.types import Bulk

pytestmark = [pytest.mark.stack, pytest.mark.slow]
READY_SECONDS = 600.0
BULK = Bulk(b'{"create":{"_index":"secured"}}\n{"@timestamp":"2026-01-01T00:00:00.000Z"}\n', 1)


@dataclass
class Secured:
    url: str
    users: Path

    def write_user(self, password: str) -> None:
        """Set the user's password in the file that the server watches; it takes a text without a hash's mark as it is."""
        self.users.write_text(f"writer:{password}\n")


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    with tempfile.TemporaryDirectory(prefix="vpcflow-secured-") as name:
        work, folder = Path(name), Path(name) / "engine"
        work.chmod(0o711)
        folder.mkdir()
        settings = {
            "xpack.security.enabled": "true",
            "xpack.security.http.ssl.enabled": "false",
            "xpack.security.transport.ssl.enabled": "false",
            "resource.reload.interval.high": "1s",
        }
        try:
            server = engine_server("elasticsearch", Cache(), quiet, work, folder=folder, heap="512m", settings=settings)
        except StackError as error:
            skip_or_fail("stack", f"no Elasticsearch to be had: {error}")
        made = Secured(server.url, folder / "config" / "users")
        made.write_user("first-password")
        (folder / "config" / "users_roles").write_text("superuser:writer\n")
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        server.start()
        try:
            server.wait(time.monotonic() + READY_SECONDS)
            yield made
        finally:
            server.stop()


def connect(secured: Secured, **options: object) -> EngineSink:
    return EngineSink(EngineOptions(hosts=(secured.url,), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"username": "writer", "password": "wrong"},
        {"username": "nobody", "password": "first-password"},
        {"api_key": "bm90OmFrZXk="},
        {"bearer": "AAEAAWVsYXN0aWM"},
    ],
    ids=["none", "password", "user", "api key", "token"],
)
def test_its_own_refusals(secured: Secured, options: dict[str, object]) -> None:
    engine = connect(secured, **options)
    with pytest.raises(SinkRefused, match="401: security_exception") as caught:
        engine.write(BULK)
    assert caught.value.exit_code == 77
    assert not any(str(value) in str(caught.value) for key, value in options.items() if key != "username")
    engine.close()


def test_a_password_that_is_changed_while_we_run(secured: Secured) -> None:
    engine = EngineSink(
        EngineOptions(hosts=(secured.url,), username="writer", password="first-password"),
        reload=lambda: Credentials(username="writer", password="second-password"),
    )
    assert list(engine.write(BULK).outcomes) == DONE
    secured.write_user("second-password")
    old, end = connect(secured, username="writer", password="first-password"), time.monotonic() + READY_SECONDS
    while old.request("GET", "/").ok:  # until the server has looked at its file
        assert time.monotonic() < end
        time.sleep(0.1)
    old.close()
    assert list(engine.write(BULK).outcomes) == DONE
    engine.close()
