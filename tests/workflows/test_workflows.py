"""The workflows: checked by the tools of their kind, and held against what they name in this project."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import needed

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [path.name for path in WORKFLOWS]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_MAY_WRITE = {
    "release.yml": {
        "attest": {"id-token", "attestations"},
        "pypi": {"id-token"},
        "images": {"packages", "id-token", "attestations"},
        "publish": {"contents"},
    }
}


def workflow(name: str) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return found


def steps() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (workflow, job, step)."""
    for name in NAMES:
        for job, about in workflow(name)["jobs"].items():
            for step in about["steps"]:
                yield name, job, step


def commands() -> str:
    return "\n".join(step["run"] for _, _, step in steps() if "run" in step)


@pytest.mark.tools
def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        [needed("actionlint"), "-shellcheck=", "-pyflakes=", "-oneline", *WORKFLOWS],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.tools
def test_zizmor_finds_nothing() -> None:
    program = needed("zizmor")
    done = subprocess.run(
        [program, "--offline", "--no-progress", "--strict-collection", "--format=plain", ROOT / ".github"],
        capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.tools
def test_the_tools_would_find_something(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    bad = folder / "bad.yml"
    bad.write_text(text.replace("timeout-minutes:", "timeout-minute:", 1), encoding="utf-8")
    lint = [needed("actionlint"), "-shellcheck=", "-pyflakes=", bad]
    assert subprocess.run(lint, capture_output=True, check=False, cwd=tmp_path).returncode == 1
    bad.write_text(re.sub(r"(checkout)@\w{40} # v\S+", r"\1@v4", text), encoding="utf-8")
    audit = [needed("zizmor"), "--offline", "--no-progress", folder]
    assert subprocess.run(audit, capture_output=True, check=False).returncode > 10


def test_actions_are_pinned_by_commit_and_say_their_version() -> None:
    used = re.findall(r"uses: (\S+)(.*)", "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    assert len({action for action, _ in used}) == len({action.partition("@")[0] for action, _ in used})


def test_each_target_of_make_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    called = re.findall(r"\bmake ((?:[A-Z]+=(?:'[^']*'|\S+) )*)([a-z-]+)", commands())
    assert {target for _, target in called} >= {"lint", "test", "lambda"}
    assert {target for _, target in called} <= targets
    variables = {name for given, _ in called for name in re.findall(r"([A-Z]+)=", given)}
    assert {name for name in variables if f"$({name})" not in makefile} == set()


def test_each_path_is_there() -> None:
    folders = r"(?:\.ci|\.github|docker|requirements|tests|vpcflow)/[\w./-]+"
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    text = re.sub(r"^ *#.*|uses: \S+|docker/\$\{\{\S*", "", text, flags=re.MULTILINE)
    named = {found.rstrip(".") for found in re.findall(rf"(?<![\w/]){folders}", text)}
    named |= {f"docker/{row['file']}.Dockerfile" for row in _matrix("release.yml", "images")}
    assert {".ci/run", ".github/package", "requirements/run.txt", "docker/lambda.Dockerfile"} <= named
    assert {path for path in named if not (ROOT / path).exists()} == set()


def _matrix(name: str, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow(name)["jobs"][job]["strategy"]["matrix"]["include"]
    return found


def test_each_image_is_a_stage_of_its_file() -> None:
    rows = [(row["file"], row["target"]) for row in _matrix("ci.yml", "images")]
    rows += [(f"docker/{row['file']}.Dockerfile", row["target"]) for row in _matrix("release.yml", "images")]
    for file, target in rows:
        assert re.search(rf"^FROM .* AS {target}$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), target
    assert set(rows) == set(rows[:4])  # a release has the same ones
    for row in _matrix("release.yml", "images"):
        one = "," not in row["platforms"]
        assert one == (row["file"] == "lambda") == (row["beside"] is False) == (row["sbom"] is False)


def test_each_image_is_started_on_its_official_base() -> None:
    """`make images` is skipped on a runner: it has neither root nor Debian's archive. A job of it alone would prove nothing."""
    assert not re.search(r"\bmake (?:\S+=\S+ )*images\b", commands())
    job = workflow("ci.yml")["jobs"]["images"]
    (build,) = (step["with"] for step in job["steps"] if "build-push-action" in step.get("uses", ""))
    assert (build["load"], build["push"], build["tags"]) == (True, False, "candidate")
    assert "build-args" not in build  # the base is the one that the file names
    runs = {step["if"]: step["run"] for step in job["steps"] if "docker run" in step.get("run", "")}
    assert set(runs) == {"matrix.image == 'consumer'", "matrix.image != 'consumer'"}
    for command in runs.values():
        assert re.search(r"docker run --rm --network none --read-only .*\bcandidate\b", " ".join(command.split()))


def test_versions_of_python_are_those_that_the_package_names() -> None:
    matrix = workflow("ci.yml")["jobs"]["unit"]["strategy"]["matrix"]["python"]
    named = [row.rpartition(" :: ")[2] for row in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", row)]
    assert matrix == named
    assert PROJECT["requires-python"] == f">={matrix[0]}"
    single = {
        step["with"]["python-version"]
        for _, job, step in steps()
        if job != "unit" and "python-version" in step.get("with", {})
    }
    assert single == {"3.13"}  # the runtime of the Lambdas


def test_nobody_may_more_than_needed() -> None:
    for name in NAMES:
        about = workflow(name)
        assert about["permissions"] in ({}, {"contents": "read"}), name
        for job, one in about["jobs"].items():
            writes = {what for what, how in one.get("permissions", {}).items() if how == "write"}
            assert writes == _MAY_WRITE.get(name, {}).get(job, set()), f"{name}: {job}"


def test_no_secrets_and_no_kept_credentials() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    assert "secrets." not in text
    assert "pull_request_target" not in text
    for name, job, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, f"{name}: {job}"


def test_only_the_publishing_job_can_publish() -> None:
    jobs = workflow("release.yml")["jobs"]
    assert jobs["pypi"]["environment"] == "pypi"
    assert jobs["pypi"]["needs"] == ["attest", "images"]  # what cannot be taken back comes after what can
    assert jobs["publish"]["needs"] == "pypi"
    uses = {job: [step.get("uses", "").partition("@")[0] for step in about["steps"]] for job, about in jobs.items()}
    assert [job for job, used in uses.items() if "pypa/gh-action-pypi-publish" in used] == ["pypi"]
    assert not any(
        "cache" in used for row in uses.values() for used in row
    )  # nothing of other runs goes into a release


def test_every_job_ends() -> None:
    for name in NAMES:
        about = workflow(name)
        assert "concurrency" in about
        assert all(0 < job["timeout-minutes"] <= 90 for job in about["jobs"].values())


def test_updates_look_where_something_is_pinned() -> None:
    about = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    files = {"pip": "*.txt", "gomod": "go.mod", "npm": "package.json"}
    kinds = set()
    for one in about["updates"]:
        kinds.add(one["package-ecosystem"])
        assert one["cooldown"]["default-days"] >= 7
        for folder in one.get("directories", [one.get("directory")]):
            if pattern := files.get(one["package-ecosystem"]):
                assert list((ROOT / folder.strip("/")).glob(pattern)), folder
    assert kinds == {*files, "github-actions"}
    # An entry for docker/ would find nothing, and look as if it did.
    froms = [
        line for path in ROOT.glob("docker/*.Dockerfile") for line in path.read_text().splitlines() if "FROM" in line
    ]
    assert all(line.startswith(("FROM ${BASE} ", "FROM build ", "FROM function ")) for line in froms)


def test_what_the_release_installs_is_locked_by_hash() -> None:
    installs = re.findall(r"pip install (.*)", commands())
    assert installs
    for one in installs:
        assert "--require-hashes -r " in one or "dist/*.whl" in one, one
    lock = (ROOT / ".github" / "requirements" / "release.txt").read_text(encoding="utf-8")
    wanted = (ROOT / ".github" / "requirements" / "release.in").read_text(encoding="utf-8")
    for name in re.findall(r"^[\w-]+", wanted, re.MULTILINE):
        assert re.search(rf"^{name}==\S+ \\\n    --hash=sha256:", lock, re.MULTILINE), name
