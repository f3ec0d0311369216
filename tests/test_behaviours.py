"""docs/behaviours.md tells of tests that are there, by every number."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "behaviours.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \| .+? \| (.+) \|$", re.MULTILINE)
LINK = re.compile(r"\[(test_\w+)\]\(\.\./([\w/.]+)\)")


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def numbers(name: str) -> list[int]:
    found = re.match(r"test_((?:\d{1,2}_)+)", name)
    return [int(one) for one in found[1].strip("_").split("_")] if found else []


def test_each_behaviour_has_functions_of_its_number_that_are_there() -> None:
    behaviours, _, _ = PAGE.partition("## What goes wrong elsewhere")
    rows = {int(number): LINK.findall(cell) for number, cell in ROW.findall(behaviours)}
    assert list(rows) == list(range(1, 56))
    for number, links in rows.items():
        assert links, f"behaviour {number} has no test"
        for name, path in links:
            assert number in numbers(name), f"{name} is not named after {number}"
            assert name in functions_of(path), f"{path} has no {name}"


def test_each_thing_that_goes_wrong_elsewhere_has_a_behaviour() -> None:
    _, _, wrong = PAGE.partition("## What goes wrong elsewhere")
    rows = {int(number): int(cell) for number, cell in ROW.findall(wrong)}
    assert list(rows) == list(range(1, 17))
    assert sorted(rows.values()) == list(range(29, 45))
