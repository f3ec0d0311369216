"""What `make lambda` refuses, without any network."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deploy.forwarder.packing import packer
from tests.deploy.forwarder.sam import ROOT
from vpcflow.errors import VpcFlowError

PACK = packer()


def wheel(folder: Path, *names: str) -> Path:
    path = folder / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return path


def lock(folder: Path, of: Path) -> Path:
    path = folder / "lock.txt"
    path.write_text(
        f"thing==1.0 \\\n    --hash=sha256:{hashlib.sha256(of.read_bytes()).hexdigest()}\n", encoding="utf-8"
    )
    return path


def test_a_wheel_that_is_not_the_locked_one(tmp_path: Path) -> None:
    """Also where it lies in the cache already."""
    good = wheel(tmp_path, "thing.py")
    locked = lock(tmp_path, good)
    assert PACK.checked(tmp_path, locked) == [good]
    good.write_bytes(good.read_bytes() + b"!")
    with pytest.raises(
        VpcFlowError, match=r"thing-1\.0-py3-none-any\.whl is not what lock\.txt says: remove .*fetched again"
    ):
        PACK.checked(tmp_path, locked)


def test_a_wheel_that_would_have_to_be_installed(tmp_path: Path) -> None:
    with pytest.raises(VpcFlowError, match=r"thing-1\.0\.data/scripts/run: it cannot be unpacked as it is"):
        list(PACK.packages([wheel(tmp_path, "thing.py", "thing-1.0.data/scripts/run")]))


def test_pip_is_asked_as_it_is_configured_and_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    """No index, and an empty folder to find wheels in: nothing is downloaded, nothing is written, nothing is cached."""
    environ = {
        **os.environ,
        "VPCFLOW_CACHE": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "pack.py"), "forwarder", "--to", str(tmp_path / "to")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environ,
    )
    assert done.returncode not in (0, 1)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "cannot download the wheels of lambda.txt for arm64" in errors[0]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "to").exists()
    assert list((tmp_path / "cache" / "parts").iterdir()) == []


def test_pages_name_the_zip_files_that_are_made() -> None:
    made = {f"{program}-{architecture}.zip" for program in PACK.PROGRAMS for architecture in PACK.ARCHITECTURES}
    named = {
        name
        for page in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"\b(?:transform|forwarder)-\w+\.zip", page.read_text(encoding="utf-8"))
    }
    assert named == made
    firehose = (ROOT / "docs" / "firehose.md").read_text(encoding="utf-8")
    assert "   make lambda\n   aws s3 cp dist/lambda/transform-arm64.zip " in firehose
