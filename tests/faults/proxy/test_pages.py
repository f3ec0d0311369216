"""docs/faults.md names every action and every key, and its script is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vpcflow.faults import parse_script
from vpcflow.faults.rules import Rule
from vpcflow.faults.script import ACTIONS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "faults.md").read_text()
ROWS = {cells[0]: cells[1] for cells in re.findall(r"^\| `(\w+)` \| ?([^|]*?) ?\|", PAGE, re.MULTILINE)}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action.__struct_config__.tag))
def test_an_action_and_its_keys(action: type[Rule]) -> None:
    told = set(re.findall(r"`(\w+)`", ROWS[str(action.__struct_config__.tag)]))
    assert told == set(action.__struct_fields__) - set(Rule.__struct_fields__)


def test_common_keys() -> None:
    table = PAGE[PAGE.index("| Key |") : PAGE.index("What it does:")]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE)))) == set(
        Rule.__struct_fields__
    )


def test_the_script_is_one() -> None:
    (script,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert [rule.kind for rule in parse_script(script)] == ["reset_after", "status", "item_errors", "status"]
