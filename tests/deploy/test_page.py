"""docs/firehose.md: what is to be pasted can be pasted, names exist, sums are right."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.deploy import checks
from tests.deploy.cases import NAMES
from tests.deploy.template import FOLDER, Stack, read, template
from vpcflow.cli.main import app
from vpcflow.settings.load import key_kinds

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "firehose.md").read_text(encoding="utf-8")
TIMES = "\N{MULTIPLICATION SIGN}"
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/kinesis_firehose_delivery_stream
TERRAFORM: dict[str, set[str]] = {
    "": {"name", "destination", "extended_s3_configuration", "tags"},
    "extended_s3_configuration": {
        "role_arn",
        "bucket_arn",
        "prefix",
        "error_output_prefix",
        "buffering_size",
        "buffering_interval",
        "compression_format",
        "cloudwatch_logging_options",
        "processing_configuration",
    },
    "cloudwatch_logging_options": {"enabled", "log_group_name", "log_stream_name"},
    "processing_configuration": {"enabled", "processors"},
    "processors": {"type", "parameters"},
    "parameters": {"parameter_name", "parameter_value"},
}


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def parameters(processors: list[dict[str, Any]]) -> dict[str, str]:
    (only,) = processors
    assert only["Type"] == "Lambda"
    return {one["ParameterName"]: one["ParameterValue"] for one in only["Parameters"]}


def test_the_json_is_a_request_that_aws_would_take() -> None:
    sent = json.loads(block("json"))
    assert checks.refused(sent) == ""
    assert (
        list(
            checks._destination(
                "ExtendedS3DestinationConfiguration",
                {"S3BackupMode": "Disabled", **sent["ExtendedS3DestinationConfiguration"]},
            )
        )
        == []
    )
    sent["ExtendedS3DestinationConfiguration"]["ProcessingConfig"] = {}
    assert "ProcessingConfig" in checks.refused(sent)


def test_the_three_ways_to_say_it_say_the_same() -> None:
    sent = json.loads(block("json"))["ExtendedS3DestinationConfiguration"]["ProcessingConfiguration"]["Processors"]
    by_json = parameters(sent)
    by_yaml = parameters(read(block("yaml"))["ProcessingConfiguration"]["Processors"])
    by_hcl = dict(re.findall(r'parameter_name  = "(\w+)"\n\s+parameter_value = (.+)', block("hcl")))
    assert set(by_json) == set(by_yaml) == set(by_hcl)
    for name in checks.PROCESSOR:
        assert by_json[name] == by_yaml[name] == by_hcl[name].strip('"')


def test_the_yaml_is_what_the_template_has() -> None:
    stream = template("to-s3")["Resources"]["DeliveryStream"]["Properties"]["ExtendedS3DestinationConfiguration"]
    ours = parameters([one for one in stream["ProcessingConfiguration"]["Processors"] if one.get("Type") == "Lambda"])
    pasted = parameters(read(block("yaml"))["ProcessingConfiguration"]["Processors"])
    assert set(ours) == set(pasted)
    assert (ours["LambdaArn"], ours["RoleArn"]) == (pasted["LambdaArn"], pasted["RoleArn"])
    shown = Stack(template("to-s3"))
    for name in checks.PROCESSOR:
        assert str(shown.worked_out(ours[name])) == pasted[name]


def test_terraforms_arguments_are_in_their_blocks() -> None:
    open_blocks: list[str] = []
    for line in block("hcl").splitlines():
        word = re.match(r"\s*(\w+)\s*(=\s*\{|=|\{)", line)
        if line.startswith("resource"):
            open_blocks.append("")
        elif word and open_blocks[-1] != "tags":
            assert word[1] in TERRAFORM[open_blocks[-1]], f"{word[1]} in {open_blocks}"
        if line.endswith("{") and word and not line.startswith("resource"):
            open_blocks.append(word[1])
        elif line.strip() == "}":
            open_blocks.pop()
    assert open_blocks == []


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_parameters_are_allowed(name: str) -> None:
    given = json.loads((FOLDER / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    stack = Stack(template(name), {one["ParameterKey"]: one["ParameterValue"] for one in given})
    assert stack.refusals() == []
    assert list(checks.values(stack)) == []


def test_each_template_and_each_alarm_is_on_the_page() -> None:
    for name in NAMES:
        assert f"deploy/firehose/{name}.yaml" in PAGE
        for alarm in template(name)["Resources"].values():
            if alarm["Type"] == "AWS::CloudWatch::Alarm":
                assert re.search(rf"[`-]{alarm['Properties']['AlarmName']['Fn::Sub'].removeprefix('${Name}-')}`", PAGE)


def test_parameters_and_settings_that_the_page_names_exist() -> None:
    known = {parameter for name in NAMES for parameter in template(name)["Parameters"]}
    for parameter in re.findall(r"`([A-Z][A-Za-z]+)` (?:= `|is `|at most|up to)", PAGE):
        assert parameter in known, parameter
    variables = {f"VPCFLOW_{section}__{key}".upper() for section, keys in key_kinds().items() for key in keys}
    assert set(re.findall(r"VPCFLOW_[A-Z_]+__[A-Z_]+", PAGE)) <= variables


def test_commands_and_their_options_exist() -> None:
    used = re.findall(r"(?:^\s*|`)vpcflow ((?:[a-z]+ ?)+)([^`\n]*)", PAGE, re.MULTILINE)
    assert len(used) >= 4
    for words, rest in used:
        command: Any = typer.main.get_command(app)
        for word in words.split():
            if not hasattr(command, "get_command"):  # the word is an argument
                break
            command = command.get_command(None, word)
            assert command is not None, words
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, words


def test_sums_are_right() -> None:
    """Each reckoning `a UNIT x $b = $c` holds, to the digits that are shown."""
    found = re.findall(rf"([\d.]+)(?: GB-s| GB)? {TIMES} \$([\d.]+) = \$(\d+\.\d+)", PAGE)
    assert len(found) >= 10
    for amount, price, result in found:
        digits = len(result.partition(".")[2])
        assert abs(float(amount) * float(price) - float(result)) <= 0.51 * 10**-digits, result
    table = PAGE[PAGE.index("| flow log → Firehose |") : PAGE.index("**together**")]
    parts = [float(result) for _, _, result in re.findall(rf"([\d.]+)[^|]*{TIMES} \$([\d.]+) = \$(\d+\.\d+)", table)]
    together = re.search(r"\*\*\$([\d.]+)\*\*", PAGE)
    assert together is not None
    assert float(together[1]) == pytest.approx(sum(parts), abs=1e-9)
