from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vpcflow.errors import EX_CONFIG, ConfigError
from vpcflow.settings.load import RESERVED, Loaded, key_kinds, load
from vpcflow.settings.model import Settings
from vpcflow.settings.secrets import Secret

Toml = Callable[..., Loaded]


@pytest.fixture
def toml(tmp_path: Path) -> Toml:
    """Load a TOML text and some variables."""

    def loaded(text: str, **environ: str) -> Loaded:
        path = tmp_path / "x.toml"
        path.write_text(text, encoding="utf-8")
        return load(path, environ)

    return loaded


def complaint(toml: Toml, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        toml(text, **environ)
    assert caught.value.exit_code == EX_CONFIG
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_file_that_the_environment_names(tmp_path: Path) -> None:
    path = tmp_path / "named.toml"
    path.write_text('[kinesis]\nstream = "s"')
    assert load(None, {"VPCFLOW_SETTINGS": str(path)}).settings.kinesis.stream == "s"
    other = tmp_path / "given.toml"
    other.write_text('[kinesis]\nstream = "t"')
    assert load(other, {"VPCFLOW_SETTINGS": str(path)}).settings.kinesis.stream == "t"


NEEDS = {
    "username": {"VPCFLOW_ELASTICSEARCH__PASSWORD": "p"},
    "client_key": {"VPCFLOW_ELASTICSEARCH__CLIENT_CERT": "c"},
    "accept_duplicates": {
        "VPCFLOW_ELASTICSEARCH__SERVICE": "aoss",
        "VPCFLOW_ELASTICSEARCH__COLLECTION": "timeseries",
        "VPCFLOW_INDEX__MODE": "pattern",
    },
    "access_key_previous": {"VPCFLOW_RECEIVER__ACCESS_KEY": "k"},
    "key": {"VPCFLOW_RECEIVER__CERTIFICATE": "c"},
    "max_buffered_bytes": {"VPCFLOW_RECEIVER__MAX_REQUEST_BYTES": "9", "VPCFLOW_RECEIVER__MAX_INFLATED_BYTES": "9"},
}


def test_every_key_can_come_from_the_environment() -> None:
    values = {bool: "true", int: "3000", float: "2.5", str: "text", Secret: "secret"}
    narrow = {"compression_level": "3", "in_flight": "3", "storm_fraction": "0.25", "max_hops": "3"}
    narrow |= {
        "reingest_attempts": "3",
        "max_concurrent": "3",
        "path": "/text",
        "max_reply_bytes": "5000000",
        "block_bytes": "100000",
    }
    narrow |= {"attempts": "3", "messages": "3"}
    for section, keys in key_kinds().items():
        for key, kind in keys.items():
            if kind in values and (section, key) not in {("kinesis", "idle_milliseconds"), ("index", "name")}:
                name = f"VPCFLOW_{section}__{key}".upper()
                text = narrow.get(key, values[kind])
                extra = NEEDS.get(key, {})
                assert load(None, {name: text, **extra}).origins[f"{section}.{key}"] == name


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("http://a:1,http://b:2", ["http://a:1", "http://b:2"]),
        (" http://a:1 , ", ["http://a:1"]),
        ('["http://a:1", "http://b:2,x"]', ["http://a:1", "http://b:2,x"]),
    ],
)
def test_lists_from_the_environment(text: str, wanted: list[str]) -> None:
    assert load(None, {"VPCFLOW_ELASTICSEARCH__HOSTS": text}).settings.elasticsearch.hosts == wanted


def test_tables_from_the_environment() -> None:
    text = json.dumps([{"format": ["version", "srcaddr"], "log_group": "a*"}])
    (entry,) = load(None, {"VPCFLOW_CODEC__FORMATS": text}).settings.codec.formats
    assert (entry.format, entry.log_group, entry.source) == (["version", "srcaddr"], "a*", "*")


@pytest.mark.parametrize(
    ("text", "wanted"), [("true", True), ("Yes", True), ("1", True), ("FALSE", False), ("0", False)]
)
def test_booleans_from_the_environment(text: str, *, wanted: bool) -> None:
    assert load(None, {"VPCFLOW_DOCUMENT__EVENT_ORIGINAL": text}).settings.document.event_original is wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[elasticsearch]\nurll = 1",
            "elasticsearch.urll: unknown key (file x.toml); known are hosts, cloud_id, product",
        ),
        ('[elasticsearch]\nhost = "a"', "elasticsearch.host: unknown key (file x.toml); did you mean hosts?"),
        ("[elasticsearhc]\na = 1", "elasticsearhc: unknown section (file x.toml); did you mean elasticsearch?"),
        ("bulk = 1", "bulk: must be a table, [bulk] (file x.toml)"),
        ('[elasticsearch]\nhosts = "a"', "elasticsearch.hosts: expected `array`, got `str` (file x.toml)"),
        ("[elasticsearch]\nhosts = [1]", "elasticsearch.hosts[0]: expected `str`, got `int` (file x.toml)"),
        ("[elasticsearch]\nhosts = []", "elasticsearch.hosts: empty; give at least one URL (file x.toml)"),
        ('[bulk]\nmax_bytes = "5"', "bulk.max_bytes: expected `int`, got `str` (file x.toml)"),
        ("[bulk]\nmax_bytes = 0", "bulk.max_bytes: expected `int` >= 1 (file x.toml)"),
        ("[bulk]\nmax_age_seconds = inf", "bulk.max_age_seconds: a finite number is wanted (file x.toml)"),
        ('[document]\nshape = "ecr"', "document.shape: invalid enum value 'ecr', not one of ecs, raw (file x.toml)"),
        (
            '[[codec.formats]]\nfromat = "v2"',
            "codec.formats[0].fromat: unknown key; did you mean format? (file x.toml)",
        ),
        ("[[codec.formats]]", "codec.formats[0]: object missing required field `format` (file x.toml)"),
        ("[elasticsearch]\napi_key = 5", "elasticsearch.api_key: text is wanted (file x.toml)"),
        ("[bulk\n", "x.toml: not TOML: "),
    ],
)
def test_what_is_wrong_in_a_file(toml: Toml, tmp_path: Path, text: str, message: str) -> None:
    assert message in complaint(toml, text).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("VPCFLOW_BULK__MAX_BYTE", "1", "unknown setting in the environment; did you mean VPCFLOW_BULK__MAX_BYTES?"),
        (
            "VPCFLOW_NOTHING",
            "1",
            "VPCFLOW_NOTHING: unknown setting in the environment; names are VPCFLOW_SECTION__KEY",
        ),
        ("VPCFLOW_BULK__MAX_BYTES", "lots", "bulk.max_bytes: a whole number is wanted (VPCFLOW_BULK__MAX_BYTES)"),
        ("VPCFLOW_RETRY__MAX_SECONDS", "long", "retry.max_seconds: a number is wanted (VPCFLOW_RETRY__MAX_SECONDS)"),
        ("VPCFLOW_DOCUMENT__EVENT_ORIGINAL", "maybe", "document.event_original: true or false is wanted"),
        ("VPCFLOW_DOCUMENT__TAGS", "[a", "document.tags: a list with commas between, or a JSON list, is wanted"),
        ("VPCFLOW_CODEC__FORMATS", "v2", "codec.formats[0]: expected `object`, got `str` (VPCFLOW_CODEC__FORMATS)"),
    ],
)
def test_what_is_wrong_in_the_environment(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {name: text})
    assert message in str(caught.value)


def test_reserved_variables_are_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.touch()
    assert load(None, {name: str(path) for name in RESERVED}).settings == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[index]\npipeline = "default"', "index.pipeline: "),
        ('[index]\npipeline = ""', "index.pipeline: empty"),
        ('[index]\nmode = "pattern"\nname = "flows"', "index.name: a pattern has a time in it"),
        ('[index]\nname = "flows-{yyyy}"', "index.name: a data stream has no time in its name"),
        ('[elasticsearch]\nusername = "me"', "elasticsearch.username: there is no elasticsearch.password"),
        ('[elasticsearch]\ncloud_id = "c"\nhosts = ["http://a"]', "elasticsearch.cloud_id: elasticsearch.hosts is set"),
        ('[elasticsearch]\nbearer = "b"\napi_key = "k"', "elasticsearch.bearer: there is an api_key"),
        ('[elasticsearch]\nclient_key = "k"', "elasticsearch.client_key: there is no elasticsearch.client_cert"),
        (
            '[elasticsearch]\ncertificate_fingerprint = "f"\nca_certs = "c"',
            "elasticsearch.certificate_fingerprint: is trusted instead of elasticsearch.ca_certs",
        ),
        ('[elasticsearch]\nservice = "es"\napi_key = "k"', "elasticsearch.service: signed requests take no api_key"),
        ('[elasticsearch]\nservice = "es"\ncloud_id = "c"', "elasticsearch.service: Elastic Cloud takes no signed"),
        (
            '[elasticsearch]\nservice = "es"\nproduct = "elasticsearch"',
            "elasticsearch.service: Amazon's services are OpenSearch",
        ),
        ('[elasticsearch]\nservice = "aoss"', "index.mode: OpenSearch Serverless has no data streams"),
        ('[elasticsearch]\ncollection = "timeseries"', "elasticsearch.collection: is for OpenSearch Serverless"),
        (
            '[elasticsearch]\nservice = "aoss"\ncollection = "timeseries"\n[index]\nmode = "pattern"',
            "elasticsearch.collection: takes no ids",
        ),
        ("[index]\naccept_duplicates = true", "index.accept_duplicates: is only for"),
    ],
)
def test_keys_that_do_not_go_together(toml: Toml, text: str, message: str) -> None:
    assert complaint(toml, text).startswith(message)


def test_keys_that_do_go_together(toml: Toml) -> None:
    toml('[index]\npipeline = "default"\n[document]\nshape = "raw"')
    toml('[index]\nmode = "pattern"')
    toml('[index]\nmode = "pattern"\nname = "flows-{yyyy.MM}"')
    toml('[elasticsearch]\nusername = "me"\npassword = "p"')


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file or directory; give the path of a settings file"):
        load(tmp_path / "none.toml", {})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.toml: no UTF-8 text"):
        load(binary, {})
