from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vpcflow.stack import jars, maven

ROOT = Path(__file__).parents[2]
DATA = ROOT / "vpcflow" / "stack" / "data"
PYTHON_LOCKS = sorted((*(ROOT / "requirements").glob("*.txt"), *DATA.glob("*.txt")))
ALL_LOCKS = [*PYTHON_LOCKS, DATA / "maven.lock", DATA / "package-lock.json", DATA / "kcl-jars.sha256"]
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def pins(lock: Path) -> dict[str, str]:
    return dict(PIN.findall(lock.read_text()))


@pytest.mark.parametrize("lock", ALL_LOCKS, ids=lambda path: path.name)
def test_no_lock_names_a_host(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?://|--index|--find-links|resolved", text)


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=lambda path: path.name)
def test_every_python_package_is_pinned_and_hashed(lock: Path) -> None:
    entries = re.split(r"\n(?=\S)", "\n" + re.sub(r"(?m)^\s*#.*\n", "", lock.read_text()))[1:]
    assert entries
    for entry in entries:
        assert PIN.match(entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_each_lock_holds_the_one_before_it() -> None:
    build, run, test, lint = (pins(ROOT / "requirements" / f"{name}.txt") for name in ("build", "run", "test", "lint"))
    assert build.items() <= run.items() <= test.items() <= lint.items()
    assert len(build) < len(run) < len(test) < len(lint)
    assert pins(DATA / "kcl.txt").items() <= run.items()


def test_the_npm_lock_has_a_sum_for_every_package() -> None:
    lock = json.loads((DATA / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())


@pytest.mark.parametrize("part", ["ecj", "dynamodb", "localstack", "elasticsearch", "opensearch", "elasticsearch8"])
def test_the_maven_lock_has_a_sum_for_every_file(part: str) -> None:
    found = maven.locked(part)
    assert found
    assert all(re.fullmatch(r"[0-9a-f]{64}", each.sha256) for each in found)
    assert len({each.file for each in found}) == len(found)


def test_the_kcl_has_seventy_nine_jars() -> None:
    assert len(jars.sums()) == 79
    assert "amazon-kinesis-client-3.1.3.jar" in jars.sums()
