"""Pages that are made of code are as the code makes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_no_page_is_stale() -> None:
    script = Path(__file__).parents[2] / "docs" / "build.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
