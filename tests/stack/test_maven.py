from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vpcflow.stack import StackError, maven

CONTENT = b"PK jar"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    file = tmp_path / "served" / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("MAVEN_REPO_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def artifact(name: str = "thing", content: bytes = CONTENT) -> maven.Artifact:
    return maven.Artifact("part", "org.example", name, "1.0", "jar", hashlib.sha256(content).hexdigest())


def test_a_lock_is_read() -> None:
    text = f"# comment\n\npart  org.example:thing:1.0:jar  {artifact().sha256}\n"
    assert maven.read_lock(text) == [artifact()]


@pytest.mark.usefixtures("repository")
def test_a_file_is_fetched_from_the_mirror(tmp_path: Path) -> None:
    (file,) = maven.download([artifact()], tmp_path)
    assert file == tmp_path / "thing-1.0.jar"
    assert file.read_bytes() == CONTENT


@pytest.mark.usefixtures("repository")
def test_a_file_with_another_sum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"thing-1\.0\.jar: SHA-256 .* is not that of maven\.lock"):
        maven.download([artifact(content=b"what was locked")], tmp_path)


@pytest.mark.usefixtures("repository")
def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "_TRIES", 1)
    with pytest.raises(StackError, match=r"other-1\.0\.jar: cannot be fetched: HTTPError"):
        maven.download([artifact("other")], tmp_path)
