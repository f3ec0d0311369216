"""The fault matrix's own rules: no proof, no row."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import ledger as books
from tests.faults.ledger import Ledger, Row

ROOT = Path(__file__).resolve().parents[2]
ROW = Row(
    fault="delay",
    where="proxy",
    product="elasticsearch 9",
    mode="pattern",
    seed=1,
    sent=3,
    found=3,
    duplicates=0,
    dead_letters=0,
    exit_code=None,
    evidence='{"number": 1}',
    promise="nothing lost",
)


@pytest.mark.parametrize("evidence", ["", " ", "\n"])
def test_a_row_whose_fault_did_not_fire_fails(evidence: str) -> None:
    one = Ledger("a::test")
    with pytest.raises(AssertionError, match="delay: no evidence"):
        one.record(dataclasses.replace(ROW, evidence=evidence))
    assert one.rows == []


def test_a_row_that_records_nothing_fails() -> None:
    with pytest.raises(AssertionError, match="recorded nothing"):
        Ledger("a::test").close(passed=True, file=None)


def test_rows_of_tests_that_passed_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "new" / "ledger"
    books.begin(file, {"seed": 1})
    for name, passed in [("a", True), ("b", False), ("c", True)]:
        one = Ledger(name)
        one.record(ROW)
        one.close(passed=passed, file=file)
    assert books.read(file) == ({"seed": 1}, [("a", ROW), ("c", ROW)])


def test_begin_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    file.write_text("something else\n")
    books.begin(file, {"seed": 2})
    assert books.read(file) == ({"seed": 2}, [])


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    file.write_text("")
    with pytest.raises(ValueError, match="not a ledger"):
        books.read(file)


def test_the_fixture_fails_rows_without_proof(tmp_path: Path) -> None:
    case = tmp_path / "test_rows.py"
    case.write_text(f"""
from tests.faults.ledger import Row

ROW = {ROW!r}

def test_good(ledger):
    ledger.record(ROW)

def test_nothing_fired(ledger):
    ledger.record(Row(**{{**{{name: getattr(ROW, name) for name in Row.__slots__}}, "evidence": ""}}))

def test_nothing_recorded(ledger):
    pass

def test_failed_afterwards(ledger):
    ledger.record(ROW)
    assert False
""")
    file = tmp_path / "ledger"
    options = ["-p", "tests.conftest", "-p", "tests.faults.conftest", "-p", "no:cacheprovider", "--fault-seed=7"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--rootdir={tmp_path}",
        *options,
        f"--fault-ledger={file}",
        str(case),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "2 failed, 2 passed, 1 error" in done.stdout, done.stdout  # what recorded nothing fails at its end
    facts, rows = books.read(file)
    assert facts["seed"] == 7
    assert [(test.rpartition("::")[2], row) for test, row in rows] == [("test_good", ROW)]
