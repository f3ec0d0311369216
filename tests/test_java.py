"""Java and the jars are checked before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow import java
from vpcflow.errors import ConfigError


def fake(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
    path.chmod(0o700)
    return path


@pytest.mark.parametrize("version", ["17.0.15", "21", "25.0.2"])
def test_configured(tmp_path: Path, version: str) -> None:
    command = str(fake(tmp_path / "java", version))
    assert java.find_java(command, {}) == command


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2"])
def test_too_old(tmp_path: Path, version: str) -> None:
    with pytest.raises(ConfigError, match=r"^consumer.java: .* Java 17 or later is needed"):
        java.find_java(str(fake(tmp_path / "java", version)), {})


def test_too_old_elsewhere_is_passed_over(tmp_path: Path) -> None:
    fake(tmp_path / "home" / "bin" / "java", "11.0.2")
    good = fake(tmp_path / "path" / "java", "17.0.1")
    assert java.find_java("", {"JAVA_HOME": str(tmp_path / "home"), "PATH": f"{tmp_path / 'path'}:/bin"}) == str(good)


def test_configured_is_never_passed_over(tmp_path: Path) -> None:
    fake(tmp_path / "java", "17.0.1")
    with pytest.raises(ConfigError, match=r"^consumer.java: /nowhere/java does not run"):
        java.find_java("/nowhere/java", {"PATH": str(tmp_path)})


def jars(folder: Path, *extra: str, count: int = 78) -> str:
    folder.mkdir(exist_ok=True)
    for name in (*(f"some-{number}.jar" for number in range(count)), *extra):
        (folder / name).touch()
    return str(folder)


def test_jars(tmp_path: Path) -> None:
    folder = jars(tmp_path / "jars", "amazon-kinesis-client-multilang-3.1.3.jar")
    assert java.find_jars(folder) == tmp_path / "jars"


def test_jars_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^consumer.jars: no folder"):
        java.find_jars(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"holds 3 of 79 jars"):
        java.find_jars(jars(tmp_path / "few", count=3))


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("amazon-kinesis-client-multilang-3.5.1.jar",),
        ("amazon-kinesis-client-multilang-3.1.3.jar", "amazon-kinesis-client-multilang-3.5.1.jar"),
    ],
)
def test_jars_of_another_version(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"3\.1\.3 is needed"):
        java.find_jars(jars(tmp_path / "jars", *names, count=79))
