"""Dockerfiles and the compose file, looked at without an engine."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.images import compose
from tests.images.base import ROOT
from tests.tools import needed
from vpcflow import __version__

DOCKER = ROOT / "docker"
DOCKERFILES = sorted([*DOCKER.glob("*.Dockerfile"), *(ROOT / "tests" / "images").glob("*.Dockerfile")])
COMPOSE = DOCKER / "compose.yaml"
OURS = {"template", "stream", "consumer", "generator"}
ERRANDS = {"template", "stream"}


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text_of(COMPOSE))["services"]
    return found


@pytest.mark.tools
@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    done = subprocess.run([needed("hadolint"), file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.tools
def test_hadolint_finds_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian:latest\nRUN cd /tmp && sudo apt-get install curl\n")
    done = subprocess.run([needed("hadolint"), bad], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert {"DL3007", "DL3004"} <= set(re.findall(r"DL\d+", done.stdout))


@pytest.mark.tools
def test_compose_takes_the_file_and_its_variables() -> None:
    program = compose.needed()
    done = compose.checked(program, COMPOSE)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    meant = json.loads(done.stdout)["services"]
    assert meant["localstack"]["environment"]["LOCALSTACK_AUTH_TOKEN"] == ""
    digest = f"localstack/localstack@sha256:{'0' * 64}"
    done = compose.checked(program, COMPOSE, LOCALSTACK_AUTH_TOKEN="t", LOCALSTACK_IMAGE=digest)
    given = json.loads(done.stdout)["services"]["localstack"]
    assert (given["environment"]["LOCALSTACK_AUTH_TOKEN"], given["image"]) == ("t", digest)
    # Relative to docker/, wherever it is called from.
    assert meant["consumer"]["build"]["context"] == str(ROOT)
    assert (Path(meant["consumer"]["build"]["context"]) / meant["consumer"]["build"]["dockerfile"]).is_file()
    mounted = meant["generator"]["volumes"][0]
    assert Path(mounted["source"]) == DOCKER / "laptop.py"
    assert mounted["bind"]["selinux"] == "z"  # where SELinux watches, nobody could read it without


@pytest.mark.tools
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("read_only: true", "readonly: true", "readonly"),
        ("condition: service_completed_successfully", "condition: service_done", "condition"),
        ("  template:\n", "  templates:\n", "template"),
    ],
)
def test_compose_refuses_what_is_misspelt(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = text_of(COMPOSE)
    assert old in text
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(text.replace(old, new))
    done = compose.checked(compose.needed(), wrong)
    assert done.returncode != 0
    assert said in done.stderr


def test_each_service_is_looked_after(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert {"mem_limit", "pids_limit"} <= service.keys(), name
        assert "privileged" not in service, name
        check = service["healthcheck"]
        if name in ERRANDS:
            assert check == {"disable": True}
            assert service["restart"] == "no"
        else:
            assert check["test"][0] == "CMD", name
            assert {"interval", "timeout", "retries"} <= check.keys(), name


def test_nobody_outside_reaches_a_service(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "docker.sock" not in str(service.get("volumes")), name
        assert "network_mode" not in service, name


def test_what_is_ours_is_locked_down(services: dict[str, Any]) -> None:
    for name in OURS:
        service = services[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name


def test_one_service_builds_the_image_of_all_of_ours(services: dict[str, Any]) -> None:
    """Compose builds at once what several services ask for, and the engine takes an image of one name only once."""
    assert [name for name, service in services.items() if "build" in service] == ["consumer"]
    assert len({services[name]["image"] for name in OURS}) == 1


def test_each_waits_for_what_it_needs(services: dict[str, Any]) -> None:
    awaited = {
        (name, other, needs["condition"])
        for name, service in services.items()
        for other, needs in service.get("depends_on", {}).items()
    }
    for name, other, condition in awaited:
        done = "service_completed_successfully" if other in ERRANDS else "service_healthy"
        assert condition == done, (name, other)
    assert {other for name, other, _ in awaited if name == "consumer"} == ERRANDS
    assert {name for name, other, _ in awaited if other == "localstack"} == {"stream"}


def test_images_of_others_are_pinned(services: dict[str, Any]) -> None:
    for name in services.keys() - OURS:
        variable, image = re.fullmatch(r"\$\{([A-Z]+_IMAGE):-(.+)\}", services[name]["image"]).groups()  # type: ignore[union-attr]
        assert variable == f"{name.upper()}_IMAGE"
        digest = "" if name == "kibana" else "@sha256:[0-9a-f]{64}"
        assert re.fullmatch(rf"[a-z0-9./-]+:\d+\.\d+\.\d+{digest}", image), image


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.name)
def test_a_base_is_an_argument_and_nothing_is_fetched_unseen(file: Path) -> None:
    text = text_of(file)
    assert "# syntax" not in text, "BuildKit would fetch an image for it"
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        assert base == "${BASE}" or base in stages, base
    assert not re.search(r"^ADD |https?://|curl |wget ", text, re.MULTILINE)
    for install in re.findall(r"pip(?: --python \S+)? (?:install|wheel) [^\\\n]*", text):
        assert "--no-deps" in install, install
        assert "--require-hashes" in install or "--no-index" in install, install


def test_the_images_have_the_version_of_the_project() -> None:
    for file in DOCKER.glob("*.Dockerfile"):
        assert re.findall(r"^ARG VERSION=(.*)$", text_of(file), re.MULTILINE) == [__version__], file.name


def test_what_is_copied_as_it_lies_in_the_clone_may_be_read_by_every_user() -> None:
    """A clone that was made with umask 077 has files of mode 600, and COPY keeps the mode; what pip installs has its own."""
    for name, (source, target) in {
        "consumer": ("docker/health.py", "health.py"),
        "lambda": ("vpcflow", "/code"),
    }.items():
        text = text_of(DOCKER / f"{name}.Dockerfile")
        after = text[text.index(f"COPY {source} ") :].partition("\nFROM ")[0]
        assert re.search(rf"chmod (?:0644|-R a\+rX) \S*{target}$", after, re.MULTILINE), name


def test_what_goes_to_the_builder_is_listed() -> None:
    """All else that lies in a clone, a secret or a cache, stays out of the context."""
    rules = [line for line in text_of(ROOT / ".dockerignore").splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source.split("/")[0]
        for file in DOCKER.glob("*.Dockerfile")
        for line in re.findall(r"^COPY (?!--from)(.*)$", text_of(file), re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied <= let_in
    assert all((ROOT / name).exists() for name in let_in)
    assert not let_in & {".git", ".venv", "tests", "deploy"}
