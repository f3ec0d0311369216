"""What the pages about upgrades, releases and security say, held against code and workflows."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

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


def test_what_security_says_to_check_is_what_a_release_has() -> None:
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert ".github/package" in release
    assert "SHA256SUMS" in release
    for name in re.findall(r"oci://ghcr\.io/OWNER/([\w-]+):", SECURITY):
        assert f"image: {name}," in release
    for name in re.findall(r"verify ([\w-]+)-(?:arm64|x86_64)\.zip", SECURITY):
        assert name in {"forwarder", "transform"}
