"""Each tool is there and runs; what cannot be had is said."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.tools import ToolMissing, fetch, gotools, needed, tool
from tests.tools.__main__ import main

COMMANDS = {
    "helm": (["version", "--short"], "v3.22"),
    "actionlint": (["--version"], "1.7.12"),
    "hadolint": (["--version"], "2.15.1"),
    "zizmor": (["--version"], "1.32.0"),
}


@pytest.mark.tools
@pytest.mark.parametrize("name", COMMANDS)
def test_each_tool_tells_its_pinned_version(name: str, tmp_path: Path) -> None:
    arguments, version = COMMANDS[name]
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [needed(name), *arguments], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert version in done.stdout


@pytest.mark.tools
def test_schemas_of_kubernetes_are_there() -> None:
    with zipfile.ZipFile(needed("kubernetes-schemas")) as wheel:
        found = [name for name in wheel.namelist() if name.endswith("/statefulset-apps-v1.json")]
    assert any("/v1.34.0-local/" in name for name in found), found


def test_a_tool_that_nobody_knows_is_named() -> None:
    with pytest.raises(ToolMissing, match="no tool is called 'spanner': there are helm, actionlint"):
        tool("spanner")


def test_what_cannot_be_had_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPCFLOW_TEST_REQUIRE", "stack")
    with pytest.raises(pytest.skip.Exception, match="spanner"):
        needed("spanner")
    monkeypatch.setenv("VPCFLOW_TEST_REQUIRE", "stack,tools")
    with pytest.raises(pytest.fail.Exception, match="spanner"):
        needed("spanner")


def test_the_command_names_what_is_wrong_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "spanner"]) == ToolMissing.exit_code
    assert capsys.readouterr().err.startswith("error: no tool is called 'spanner'")


def test_versions_of_go_compare_by_their_numbers() -> None:
    assert gotools.release("go1.9") < gotools.release("go1.26.0") <= gotools.release("go1.26.8-X:nocoverageredesign")
    assert gotools.release("devel") == (0, 0, 0)


def _go(folder: Path, answer: str) -> Path:
    path = folder / "go"
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("answer", ["echo go1.19.8", "exit 2", "echo nonsense"])
def test_an_old_or_broken_go_is_not_used(tmp_path: Path, answer: str) -> None:
    assert gotools.enough(_go(tmp_path, answer)) is None
    assert gotools.enough(tmp_path / "none") is None


def test_a_build_that_fails_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'case "$1" in env) echo go1.99.0;; *) echo "go: downloading x" >&2; echo "x.go:1: no such thing" >&2; exit 1;; esac'
    _go(tmp_path, said)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("VPCFLOW_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        ToolMissing, match=r"helm is not to be had: go1\.99\.0 did not build helm\.sh/.*: x\.go:1: no such"
    ):
        fetch("helm")
    assert not list((tmp_path / "cache" / "parts").iterdir())
    assert not list((tmp_path / "cache" / "stage").iterdir())


def test_go_writes_below_one_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches, modules and its own counters; where its settings are read from stays the user's."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GOENV", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    environ = gotools._environment(tmp_path / "stage")
    for name in ("GOPATH", "GOMODCACHE", "GOCACHE", "GOTMPDIR", "XDG_CONFIG_HOME"):
        assert Path(environ[name]).is_relative_to(tmp_path / "stage"), name
    assert environ["GOENV"] == str(tmp_path / "home" / ".config" / "go" / "env")
    counting = Path(environ["XDG_CONFIG_HOME"]) / "go" / "telemetry" / "mode"
    assert counting.read_text() == "off", "else go leaves a process that writes there after the folder is gone"
    assert environ["GOTOOLCHAIN"] == "local", "no toolchain is downloaded that no lock names"
