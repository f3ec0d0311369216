"""The sizing table of `docs/scaling.md` is what the formula beside it gives."""

from __future__ import annotations

import re

import pytest

from tests.e2e.conftest import ROOT


def test_the_table_is_what_the_formula_gives(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    (formula,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(formula, {})  # noqa: S102 - our own page
    rows = capsys.readouterr().out
    assert rows.count("\n") == 5
    assert f"|---|---|---|---|---|---|---|---|\n{rows}\n" in page
    for row in rows.splitlines():
        shards, workers = row.split(" | ")[2:4]
        assert int(workers) - 1 <= int(shards), "those that bear the load have a shard each: a shard has one reader"
