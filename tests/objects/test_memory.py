"""Memory of a process while an object goes through, whatever its size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "objects.py"
MB = 1_000_000


def measured(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--json", *arguments], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_55_memory_is_bounded_by_the_size_of_a_block_not_of_the_object() -> None:
    small = measured("--only", "text", "--lines", "20000")
    large = measured("--only", "text", "--lines", "300000")
    assert large["lines"] == 300_001
    assert large["size"] > 12 * small["size"]
    assert large["over"] < 16 * MB
    assert large["over"] - small["over"] < 4 * MB


@pytest.mark.slow
def test_55_a_parquet_file_holds_one_row_group_in_memory() -> None:
    small = measured("--only", "text", "--lines", "200000", "--parquet")  # one row group
    large = measured("--only", "text", "--lines", "600000", "--parquet")
    assert large["lines"] == 600_000
    assert large["size"] > 2.5 * small["size"]
    assert large["over"] < 160 * MB
    assert large["over"] - small["over"] < 15 * MB


@pytest.mark.slow
def test_an_object_of_75_mb_with_two_million_lines_becomes_documents_in_constant_memory() -> None:
    found = measured("--only", "decode", "--lines", "2300000", "--megabytes", "75")
    assert found["size"] >= 74 * MB
    assert found["documents"] == found["written"] >= 2_000_000
    assert found["over"] < 80 * MB  # the decoder's caches among it
