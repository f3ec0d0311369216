"""The package as a release builds it: twice the same bytes, with everything that it needs and nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def _built(folder: Path, clone: Path, umask: str) -> dict[str, str]:
    command = f"umask {umask}; exec .github/package '{folder}'"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=clone,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_commit_gives_the_same_bytes(tmp_path: Path) -> None:
    clones = [tmp_path / "one", tmp_path / "two"]
    for clone in clones:
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    first, second = (
        _built(tmp_path / f"dist-{mask}", clone, mask) for clone, mask in zip(clones, ("022", "077"), strict=True)
    )
    assert first == second
    (wheel,) = (tmp_path / "dist-022").glob("*.whl")
    (source,) = (tmp_path / "dist-022").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        tops = {name.partition("/")[0] for name in opened.namelist()}
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    assert tops == {"vpcflow", "consumer", "firehose_transform", "forwarder", info}
    with tarfile.open(source) as opened_source:
        names = [name.partition("/")[2] for name in opened_source.getnames()]
    assert "pyproject.toml" in names
    assert not [name for name in names if name.startswith((".venv", "dist/", ".git/"))]
