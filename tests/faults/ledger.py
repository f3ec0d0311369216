"""What each row of the fault matrix found. A row without proof that its fault fired is no row.

    def test_reset_after(ledger: Ledger) -> None:
        …
        ledger.record(Row(fault="reset after", where="proxy", …, evidence=proxy.log.lines()[0]))

A test that takes the fixture `ledger` is a row, and must record at least one. With `--fault-ledger FILE` the rows of tests that
passed are appended to the file as JSON lines; `docs/faults.py` makes the page of them, and wants each row to be there.
"""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Ledger", "Row", "product_of", "read"]

Where = Literal["proxy", "engine", "process"]
Mode = Literal["data_stream", "pattern"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault, one engine, one index mode.

    fault: its name, the same in each row of it.
    where: who made it: the fault proxy, the engine itself, or something done to a process of ours.
    product: with its version, see `product_of`.
    seed: of the input and of the fault.
    sent: documents that were to be found.
    found: documents that were found, each once.
    duplicates: documents beyond those.
    dead_letters: entries on disk.
    exit_code: of the program, or of the error that ended the run; None where the run went on.
    evidence: the line of the injection log (or of the engine's, or process's own words) that proves that the fault fired.
    promise: what held, in a few words.
    """

    fault: str
    where: Where
    product: str
    mode: Mode
    seed: int
    sent: int
    found: int
    duplicates: int
    dead_letters: int
    exit_code: int | None
    evidence: str
    promise: str


class Ledger:
    """The rows of one test; written when it has passed."""

    def __init__(self, test: str) -> None:
        """`test` is the node id that pytest gives it."""
        self.test = test
        self.rows: list[Row] = []

    def record(self, row: Row) -> None:
        """Take a row. Without evidence the fault did not fire: the test proved nothing, and fails."""
        assert row.evidence.strip(), f"{row.fault}: no evidence that the fault fired"
        self.rows.append(row)

    def close(self, *, passed: bool, file: Path | None) -> None:
        """Append the rows of a test that passed; without any, it fails."""
        if not passed:
            return
        assert self.rows, f"{self.test}: a row of the fault matrix that recorded nothing"
        if file is not None:
            _append(file, [{"test": self.test, **dataclasses.asdict(row)} for row in self.rows])


def begin(file: Path, facts: Mapping[str, Any]) -> None:
    """Begin a file anew with what is true of the whole run."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    _append(file, [{"run": dict(facts)}])


def read(file: Path) -> tuple[dict[str, Any], list[tuple[str, Row]]]:
    """Return the facts of the run, and its rows with the test that each came from.

    Raises:
        ValueError: not a ledger.
    """
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    if not lines or "run" not in lines[0]:
        raise ValueError(f"{file}: not a ledger of the fault matrix")
    rows = [(line.pop("test"), Row(**line)) for line in lines[1:]]
    return lines[0]["run"], rows


def product_of(url: str) -> str:
    """Return product and version of a search engine, e.g. `opensearch 3.6.0`. A server that answers no `GET /` is asked too."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/_nodes/_local?filter_path=nodes.*.version", timeout=60) as answer:
        name = str(answer.headers.get("X-Elastic-Product") or "opensearch").lower()
        (node,) = json.loads(answer.read())["nodes"].values()
    return f"{name} {node['version']}"


def _append(file: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    with file.open("a") as ledger:
        for entry in entries:
            ledger.write(json.dumps(entry) + "\n")
