"""docs/smoke.md and the table of assumptions say the same, and no assumption of the tests is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.smoke.assumptions import ASSUMPTIONS, table
from deploy.smoke.command import _parser
from deploy.smoke.probes import BEHAVIOURS
from deploy.smoke.stack import TEMPLATES
from tests.deploy.template import read

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "smoke.md").read_text(encoding="utf-8")


def test_the_page_shows_the_table() -> None:
    assert table() in PAGE


@pytest.mark.parametrize("page", ["tests/firehose", "tests/eventsources"])
def test_no_row_of_an_emulator_is_missing(page: str) -> None:
    text = (ROOT / page / "README.md").read_text(encoding="utf-8").split("## Assumed\n")[1].split("\n## ")[0]
    rows = [re.split(r" *(?<!\\)\| *", line)[1:3] for line in text.splitlines() if line.startswith("| ")]
    assert rows[0] == ["What", "We assume"]
    ours = [[one.what, one.assumed] for one in ASSUMPTIONS if one.where == page]
    assert ours == rows[1:]


def test_each_assumption_says_how_or_why_not() -> None:
    names = [one.name for one in ASSUMPTIONS]
    assert len(names) == len(set(names))
    assert all(bool(one.confirmed) != bool(one.otherwise) for one in ASSUMPTIONS)


def test_probes_are_those_of_the_templates() -> None:
    assert tuple(read(TEMPLATES["probe.yaml"].read_text())["Parameters"]["Behaviour"]["AllowedValues"]) == BEHAVIOURS
    stacks = read(TEMPLATES["stack.yaml"].read_text())["Resources"].values()
    made = [one["Properties"]["Parameters"].get("Behaviour") for one in stacks if one["Type"].endswith("::Stack")]
    assert tuple(filter(None, made)) == BEHAVIOURS


def test_the_page_names_each_option() -> None:
    options = {name for action in _parser()._actions for name in action.option_strings if name.startswith("--")}
    assert {name for name in options if f"`{name}" not in PAGE} == {"--help"}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= options
