from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vpcflow.settings.model import Settings

Run = Callable[..., Any]


def test_defaults_are_a_settings_file(run: Run, tmp_path: Path) -> None:
    ran = run("settings")
    assert ran.code == 0
    path = tmp_path / "x.toml"
    path.write_text(ran.out)
    again = run("settings", "--settings", path).out
    assert tomllib.loads(again) == tomllib.loads(ran.out)
    assert set(tomllib.loads(ran.out)) == set(Settings.__struct_fields__)
    assert "# default" not in again


def test_each_value_says_where_it_came_from(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[kinesis]\nstream = "flow \\"logs\\" ä"\n[[codec.formats]]\nformat = ["version", "end"]\n')
    ran = run("settings", "--settings", path, VPCFLOW_BULK__MAX_BYTES="7")
    values = tomllib.loads(ran.out)
    assert values["kinesis"]["stream"] == 'flow "logs" ä'
    assert values["codec"]["formats"] == [
        {"format": ["version", "end"], "log_group": "*", "log_stream": "*", "source": "*"}
    ]
    lines = {line.partition(" = ")[0]: line.partition(" # ")[2] for line in ran.out.splitlines()}
    assert lines["stream"] == str(path)
    assert lines["max_bytes"] == "VPCFLOW_BULK__MAX_BYTES"
    assert lines["max_actions"] == "default"


def test_json_holds_the_same(run: Run) -> None:
    tree = json.loads(run("settings", "--format", "json", VPCFLOW_INDEX__NAME="flows").out)
    assert tree["index"]["name"] == {"value": "flows", "origin": "VPCFLOW_INDEX__NAME"}
    values = {section: {key: leaf["value"] for key, leaf in table.items()} for section, table in tree.items()}
    assert values == tomllib.loads(run("settings", VPCFLOW_INDEX__NAME="flows").out)
    assert values["bulk"] == msgspec.to_builtins(Settings().bulk)


@pytest.mark.parametrize("form", ["toml", "json"])
def test_secrets_are_hidden(run: Run, form: str) -> None:
    secrets = {
        "VPCFLOW_ELASTICSEARCH__API_KEY": "env:KEY",
        "KEY": "geheim",
        "VPCFLOW_ELASTICSEARCH__PASSWORD": "geheim",
        "VPCFLOW_ELASTICSEARCH__HOSTS": "https://me:geheim@a:9200",
    }
    ran = run("settings", "--format", form, **secrets)
    assert ran.code == 0
    assert "geheim" not in ran.out
    assert '"***"' in ran.out
    assert "https://***@a:9200" in ran.out
    assert "VPCFLOW_ELASTICSEARCH__API_KEY, by reference to a variable" in ran.out


def test_what_the_programs_would_refuse_is_refused(run: Run) -> None:
    ran = run("settings", VPCFLOW_CODEC__FORMATS='[{"format": "version srcadr"}]')
    assert (ran.code, ran.out) == (78, "")
    assert ran.err == "vpcflow: codec.formats[0].format: unknown field 'srcadr' in the format\n"


TWO = """
[inputs."prod flows"]
match = ["arn:aws:sqs:*:*:prod-*"]
outputs = ["a"]
[inputs."prod flows".filter]
include = ["action == REJECT"]
[outputs.a.elasticsearch]
hosts = ["https://me:geheim@a:9200"]
api_key = "geheim"
[outputs.b.document]
tags = ["b"]
"""


def test_inputs_and_outputs_show_what_they_say_and_where(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(TWO)
    environ = {"VPCFLOW_OUTPUTS__B__BULK__MAX_ACTIONS": "7", "VPCFLOW_INPUTS__ALL__MATCH": "*"}
    ran = run("settings", "--settings", path, **environ)
    assert ran.code == 0
    assert "geheim" not in ran.out
    shown = tomllib.loads(ran.out)
    assert shown["inputs"] == {
        "prod flows": {
            "match": ["arn:aws:sqs:*:*:prod-*"],
            "outputs": ["a"],
            "filter": {"include": ["action == REJECT"]},
        },
        "all": {"match": ["*"]},
    }
    assert shown["outputs"] == {
        "a": {"elasticsearch": {"hosts": ["https://***@a:9200"], "api_key": "***"}},
        "b": {"document": {"tags": ["b"]}, "bulk": {"max_actions": 7}},
    }
    assert shown["bulk"]["max_actions"] == Settings().bulk.max_actions
    tree = json.loads(run("settings", "--settings", path, "--format", "json", **environ).out)
    assert tree["outputs"]["b"]["bulk"]["max_actions"] == {
        "value": 7,
        "origin": "VPCFLOW_OUTPUTS__B__BULK__MAX_ACTIONS",
    }
    assert tree["inputs"]["prod flows"]["match"]["origin"] == str(path)
    assert tree["inputs"]["all"]["match"]["origin"] == "VPCFLOW_INPUTS__ALL__MATCH"
    assert tree["outputs"]["a"]["elasticsearch"]["api_key"]["value"] == "***"


def test_what_is_shown_of_inputs_and_outputs_is_a_settings_file(run: Run, tmp_path: Path) -> None:
    path, again = tmp_path / "x.toml", tmp_path / "y.toml"
    path.write_text(TWO.replace("geheim", "x"))
    once = run("settings", "--settings", path).out
    again.write_text(once)
    assert tomllib.loads(run("settings", "--settings", again).out) == tomllib.loads(once)


def test_a_wrong_filter_of_an_output_is_refused(run: Run) -> None:
    ran = run("settings", VPCFLOW_OUTPUTS__A__FILTER__INCLUDE="action =")
    assert (ran.code, ran.out) == (78, "")
    assert ran.err.startswith("vpcflow: outputs.a.filter.include[0]: ")
