"""The recipe of the layer for Parquet, run as the page says it: it can be made, it fits, and what is in it works."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deploy.forwarder.sam import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "forwarder-s3.md").read_text(encoding="utf-8")
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: function and layers together, unpacked.
MOST = 250 * 1024 * 1024
FUNCTION = 12_000_000
READ = """
import io, pyarrow, pyarrow.parquet as pq
file = io.BytesIO()
pq.write_table(pyarrow.table({"srcaddr": ["10.0.0.5", "10.0.0.6"]}), file, compression="snappy", row_group_size=1)
print(pyarrow.__file__, pq.ParquetFile(file).read_row_group(1).to_pylist())
"""


def recipe() -> list[str]:
    """Return the commands that need no AWS, for this machine and this Python: the wheel is the one that the tests use."""
    (block,) = re.findall(r"^```sh\n(pip download .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    commands = [line for line in block.replace("\\\n", " ").splitlines() if not line.startswith("aws ")]
    assert [line.split()[0] for line in commands] == ["pip", "python3", "python3"]
    assert "--python-version 3.13" in commands[0]
    assert "manylinux_2_28_aarch64" in commands[0]
    commands[0] = commands[0].replace("3.13", f"{sys.version_info.major}.{sys.version_info.minor}")
    commands[0] = commands[0].replace("aarch64", platform.machine())
    return commands


def test_the_layer_can_be_made_and_fits_and_reads_parquet(tmp_path: Path) -> None:
    (tmp_path / "requirements").symlink_to(ROOT / "requirements")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    wheels = subprocess.run(
        [sys.executable, "-m", "vpcflow.stack", "wheels", str(ROOT / "requirements" / "test.txt")],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    ).stdout.strip()
    environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels}
    for command in recipe():
        subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=environ, check=True, capture_output=True, timeout=600)
    with zipfile.ZipFile(tmp_path / "pyarrow-layer.zip") as made:
        names = made.namelist()
        assert sum(one.file_size for one in made.infolist()) + FUNCTION < MOST
        made.extractall(tmp_path / "opt")
    assert {name.split("/")[0] for name in names} == {"python"}, "the folder that Lambda looks for in a layer of Python"
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'opt' / 'python')!r})\n{READ}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "opt" / "python" / "pyarrow"))
    assert done.stdout.strip().endswith("[{'srcaddr': '10.0.0.6'}]")
