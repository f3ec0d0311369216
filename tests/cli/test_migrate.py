from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import Run

CONFIG = """
inputs:
  - type: s3-sqs
    id: arn:aws:sqs:eu-west-1:123456789012:flows
    multiline: {type: count}
    outputs:
      - type: elasticsearch
        args: {elasticsearch_url: "https://search.example.com:9200", username: elastic, password: hunter2}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "sarconfig.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


def test_settings_on_stdout_notes_on_stderr(run: Run, config: Path) -> None:
    ran = run("migrate", "esf", config)
    assert ran.code == 0
    assert tomllib.loads(ran.out)["inputs"]["flows"]["match"] == ["arn:aws:sqs:eu-west-1:123456789012:flows"]
    assert "inputs[0].multiline: not needed" in ran.err
    assert "hunter2" not in ran.out + ran.err


def test_from_standard_input_into_a_file(run: Run, tmp_path: Path) -> None:
    ran = run("migrate", "esf", "-", "--output", tmp_path / "vpcflow.toml", stdin=CONFIG.encode())
    assert (ran.code, ran.out) == (0, "")
    assert "outputs" in tomllib.loads((tmp_path / "vpcflow.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "said"),
    [("inputs: [", "line 1: not YAML"), ("a: 1", "inputs"), ("inputs: &a [*a]", "inputs[0]"), ("", "inputs")],
)
def test_what_is_no_configuration_is_one_line(run: Run, text: str, said: str) -> None:
    ran = run("migrate", "esf", "-", stdin=text.encode())
    assert ran.code == 65
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    ran = run("migrate", "esf", tmp_path / "none.yaml")
    assert ran.code == 66
    assert "No such file" in ran.err


def test_bytes_that_are_no_text(run: Run) -> None:
    assert run("migrate", "esf", "-", stdin=b"\xff\xfe").code == 65
