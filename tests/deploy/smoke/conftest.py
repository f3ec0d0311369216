"""A world with credentials of nobody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.deploy.smoke.world import REGION, World


@pytest.fixture
def world(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    urlopen(Request(f"{aws_url}/moto-api/reset", method="POST")).close()
    return World(aws_url)


@pytest.fixture
def zips(tmp_path: Path) -> Mapping[str, Path]:
    """Files in the place of the zips: what they do is done by our code in this process."""
    made = {name: tmp_path / name for name in ("transform.zip", "forwarder.zip")}
    for path in made.values():
        path.write_bytes(b"zip")
    return made
