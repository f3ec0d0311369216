"""Where the third-party cases lie: VPCFLOW_CONFORMANCE, else beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def conformance() -> Path:
    folder = Path(os.environ.get("VPCFLOW_CONFORMANCE") or Path(__file__).parents[3] / "shared" / "conformance")
    if not (folder / "elastic-integrations").is_dir():
        reason = f"third-party cases not found at {folder}: set VPCFLOW_CONFORMANCE"
        if "conformance" in os.environ.get("VPCFLOW_TEST_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
