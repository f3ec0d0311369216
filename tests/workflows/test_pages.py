"""What the pages about upgrades, releases and security say, held against code and workflows."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

from vpcflow import __version__
from vpcflow.codec.document import ECS_VERSION
from vpcflow.codec.identity import _SCHEME
from vpcflow.deadletters.entry import _READABLE, FORMAT_VERSION
from vpcflow.forwarding import progress
from vpcflow.objects import continuation
from vpcflow.settings.load import load

ROOT = Path(__file__).resolve().parents[2]
UPGRADING = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
RELEASING = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table below a heading, by their first cell."""
    part = text.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")
    ]
    return {row[0]: row[1:] for row in cells[1:]}


def test_versions_are_those_of_the_code() -> None:
    stored = rows(UPGRADING, "Versions of what is stored")
    assert stored["Scheme of ids"][0] == f"`{_SCHEME.decode()}`"
    assert stored["Dead letter"][0] == str(FORMAT_VERSION)
    assert stored["Dead letter"][2].startswith(f"reads {' and '.join(map(str, _READABLE))}.")
    assert stored["State of a backfill"][0] == str(progress.FORMAT_VERSION)
    assert stored["Object handed over (SQS)"][0] == str(continuation._VERSION)
    assert stored["Documents"][0] == f"`ecs.version` {ECS_VERSION}"


def test_what_doubles_and_what_is_lost_in_an_upgrade_is_said() -> None:
    steps = UPGRADING.split("\n## How to upgrade\n")[1].split("\n## ")[0]
    rollover = next(step for step in re.split(r"^\d\. ", steps, flags=re.MULTILINE) if "_rollover" in step)
    assert "is there twice" in rollover
    assert "delivery.md#not-promised" in rollover
    back = steps.split("**Back again.**")[1]
    assert "`ExpireDays`" in back  # the templates' buckets of dead letters have it
    assert all("ExpireDays:" in path.read_text() for path in (ROOT / "deploy" / "forwarder").glob("*.yaml"))


def test_a_release_has_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    found = {"vpcflow/__init__.py": {__version__}}
    forms = {
        "docker/*.Dockerfile": r"^ARG VERSION=(\S+)",
        "deploy/*/*.yaml": r"^ +SemanticVersion: (\S+)",
        "deploy/helm/*/Chart.yaml": r"^(?:version|appVersion): \"?([^\s\"]+)",
    }
    for pattern, form in forms.items():
        texts = [path.read_text(encoding="utf-8") for path in ROOT.glob(pattern)]
        found[pattern] = {one for text in texts for one in re.findall(form, text, re.MULTILINE)}
    assert found == {key: {version} for key in found}


def test_the_library_is_the_one_that_is_locked() -> None:
    (locked,) = re.findall(r"^amazon_?-?kclpy==(\S+)", (ROOT / "requirements" / "kcl.in").read_text(), re.MULTILINE)
    assert f"`amazon_kclpy` {locked}" in UPGRADING
    major, minor, _ = map(int, locked.split("."))
    assert (major, minor) < (3, 5), "a library with one table: the page must say that phase 1 is in this release"


def test_settings_that_the_page_names_are_there() -> None:
    assert (
        load(None, {"VPCFLOW_KINESIS__INITIAL_POSITION": "TRIM_HORIZON"}).settings.kinesis.initial_position
        == "TRIM_HORIZON"
    )
    catalog = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name in re.findall(r"`vpcflow_(\w+)`", UPGRADING):
        assert name in catalog, name


def test_the_page_about_releases_names_each_job_and_what_it_may() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    said = rows(RELEASING, "Each time")
    assert list(said) == list(jobs)
    words = {
        "id-token": "sign",
        "attestations": "keep attestations",
        "packages": "push packages",
        "contents": "write contents",
    }
    for job, about in jobs.items():
        writes = {words[what] for what, how in about["permissions"].items() if how == "write"}
        assert set(said[job][0].split(", ")) == (writes or {"read"}), job


def test_the_sums_are_of_what_a_release_holds_flat(tmp_path: Path) -> None:
    """A release on GitHub has no folders: what was downloaded from it lies side by side."""
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"][
        "build"
    ]
    (command,) = (step["run"] for step in steps["steps"] if "SHA256SUMS" in step.get("run", ""))
    names = {"python": "a-0.1.0.tar.gz", "lambda": "forwarder-arm64.zip", "sbom": "lambda.cdx.json"}
    for folder, name in names.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(name, encoding="utf-8")
    subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=tmp_path, check=True)
    for folder, name in names.items():
        (tmp_path / folder / name).rename(tmp_path / name)
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"^(\S+): OK$", done.stdout, re.MULTILINE)) == set(names.values())


def test_what_security_says_to_check_is_what_a_release_has() -> None:
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert ".github/package" in release
    assert "SHA256SUMS" in release
    images = yaml.safe_load(release)["jobs"]["images"]["strategy"]["matrix"]["include"]
    pushed = {(row["image"], row.get("suffix", "")) for row in images}
    named = re.findall(r"oci://ghcr\.io/OWNER/([\w-]+):\d+\.\d+\.\d+(\S*)", SECURITY)
    assert named
    assert set(named) <= pushed
    for name in re.findall(r"verify ([\w-]+)-(?:arm64|x86_64)\.zip", SECURITY):
        assert name in {"forwarder", "transform"}
