"""Where the third-party cases lie: VPCFLOW_CONFORMANCE, else beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.required import skip_or_fail


@pytest.fixture(scope="session")
def conformance() -> Path:
    folder = Path(os.environ.get("VPCFLOW_CONFORMANCE") or Path(__file__).parents[3] / "shared" / "conformance")
    if not (folder / "elastic-integrations").is_dir():
        skip_or_fail("conformance", f"third-party cases not found at {folder}: set VPCFLOW_CONFORMANCE")
    return folder
