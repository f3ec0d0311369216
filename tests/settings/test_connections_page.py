"""The examples of docs/connections.md are settings that load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vpcflow import wiring
from vpcflow.settings.load import load

PAGE = Path(__file__).parents[2] / "docs" / "connections.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 9


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_loads(tmp_path: Path, example: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(re.sub(r'"(file|env|ssm|aws-secretsmanager):[^"]*"', '"a-secret"', example), encoding="utf-8")
    options = wiring.engine_options(load(path, {}).settings)
    assert options.cloud_id or all(host.startswith("https://") for host in options.hosts)
