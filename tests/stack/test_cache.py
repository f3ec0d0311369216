from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from vpcflow.stack.cache import Cache, cache_folder, fingerprint


def test_the_folder_is_the_one_named_else_the_machines_else_the_users() -> None:
    assert cache_folder({"VPCFLOW_CACHE": "/some/where", "HOME": "/home/me"}, root=True) == Path("/some/where")
    assert cache_folder({"HOME": "/home/me"}, root=True) == Path("/var/cache/vpcflow-stream")
    assert cache_folder({"HOME": "/home/me"}, root=False) == Path("/home/me/.cache/vpcflow-stream")


def test_a_part_is_made_once(tmp_path: Path) -> None:
    cache, said, made = Cache(tmp_path), [], []

    def build(stage: Path) -> None:
        made.append(stage)
        (stage / "file").write_text("content")

    first = cache.part("thing", "k1", build, said.append)
    again = cache.part("thing", "k1", build, said.append)
    assert first == again
    assert (first / "file").read_text() == "content"
    assert len(made) == 1
    assert said[0] == "thing: fetching"
    assert said[1].startswith("thing: ready after")
    assert len(said) == 2


def test_another_key_makes_another_part(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    keys = [fingerprint("lock", text) for text in ("a", "b")]
    folders = {cache.part("thing", key, lambda stage: (stage / "x").touch()) for key in keys}
    assert len(folders) == 2


def test_a_part_that_failed_is_not_there_and_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(stage: Path) -> None:
        (stage / "half").touch()
        raise RuntimeError("cable pulled")

    with pytest.raises(RuntimeError, match="cable"):
        cache.part("thing", "k", fail)
    assert not cache.path("thing", "k").exists()
    assert not any((tmp_path / "stage").iterdir())
    assert not (cache.part("thing", "k", lambda stage: (stage / "whole").touch()) / "half").exists()


def test_what_a_killed_process_left_is_not_taken(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    left = tmp_path / "stage" / "thing" / "tmp123"
    left.mkdir(parents=True)
    (left / "half").touch()
    path = cache.part("thing", "k", lambda stage: (stage / "whole").touch())
    assert [each.name for each in path.iterdir()] == ["whole"]
    assert not left.exists()


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    made: list[Path] = []
    entered, go_on = threading.Event(), threading.Event()

    def build(stage: Path) -> None:
        made.append(stage)
        entered.set()
        assert go_on.wait(60)

    said: list[str] = []
    first = threading.Thread(target=lambda: Cache(tmp_path).part("thing", "k", build))
    second = threading.Thread(target=lambda: Cache(tmp_path).part("thing", "k", build, said.append))
    first.start()
    assert entered.wait(60)
    second.start()
    while not said:
        assert second.is_alive()
    go_on.set()
    first.join(60)
    second.join(60)
    assert len(made) == 1
    assert said == ["thing: is being fetched already, waiting"]


def test_as_root_everybody_can_read_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)

    def build(stage: Path) -> None:
        (stage / "private").mkdir(mode=0o700)
        (stage / "private" / "tool").touch(mode=0o700)
        (stage / "private" / "text").touch(mode=0o600)

    before = os.umask(0o077)
    try:
        path = Cache(tmp_path / "cache").part("thing", "k", build)
    finally:
        os.umask(before)
    modes = {
        each.name: stat.S_IMODE(each.stat().st_mode) & 0o007 for each in (path, *path.rglob("*"), *path.parents[:2])
    }
    assert modes == {"cache": 5, "parts": 5, path.name: 5, "private": 5, "tool": 5, "text": 4}
