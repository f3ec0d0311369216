from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow.errors import ConfigError
from vpcflow.settings.load import Loaded, load
from vpcflow.settings.secrets import Secret

VALUE = "c2VjcmV0OnZhbHVl"
NAME = "VPCFLOW_ELASTICSEARCH__API_KEY"


def loaded_with(api_key: str, **environ: str) -> Loaded:
    return load(None, {NAME: api_key, **environ})


def test_plain_value() -> None:
    loaded = loaded_with(VALUE)
    assert loaded.settings.elasticsearch.api_key.reveal() == VALUE
    assert loaded.origins["elasticsearch.api_key"] == NAME


def test_reference_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{VALUE}\n")
    loaded = loaded_with(f"file:{path}")
    assert loaded.settings.elasticsearch.api_key.reveal() == VALUE
    assert loaded.origins["elasticsearch.api_key"] == f"{NAME}, by reference to a file"


def test_reference_to_a_variable() -> None:
    loaded = loaded_with("env:MY_KEY", MY_KEY=VALUE)
    assert loaded.settings.elasticsearch.api_key.reveal() == VALUE
    assert loaded.origins["elasticsearch.api_key"] == f"{NAME}, by reference to a variable"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("file:none", "elasticsearch.api_key: the file that it names cannot be read: none: No such file or directory"),
        ("file:empty", "elasticsearch.api_key: what it names is empty: empty"),
        ("file:binary", "elasticsearch.api_key: the file that it names is no UTF-8 text: binary"),
        ("env:NONE", "elasticsearch.api_key: the variable that it names is not set: NONE"),
        ("env:EMPTY", "elasticsearch.api_key: what it names is empty: EMPTY"),
    ],
)
def test_references_that_lead_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigError) as caught:
        loaded_with(reference, EMPTY="")
    assert str(caught.value) == f"{message} ({NAME})"


def test_no_secret_is_printed() -> None:
    loaded = loaded_with(VALUE, VPCFLOW_ELASTICSEARCH__PASSWORD="geheim")
    shown = f"{loaded} {loaded.settings!r} {loaded.settings.elasticsearch.api_key!s}"
    assert VALUE not in shown
    assert "geheim" not in shown


def test_no_error_shows_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'[elasticsearch]\napi_key = "{VALUE}"\npassword = ["geheim"]\n')
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert "elasticsearch.password" in str(caught.value)
    assert VALUE not in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_rotated_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    secret = Secret.of_file(path)
    path.write_text("new\n")
    assert (secret.reveal(), secret.current().reveal()) == ("old", "new")
    path.unlink()
    assert secret.current().reveal() == "old"


def test_equality_and_truth() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != "a"
    assert not Secret("")
    assert repr(Secret("")) == "Secret('')"
