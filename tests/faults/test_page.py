"""The page of the fault matrix: made of a whole ledger only."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import ledger as books
from tests.faults.ledger import Ledger, Row

ROOT = Path(__file__).resolve().parents[2]
FACTS = {"commit": "abc123", "changed": False, "date": "2026-01-02", "seed": 5}
ROW = Row(
    fault="reset after",
    where="proxy",
    product="elasticsearch 9.0.0",
    mode="pattern",
    seed=5,
    sent=40,
    found=40,
    duplicates=2,
    dead_letters=3,
    exit_code=77,
    evidence='{"time": "T", "number": 1, "rule": "1", "action": "reset_after", "request": 3, "applied_status": 200}',
    promise="nothing lost | at all",
)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    folder = tmp_path / "cases"
    folder.mkdir()
    (folder / "test_rows.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('each', [1, 2])\ndef test_row(ledger, each): pass\n"
        "def test_no_row(): pass\n"
    )
    return folder


def docs(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "docs" / "faults.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ledger_of(folder: Path, rows: dict[str, Row], name: str = "ledger", **facts: object) -> Path:
    file = folder / name
    books.begin(file, {**FACTS, **facts})
    for test, row in rows.items():
        one = Ledger(test)
        one.record(row)
        one.close(passed=True, file=file)
    return file


def test_a_whole_ledger_makes_a_page(cases: Path, tmp_path: Path) -> None:
    other = dataclasses.replace(ROW, where="process", fault="kill 10", exit_code=None, evidence="killed\nby 9")
    names = [f"{cases.relative_to(tmp_path)}/test_rows.py::test_row[{each}]" for each in (1, 2)]
    file = ledger_of(tmp_path, dict(zip(names, [ROW, other], strict=True)))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # node ids begin there
    done = docs(file, "--tests", cases)
    assert done.returncode == 0, done.stderr
    assert "| commit | `abc123` |" in done.stdout
    assert "| rows | 2 |" in done.stdout
    assert "| of them lost | 0 |" in done.stdout
    row = "| reset after | elasticsearch 9.0.0 | pattern | 40 | 40 | 2 | 3 | 77 | nothing lost \\| at all "
    assert row + "| `reset_after: request 3, applied_status 200` |" in done.stdout
    assert "| kill 10 | elasticsearch 9.0.0 | pattern | 40 | 40 | 2 | 3 |  | nothing lost" in done.stdout
    assert "| `killed by 9` |" in done.stdout


def test_a_missing_row_is_refused(cases: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = docs(ledger_of(tmp_path, {"cases/test_rows.py::test_row[1]": ROW}), "--tests", cases)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.endswith("cases/test_rows.py::test_row[2]\n")


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    assert docs(tmp_path / "none").returncode == 66


def test_a_run_in_parts(cases: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    one, two = (f"cases/test_rows.py::test_row[{each}]" for each in (1, 2))
    first = ledger_of(tmp_path, {one: ROW}, "first", changed=True)
    second = ledger_of(tmp_path, {one: dataclasses.replace(ROW, fault="again"), two: ROW}, "second")
    done = docs(first, second, "--tests", cases)
    assert done.returncode == 0, done.stderr
    assert "| rows | 2 |" in done.stdout
    assert "| again |" in done.stdout
    assert "`abc123`, with changes" in done.stdout
    other = ledger_of(tmp_path, {one: ROW}, "other", seed=6)
    assert docs(first, other, "--tests", cases).returncode == 66
