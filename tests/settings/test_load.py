from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow.errors import EX_CONFIG, ConfigError
from vpcflow.settings.decoding import codec_options
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.settings.secrets import Secret


def written(folder: Path, text: str) -> Path:
    path = folder / "vpcflow.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_nothing() -> None:
    loaded = load(None, {"PATH": "/bin", "HOME": "/"})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}


def test_the_environment_wins_over_the_file_and_each_value_has_its_origin(tmp_path: Path) -> None:
    path = written(tmp_path, '[bulk]\nmax_bytes = 1000\nmax_actions = 7\n[kinesis]\nstream = "a"\n')
    loaded = load(path, {"VPCFLOW_BULK__MAX_BYTES": "2000", "VPCFLOW_ELASTICSEARCH__HOSTS": "http://a:1, http://b:2"})
    assert (loaded.settings.bulk.max_bytes, loaded.settings.bulk.max_actions) == (2000, 7)
    assert loaded.settings.elasticsearch.hosts == ["http://a:1", "http://b:2"]
    assert loaded.origins["bulk.max_bytes"] == "VPCFLOW_BULK__MAX_BYTES"
    assert loaded.origins["bulk.max_actions"] == str(path)
    assert loaded.origins["bulk.max_age_seconds"] == "default"


def test_names_that_are_no_settings_are_left_alone() -> None:
    assert load(None, {"VPCFLOW_CACHE": "/x", "VPCFLOW_TEST_REQUIRE": "stack"}).settings == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[elasticsearch]\nhost = ['x']", r"elasticsearch\.host: unknown key .*did you mean hosts"),
        ("[elastic]\nhosts = ['x']", r"elastic: unknown section"),
        ("bulk = 3", r"bulk: must be a table"),
        ("[bulk]\nmax_bytes = 'many'", r"bulk\.max_bytes: expected `int`"),
        ("[bulk]\nmax_bytes = 0", r"bulk\.max_bytes: expected `int` >= 1"),
        ("[document]\nshape = 'flat'", r"document\.shape: invalid enum value"),
        ("[[codec.formats]]\nformat = 'version'\nlog_grup = 'x'", r"codec\.formats"),
        ("[index]\npipeline = 'default'", r"index\.pipeline"),
        ("[index]\nmode = 'pattern'\nname = 'logs'", r"index\.name"),
        ("[index]\nname = 'logs-{yyyy}'", r"index\.name"),
        ("[elasticsearch]\nhosts = []", r"elasticsearch\.hosts"),
        ("[bulk\n", r"not TOML"),
    ],
)
def test_a_wrong_file_is_named_with_the_key_and_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load(written(tmp_path, text), {})
    assert caught.value.exit_code == EX_CONFIG
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VPCFLOW_ELASTICSEARCH__URL", "x", "VPCFLOW_ELASTICSEARCH__URL: unknown setting"),
        ("VPCFLOW_BULK__MAX_BYTES", "many", r"bulk\.max_bytes: .*whole number"),
        ("VPCFLOW_DOCUMENT__EVENT_ORIGINAL", "perhaps", r"document\.event_original: .*true or false"),
        ("VPCFLOW_RETRY__MAX_SECONDS", "-1", r"retry\.max_seconds"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(None, {name: value})


def test_secrets_come_by_reference_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("c2VjcmV0\n", encoding="utf-8")
    path = written(tmp_path, f'[elasticsearch]\napi_key = "file:{tmp_path}/key"\npassword = "env:WORD"\n')
    loaded = load(path, {"WORD": "hunter2"})
    assert loaded.settings.elasticsearch.api_key.reveal() == "c2VjcmV0"
    assert loaded.settings.elasticsearch.password.reveal() == "hunter2"
    for text in (repr(loaded), str(loaded.settings), f"{loaded.settings.elasticsearch.password}"):
        assert "hunter2" not in text
        assert "c2VjcmV0" not in text


@pytest.mark.parametrize("reference", ["file:/nowhere/key", "env:NOT_SET"])
def test_a_reference_to_nothing_names_its_key(reference: str) -> None:
    with pytest.raises(ConfigError, match=r"elasticsearch\.api_key"):
        load(None, {"VPCFLOW_ELASTICSEARCH__API_KEY": reference})


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"elasticsearch\.api_key") as caught:
        load(written(tmp_path, "[elasticsearch]\napi_key = 12345678\n"), {})
    assert "12345678" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "no.toml", {})


def test_formats_with_unknown_fields_are_fatal_and_named(tmp_path: Path) -> None:
    path = written(tmp_path, '[[codec.formats]]\nformat = "version srcadr"\n')
    with pytest.raises(ConfigError, match=r"codec\.formats\[0\]\.format: unknown field 'srcadr'"):
        codec_options(load(path, {}).settings)


def test_an_unknown_part_of_an_index_name_is_fatal(tmp_path: Path) -> None:
    path = written(tmp_path, "[index]\nmode = 'pattern'\nname = 'logs-{week}'\n")
    with pytest.raises(ConfigError, match=r"index\.name: unknown part \{week\}"):
        codec_options(load(path, {}).settings)


def test_empty_secrets_are_false() -> None:
    assert not Secret("")
    assert repr(Secret("x")) == str(Secret("y")) == "Secret('***')"
