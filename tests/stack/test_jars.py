from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vpcflow.stack import StackError, jars


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two jars that are as they should be."""
    content = {"a-1.jar": b"first", "b-2.jar": b"second"}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    monkeypatch.setattr(jars, "sums", lambda: expected)
    return tmp_path


def test_jars_as_they_should_be(folder: Path) -> None:
    assert jars.check(folder) == []
    jars.require(folder)


def test_a_tampered_jar_is_found(folder: Path) -> None:
    (folder / "b-2.jar").write_bytes(b"secund")
    (problem,) = jars.check(folder)
    assert problem.startswith("b-2.jar: not the file it should be")
    with pytest.raises(StackError, match=r"b-2\.jar.*set up again"):
        jars.require(folder)


def test_missing_and_foreign_jars_are_found(folder: Path) -> None:
    (folder / "a-1.jar").rename(folder / "c-3.jar")
    assert [problem.partition(":")[0] for problem in jars.check(folder)] == ["a-1.jar", "c-3.jar"]


def test_the_installed_jars_are_the_listed_ones() -> None:
    folder = jars.installed()
    assert folder is not None, "amazon_kclpy is not installed"
    assert jars.check(folder) == []
