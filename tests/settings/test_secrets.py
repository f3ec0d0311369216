from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError
from vpcflow.settings.load import Loaded, load
from vpcflow.settings.secrets import Place, Secret, SecretError

VALUE = "c2VjcmV0OnZhbHVl"
NAME = "VPCFLOW_ELASTICSEARCH__API_KEY"


def loaded_with(api_key: str, **environ: str) -> Loaded:
    return load(None, {NAME: api_key, **environ})


def test_plain_value() -> None:
    loaded = loaded_with(VALUE)
    assert loaded.settings.elasticsearch.api_key.reveal() == VALUE
    assert loaded.origins["elasticsearch.api_key"] == NAME


def test_a_value_with_a_colon_is_no_reference() -> None:
    assert loaded_with("http://proxy:3128").settings.elasticsearch.api_key.reveal() == "http://proxy:3128"


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
    loaded = load(
        None,
        {
            NAME: VALUE,
            "VPCFLOW_ELASTICSEARCH__PASSWORD": "geheim",
            "VPCFLOW_ELASTICSEARCH__PROXY": "http://u:geheim@proxy:3128",
        },
    )
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


def test_a_rotated_file_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    secret = Secret.of_file(path)
    path.write_text("new\n")
    assert (secret.reveal(), secret.current().reveal()) == ("old", "new")
    path.write_text("")
    assert secret.current().reveal() == "new", "half-way through its rotation"
    path.unlink()
    assert secret.current().current().reveal() == "new"
    assert "secret not read again" in caplog.messages


def test_a_place_is_not_asked_too_often() -> None:
    values = iter(["first", "second", SecretError("away"), "third"])
    clock, asked = FakeClock(), 0

    def read() -> str:
        nonlocal asked
        asked += 1
        value = next(values)
        if isinstance(value, SecretError):
            raise value
        return value

    place = Place(read, pause_seconds=30, clock=clock)
    assert place.again() == "second", "the first refusal is not made to wait"
    assert (place.again(), asked) == ("second", 2)
    clock.advance(30)
    assert (place.again(), place.again(), asked) == ("second", "second", 3), "a place that is away is left alone, too"
    clock.advance(30)
    assert place.again() == "third"


def test_equality_and_truth() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != "a"
    assert not Secret("")
    assert repr(Secret("")) == "Secret('')"
