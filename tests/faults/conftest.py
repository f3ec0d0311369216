"""The ledger of the fault matrix, as a fixture."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import ledger as books
from tests.faults.ledger import Ledger

_PASSED = pytest.StashKey[bool]()
ROOT = Path(__file__).resolve().parents[2]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report  # type: ignore[return-value]


@pytest.fixture(scope="session")
def fault_seed(request: pytest.FixtureRequest) -> int:
    """The seed of input and faults, of all rows of a run: `--fault-seed`."""
    return int(request.config.getoption("--fault-seed"))


@pytest.fixture(scope="session")
def fault_ledger_file(request: pytest.FixtureRequest, fault_seed: int) -> Path | None:
    """The file of `--fault-ledger`, begun anew; None where none is wanted. Each worker of pytest-xdist has its own."""
    given = request.config.getoption("--fault-ledger")
    if not given:
        return None
    worker = getattr(request.config, "workerinput", {}).get("workerid", "")
    file = Path(f"{given}.{worker}" if worker else given)
    books.begin(
        file,
        {
            "commit": _git("rev-parse", "--short=12", "HEAD"),
            "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "seed": fault_seed,
        },
    )
    return file


@pytest.fixture
def ledger(request: pytest.FixtureRequest, fault_ledger_file: Path | None) -> Iterator[Ledger]:
    """Where a row of the fault matrix says what it found; see `tests/faults/ledger.py`."""
    one = Ledger(request.node.nodeid)
    yield one
    one.close(passed=request.node.stash.get(_PASSED, False), file=fault_ledger_file)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
