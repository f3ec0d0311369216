"""The chart's settings are the consumer's: they load, and what does not is refused before anything is installed."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from consumer import daemon
from tests.deploy.consumer import policies
from tests.deploy.consumer.cases import stack
from tests.deploy.helm.chart import CHART, VALUES, Rendered, merged, rendered
from vpcflow.settings.load import Loaded, load
from vpcflow.settings.model import Settings
from vpcflow.settings.secrets import Secret
from vpcflow.settings.values import key_kinds

# Those of other programs.
_OTHERS = {"receiver", "firehose", "objects", "forwarder"}
_REFUSED_BY_RULE = ("consumer.worker_id", "consumer.run_folder", "metrics.listen")


def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())["properties"]
    return found


def test_the_schema_knows_each_setting_of_the_consumer() -> None:
    sections = _schema()["settings"]["properties"]
    known = {section: sorted(keys) for section, keys in key_kinds().items() if section not in _OTHERS}
    assert {section: sorted(schema["properties"]) for section, schema in sections.items()} == known


def _secrets() -> set[str]:
    found = set()
    for section, kind in get_type_hints(Settings).items():
        for key, hint in get_type_hints(kind, include_extras=True).items():
            if section not in _OTHERS and Secret in (hint, *get_args(hint)):
                found.add(f"{section}.{key}")
    return found


def test_each_secret_can_come_from_a_secret_and_none_may_lie_in_the_settings() -> None:
    assert set(_schema()["secrets"]["properties"]["settings"]["propertyNames"]["enum"]) == _secrets()
    rules = (CHART / "templates" / "_rules.tpl").read_text()
    listed = re.search(r'range list ("api_key".*?) -', rules)[1]  # type: ignore[index]
    assert {f"elasticsearch.{each}" for each in re.findall(r'"(\w+)"', listed)} == _secrets()


def _loaded(made: Rendered, folder: Path) -> Loaded:
    """Load what the pod would: the file, and the variables, with the secrets where the volume has them."""
    file = folder / "vpcflow.toml"
    file.write_text(made.settings)
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "api-key").write_text("a2V5\n")
    environ = {name: value.replace("/etc/vpcflow/secrets", str(secrets)) for name, value in made.environ.items()}
    return load(file, environ)


@pytest.mark.tools
@pytest.mark.parametrize("name", VALUES)
def test_the_settings_load_with_the_variables_of_the_pod(name: str, tmp_path: Path) -> None:
    made = rendered(VALUES[name], tmp_path)
    settings = _loaded(made, tmp_path).settings
    assert settings.kinesis.stream == "flow-logs"
    assert settings.consumer.worker_id == VALUES[name].get("workerIdPrefix", "") + "flows-0"
    assert settings.metrics.listen.startswith("0.0.0.0:")
    assert settings.deadletters.kind == VALUES[name]["settings"]["deadletters"]["kind"]
    if settings.deadletters.kind == "file":
        mounts = [each["mountPath"] for each in made.container["volumeMounts"]]
        assert settings.deadletters.path in mounts


@pytest.mark.tools
def test_each_kind_of_value_arrives_as_it_was_given(tmp_path: Path) -> None:
    made = rendered(VALUES["everything"], tmp_path)
    found = _loaded(made, tmp_path)
    settings = found.settings
    assert (settings.bulk.max_bytes, settings.bulk.max_age_seconds) == (8_000_000, 0.5)
    assert type(tomllib.loads(made.settings)["bulk"]["max_bytes"]) is int
    assert settings.document.event_original is True
    assert settings.document.tags == ["a b", 'c"d']
    assert settings.codec.formats[0].format == '${version} "<&>" ${account-id}'
    assert settings.consumer.shutdown_grace_milliseconds == 20_500
    assert settings.elasticsearch.api_key.reveal() == "a2V5"
    assert settings.logs.level == "debug"
    assert "a2V5" not in made.settings


def test_the_table_and_the_schema_name_each_value() -> None:
    values = set(yaml.safe_load((CHART / "values.yaml").read_text()))
    assert values == set(_schema()) - {"global"}
    table = (CHART / "README.md").read_text()
    named = {match.split(".")[0] for match in re.findall(r"`([a-zA-Z.]+)`", table)}
    assert values <= named, values - named


@pytest.mark.tools
def test_the_values_of_the_page_are_taken(tmp_path: Path) -> None:
    page = (CHART.parents[2] / "docs" / "kubernetes.md").read_text()
    install, scaling = (
        yaml.safe_load(block)
        for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
        if block.startswith(("# flows.yaml", "shards:"))
    )
    made = rendered(merged(install, scaling), tmp_path)
    assert made.of("HorizontalPodAutoscaler")["spec"]["maxReplicas"] == scaling["shards"]
    account = made.of("ServiceAccount")["metadata"]
    assert "system:serviceaccount:logs:" + account["name"] in page
    _may_do_its_work(_loaded(made, tmp_path).settings)


def _may_do_its_work(settings: Settings) -> None:
    """The policy that the page takes, with its example of parameters, is for these very names."""
    given = json.loads((CHART.parents[1] / "consumer" / "examples" / "permissions.json").read_text())
    may = policies.allowed(stack("permissions", {one["ParameterKey"]: one["ParameterValue"] for one in given}))
    worker = daemon.worker_of(settings, {})
    assert [arn.rpartition("/")[2] for arn in may["kinesis:GetRecords"]] == [worker.stream]
    assert worker.application in [arn.rpartition("/")[2] for arn in may["dynamodb:CreateTable"]]
    (letters,) = may["s3:PutObject"]
    assert letters.endswith(f"/{settings.deadletters.prefix}/*")
