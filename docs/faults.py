"""Write the fault matrix of a run:  python docs/faults.py LEDGER... > docs/fault-matrix.md

LEDGER comes from  python -m pytest tests/faults --fault-ledger LEDGER  (with --fault-seed N for another seed); a run in parts
has several. When a row is missing, because its test failed, was skipped or was not run, no page is made: exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.faults.ledger import Row, read  # noqa: E402 - found by the line above

HEAD = """\
# Fault matrix

What becomes of documents when things go wrong, as the tests found it. Made by `docs/faults.py` from the ledger of a run; do
not edit it. [faults.md](faults.md) tells how to do the same to your own set-up.

| | |
|---|---|
| commit | `{commit}`{changed} |
| date | {date} |
| seed | {seed} |
| engines | {products} |
| rows | {rows} |
| documents expected | {sent} |
| of them lost | {lost} |
| there beyond the expected, as promised | {duplicates} |
| dead letters, each with its reason | {dead} |

- **Expected** and **found** are documents, found by search afterwards and compared one by one. What the engine rejects, and
  what cannot be decoded, is expected as a **dead letter** instead: on disk, with its reason.
- **Twice** are documents beyond those. They occur only where the data stream's write index changed in between: ids
  deduplicate inside one write index.
- **Exit** is the code that the run ended with; without one it went on by itself.
- **Proof** is taken from the log of the one who made the fault. A row whose fault did not fire fails.
"""
TITLES = {
    "proxy": "Faults on the way to the engine",
    "engine": "Faults of the engine itself",
    "process": "Faults of processes",
}
COLUMNS = ("Fault", "Engine", "Mode", "Expected", "Found", "Twice", "Dead letters", "Exit", "What held", "Proof")
_PROOF_LENGTH = 110
_FOLDER = re.compile(r"(?<![\w:/])/(?:[^\s/\"]+/)+")  # of the machine of the run: says nothing, and is long
_NOT_PROOF = {"time", "number", "rule", "method", "path", "of_items"}


def expected(folder: Path) -> set[str]:
    """Return the node ids of all rows: the tests below a folder that take the fixture `ledger`."""

    class Collected:
        found: set[str]

        def pytest_collection_finish(self, session: pytest.Session) -> None:
            self.found = {item.nodeid for item in session.items if "ledger" in getattr(item, "fixturenames", ())}

    seen = Collected()
    options = ["--collect-only", "-q", "-o", "addopts=", "--import-mode=importlib", "--capture=no"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main([*options, "-p", "no:cacheprovider", str(folder)], plugins=[seen])
    if code:
        sys.exit(f"error: the tests in {folder} cannot be collected:\n{said.getvalue()}")
    return seen.found


def page(facts: Mapping[str, Any], rows: Iterable[Row]) -> str:
    """Return the page."""
    order = list(TITLES)
    found = sorted(rows, key=lambda row: (order.index(row.where), _natural(row.fault), row.product, row.mode))
    head = HEAD.format(
        commit=facts["commit"],
        changed=", with changes that were not committed" if facts["changed"] else "",
        date=facts["date"],
        seed=facts["seed"],
        products=", ".join(sorted({row.product for row in found})),
        rows=len(found),
        sent=sum(row.sent for row in found),
        lost=sum(row.sent - row.found for row in found),
        duplicates=sum(row.duplicates for row in found),
        dead=sum(row.dead_letters for row in found),
    )
    return head + "".join(_tables(found))


def _tables(rows: list[Row]) -> Iterator[str]:
    for where, group in groupby(rows, key=lambda row: row.where):
        yield f"\n## {TITLES[where]}\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
        for row in group:
            code = "" if row.exit_code is None else row.exit_code
            counts = (row.sent, row.found, row.duplicates, row.dead_letters, code)
            cells = (row.fault, row.product, row.mode, *counts, row.promise, f"`{_proof(row.evidence)}`")
            yield f"| {' | '.join(_cell(cell) for cell in cells)} |\n"


def _proof(evidence: str) -> str:
    """Return a line of a log in short, without what differs from run to run."""
    try:
        line = json.loads(evidence)
    except ValueError:
        line = None
    if isinstance(line, dict) and "action" in line:
        facts = {key: value for key, value in line.items() if key not in {*_NOT_PROOF, "action"}}
        evidence = f"{line['action']}: " + ", ".join(f"{key} {json.dumps(value)}" for key, value in facts.items())
    text = _FOLDER.sub("…/", " ".join(evidence.split()).replace("`", "'"))
    return text if len(text) <= _PROOF_LENGTH else text[: _PROOF_LENGTH - 1] + "…"


def _natural(text: str) -> list[tuple[int, str]]:
    words = text.split()
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def together(files: Iterable[Path]) -> tuple[dict[str, Any], dict[str, list[Row]]]:
    """Return the facts of a run, and its rows by test; what was run again stands in a later ledger.

    Raises:
        ValueError: no ledger, or ledgers of different commits or seeds.
    """
    facts: dict[str, Any] = {}
    rows: dict[str, list[Row]] = {}
    for file in files:
        more, found = read(file)
        if facts and (facts["commit"], facts["seed"]) != (more["commit"], more["seed"]):
            raise ValueError(f"{file}: of another commit or seed than the ledgers before it")
        facts = {**more, "changed": more["changed"] or facts.get("changed", False)}
        for test, group in groupby(found, key=lambda entry: entry[0]):
            rows[test] = [row for _, row in group]
    return facts, rows


def main(arguments: list[str]) -> int:
    """Write the page to stdout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ledger", nargs="+", type=Path)
    parser.add_argument("--tests", type=Path, default=ROOT / "tests" / "faults", help="the folder of the rows")
    chosen = parser.parse_args(arguments)
    try:
        facts, rows = together(chosen.ledger)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 66
    missing = sorted(expected(chosen.tests) - set(rows))
    if missing:
        tests = "\n".join(f"  {test}" for test in missing)
        sys.stderr.write(f"error: {len(missing)} rows are not in the ledger; run their tests again:\n{tests}\n")
        return 1
    sys.stdout.write(page(facts, chain.from_iterable(rows.values())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
