"""Configuration files as users of the other forwarder have them; keys and meaning as its documentation gives them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from vpcflow.errors import DataError
from vpcflow.migrate.esf import Migration, migrated
from vpcflow.settings.load import load
from vpcflow.settings.toml import tables

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:flow-queue"
GROUP = "arn:aws:logs:eu-west-1:123456789012:log-group:vpc:*"
ARGS = {"elasticsearch_url": "https://search.example.com:9200", "api_key": "abc"}


def one(args: dict[str, Any] | None = None, **keys: Any) -> Migration:  # noqa: ANN401
    output = {"type": "elasticsearch", "args": args or ARGS}
    return migrated({"inputs": [{"type": "s3-sqs", "id": QUEUE, "outputs": [output], **keys}]})


def notes(done: Migration) -> dict[str, str]:
    return dict(done.notes)


def output(done: Migration) -> Any:  # noqa: ANN401
    (table,) = done.settings["outputs"].values()
    return table


def test_an_input_matches_its_arn_and_names_its_outputs() -> None:
    done = one()
    assert done.settings["inputs"] == {"flow-queue": {"match": [QUEUE], "outputs": ["search"]}}
    assert output(done)["elasticsearch"]["hosts"] == ["https://search.example.com:9200"]


def test_a_log_group_matches_with_and_without_its_star() -> None:
    done = one(type="cloudwatch-logs", id=GROUP)
    (table,) = done.settings["inputs"].values()
    assert table["match"] == [GROUP.removesuffix(":*"), GROUP]


def test_equal_outputs_are_one() -> None:
    entry = {"type": "s3-sqs", "id": QUEUE, "outputs": [{"type": "elasticsearch", "args": ARGS}]}
    done = migrated({"inputs": [entry, {**entry, "id": f"{QUEUE}-2"}]})
    assert list(done.settings["outputs"]) == ["search"]
    assert list(done.settings["inputs"]) == ["flow-queue", "flow-queue-2"]


def test_two_data_streams_on_one_cluster_are_two_outputs() -> None:
    outputs = [
        {"type": "elasticsearch", "args": {**ARGS, "es_datastream_name": f"logs-aws.vpcflow-{name}"}}
        for name in ("prod", "audit")
    ]
    done = migrated({"inputs": [{"type": "s3-sqs", "id": QUEUE, "outputs": outputs}]})
    assert [table["document"]["namespace"] for table in done.settings["outputs"].values()] == ["prod", "audit"]


def test_tags_come_after_those_that_are_always_there() -> None:
    (table,) = one(tags=["prod", "forwarded"]).settings["inputs"].values()
    assert table["document"]["tags"] == ["forwarded", "aws-vpcflow", "prod"]


def test_a_secret_of_the_secrets_manager_stays_there() -> None:
    arn = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:es-AbCdEf"
    done = one({**ARGS, "api_key": f"{arn}:key"})
    assert output(done)["elasticsearch"]["api_key"] == f"aws-secretsmanager:{arn}#key"
    assert not done.notes
    assert output(one({**ARGS, "api_key": arn}))["elasticsearch"]["api_key"] == f"aws-secretsmanager:{arn}"


def test_a_secret_in_clear_goes_nowhere() -> None:
    done = one({"cloud_id": "x:abc", "username": "elastic", "password": "hunter2"})
    assert "hunter2" not in str(done)
    assert output(done)["elasticsearch"]["password"] == "env:ELASTICSEARCH_PASSWORD"
    assert "in clear" in notes(done)["inputs[0].outputs[0].args.password"]


def test_the_api_key_wins_as_it_does_there() -> None:
    done = one({**ARGS, "username": "elastic", "password": "x"})
    assert "username" not in output(done)["elasticsearch"]
    assert "inputs[0].outputs[0].args.username" in notes(done)


def test_sizes_dead_letters_and_fingerprint() -> None:
    print_ = ":".join(["AB"] * 32)
    args = {**ARGS, "batch_max_actions": 500, "batch_max_bytes": 1000, "es_dead_letter_index": "letters"}
    table = output(one({**args, "ssl_assert_fingerprint": print_}))
    assert table["bulk"] == {"max_actions": 500, "max_bytes": 1000}
    assert table["deadletters"] == {"kind": "index", "index": "letters"}
    assert table["elasticsearch"]["certificate_fingerprint"] == "ab" * 32


@pytest.mark.parametrize(
    ("args", "key"),
    [
        ({"batch_max_actions": 0}, "batch_max_actions"),
        ({"ssl_assert_fingerprint": "22:F7:FB"}, "ssl_assert_fingerprint"),
        ({"es_datastream_name": "plain"}, "es_datastream_name"),
        ({"nobody": 1}, "nobody"),
        ({"cloud_id": "x:y"}, "cloud_id"),
        (
            {
                "username": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:es:name",
                "password": "x",
                "api_key": "",
            },
            "username",
        ),
    ],
)
def test_what_has_no_equal_is_said(args: dict[str, Any], key: str) -> None:
    assert f"inputs[0].outputs[0].args.{key}" in notes(one({**ARGS, **args}))


@pytest.mark.parametrize(
    ("pattern", "expression"),
    [("REJECT", "action == REJECT"), (r"\bACCEPT\b", "action == ACCEPT"), (" NODATA$", "log-status == NODATA")],
)
def test_a_search_for_one_word_is_a_question_to_one_field(pattern: str, expression: str) -> None:
    (table,) = one(include=[pattern]).settings["inputs"].values()
    assert table["filter"] == {"include": [expression]}


def test_any_other_search_is_said() -> None:
    done = one(exclude=["REJECT", r"10\.0\..*"])
    (table,) = done.settings["inputs"].values()
    assert table["filter"] == {"exclude": ["action == REJECT"]}
    assert "inputs[0].exclude[1]" in notes(done)


def test_what_is_not_needed_and_what_is_unknown() -> None:
    said = notes(one(expand_event_list_from_field="logEvents", multiline={"type": "count"}, strange=1))
    assert said["inputs[0].expand_event_list_from_field"].startswith("not needed")
    assert said["inputs[0].multiline"].startswith("not needed")
    assert said["inputs[0].strange"] == "unknown; left out"


def test_logstash_has_no_equal() -> None:
    outputs = [
        {"type": "logstash", "args": {"logstash_url": "https://l:5044"}},
        {"type": "elasticsearch", "args": ARGS},
    ]
    done = one(outputs=outputs)
    assert list(done.settings["outputs"]) == ["search"]
    assert "no equal" in notes(done)["inputs[0].outputs[0]"]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (None, "inputs"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": [1]}, r"inputs\[0\]"),
        ({"inputs": [{"type": "kafka", "id": QUEUE}]}, r"inputs\[0\]\.type"),
        ({"inputs": [{"type": "sqs", "id": "queue"}]}, r"inputs\[0\]\.id"),
        ({"inputs": [{"type": "sqs", "id": QUEUE}]}, r"inputs\[0\]\.outputs"),
        ({"inputs": [{"type": "sqs", "id": QUEUE, "outputs": [{"type": "elasticsearch"}]}]}, r"outputs\[0\]"),
        ({"inputs": [{"type": "sqs", "id": QUEUE, "outputs": [{"type": "x", "args": {}}]}]}, r"outputs\[0\]\.type"),
        ({"inputs": [{"type": "sqs", "id": QUEUE, "outputs": [{"type": "elasticsearch", "args": {}}]}]}, "cloud_id"),
    ],
)
def test_what_is_no_configuration_of_theirs_names_the_place(document: object, place: str) -> None:
    with pytest.raises(DataError, match=place):
        migrated(document)


SAMPLE = f"""
inputs:
  - type: s3-sqs
    id: "{QUEUE}"
    tags: [prod]
    include: ["REJECT"]
    outputs:
      - type: elasticsearch
        args:
          elasticsearch_url: "https://search.example.com:9200"
          api_key: "secret-in-clear"
          es_datastream_name: "logs-aws.vpcflow-prod"
          batch_max_actions: 500
  - type: cloudwatch-logs
    id: "{GROUP}"
    outputs:
      - type: elasticsearch
        args:
          cloud_id: "deployment:ZXUud2VzdC0xLmV4YW1wbGUuY29tJGFiYyRkZWY="
          username: elastic
          password: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:es:password"
          es_dead_letter_index: vpcflow-letters
"""


def test_the_settings_that_come_out_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = migrated(yaml.safe_load(SAMPLE))
    text = "\n".join(tables(done.settings))
    assert tomllib.loads(text) == done.settings
    file = tmp_path / "vpcflow.toml"
    file.write_text(text.replace("aws-secretsmanager:", "env:SECRET_"), encoding="utf-8")
    environ = {"ELASTICSEARCH_API_KEY": "x", "ELASTICSEARCH_PASSWORD": "y"}
    environ |= {
        line.partition("env:")[2].rstrip('"'): "z" for line in file.read_text().splitlines() if "env:SECRET" in line
    }
    routes = load(file, environ).routes
    route = routes.for_source(QUEUE)
    assert route is not None
    (settings,) = route.outputs.values()
    assert settings.document.namespace == "prod"
    assert settings.document.tags == ["forwarded", "aws-vpcflow", "prod"]
    assert settings.filter.include == ["action == REJECT"]
    assert settings.bulk.max_actions == 500
    logs = routes.for_source(GROUP.removesuffix(":*"))
    assert logs is not None
    (settings,) = logs.outputs.values()
    assert settings.deadletters.index == "vpcflow-letters"
    assert settings.elasticsearch.cloud_id.startswith("deployment:")
