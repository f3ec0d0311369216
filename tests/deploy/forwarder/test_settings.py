"""The function's environment is settings that the function takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.cases import FORMAT
from tests.deploy.forwarder.cases import BASIC, ENGINE, GROUP, SIGNED, STACKS
from tests.deploy.forwarder.sam import NAMES, source, stack
from tests.deploy.template import Stack
from vpcflow.settings.load import key_kinds, load
from vpcflow.settings.model import Settings

# Read before there are settings: where the settings file is.
NO_SETTING = {"VPCFLOW_SETTINGS"}


def environment(made: Stack) -> dict[str, str]:
    """Return the variables of the function, as Lambda gives them: all of them text."""
    found: dict[str, Any] = made.one("AWS::Lambda::Function")["Environment"]["Variables"]
    assert all(isinstance(value, str) for value in found.values())
    return {key: value for key, value in found.items() if key not in NO_SETTING}


def settings(made: Stack, secret: str) -> Settings:
    given = {**made.given, **({"SecretArn": secret} if "SecretArn" in made.given else {})}
    return load(None, environment(Stack(made.template, given))).settings


@pytest.mark.parametrize("name", NAMES)
def test_each_variable_is_a_setting(name: str) -> None:
    known = {f"VPCFLOW_{section}__{key}".upper() for section, keys in key_kinds().items() for key in keys}
    variables = set(source(name)["Resources"]["Function"]["Properties"]["Environment"]["Variables"])
    assert variables - NO_SETTING <= known
    assert variables & NO_SETTING == NO_SETTING


@pytest.mark.parametrize("made", STACKS)
def test_the_function_takes_its_settings(made: Stack, secret: str) -> None:
    found = settings(made, secret)
    assert (found.deadletters.kind, found.deadletters.prefix) == ("s3", "dead-letters")
    assert found.deadletters.bucket == made.worked_out({"Ref": "DeadLetterBucket"}), "the bucket that it may write to"
    assert found.metrics.namespace == made.parameter("MetricsNamespace")
    timeout = int(made.parameter("Timeout"))
    assert found.forwarder.deadline_margin_seconds < timeout / 2
    assert found.index.mode == made.parameter("IndexMode")
    assert found.index.name == made.parameter("IndexName")


def test_what_is_left_of_an_object_goes_to_the_queue_of_the_stack(secret: str) -> None:
    made = stack("s3-sqs", ENGINE)
    assert settings(made, secret).forwarder.continue_queue_url == made.worked_out({"Ref": "Queue"})


def test_ways_to_log_in(secret: str) -> None:
    found = settings(stack("kinesis", ENGINE), secret).elasticsearch
    assert (found.api_key.reveal(), found.username) == ("the-key", "")
    found = settings(stack("kinesis", BASIC), secret).elasticsearch
    assert (found.username, found.password.reveal(), found.api_key.reveal()) == ("vpcflow", "the-password", "")
    assert settings(stack("kinesis", SIGNED), secret).elasticsearch.service == "es"


@pytest.mark.parametrize("name", ["cloudwatch-logs", "kinesis"])
def test_the_format_reaches_the_decoder(name: str, secret: str) -> None:
    (format_,) = settings(stack(name, ENGINE, GROUP, FORMAT), secret).codec.formats
    assert format_.format == FORMAT["LogFormat"]


def test_the_settings_file_is_named_where_there_is_one() -> None:
    made = stack("kinesis", ENGINE, {"SettingsBucket": "bucket", "SettingsKey": "a/b.toml"})
    assert made.one("AWS::Lambda::Function")["Environment"]["Variables"]["VPCFLOW_SETTINGS"] == "s3://bucket/a/b.toml"
    without = stack("kinesis", ENGINE).one("AWS::Lambda::Function")
    assert "VPCFLOW_SETTINGS" not in without["Environment"]["Variables"]
