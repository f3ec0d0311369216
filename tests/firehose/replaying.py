"""`vpcflow replay` in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.firehose.emulator.bucket import MemoryBucket
from vpcflow.cli.main import main


def replayed(source: str | Path, environ: Mapping[str, str]) -> int:
    """Replay what lies there, with these variables; return the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return main(["replay", str(source)])


def copied(bucket: MemoryBucket, folder: Path, prefix: str = "errors/") -> Path:
    """Copy what is below a prefix into a folder, as `aws s3 sync` does."""
    for key, body in bucket.objects.items():
        if key.startswith(prefix):
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
    return folder
