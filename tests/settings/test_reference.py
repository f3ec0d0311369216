from __future__ import annotations

import re
import tomllib
from pathlib import Path

from vpcflow.settings.load import key_kinds, load
from vpcflow.settings.reference import configuration_page


def test_every_key_has_its_row() -> None:
    page = configuration_page()
    for section, keys in key_kinds().items():
        assert f"\n## {section}\n" in page
        for key in keys:
            (row,) = re.findall(rf"^\| `{key}`<br>`VPCFLOW_{section.upper()}__{key.upper()}` \|.*$", page, re.MULTILINE)
            assert row.count("|") - row.count("\\|") == 5
            assert not row.endswith("|  |"), f"{section}.{key} has no description"


def test_the_example_loads(tmp_path: Path) -> None:
    (text,) = re.findall("```toml\n(.*?)```", configuration_page(), re.DOTALL)
    assert tomllib.loads(text)["elasticsearch"]["api_key"] == "file:/run/secrets/api-key"
    key = tmp_path / "key"
    key.write_text("k")
    path = tmp_path / "x.toml"
    path.write_text(text.replace("/run/secrets/api-key", str(key)))
    assert load(path, {}).settings.kinesis.stream == "flow-logs"
