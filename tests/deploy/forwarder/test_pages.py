"""The walk-throughs: commands and their options exist, fields are in the mapping, sums are right."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import botocore.session
import pytest
import typer
from botocore import xform_name
from typer.testing import CliRunner

from tests.deploy.forwarder.cases import CASES, ENGINE
from tests.deploy.forwarder.sam import FOLDER, ROOT, expanded, source, stack
from vpcflow.cli.main import app

PAGES = {"s3-sqs": "forwarder-s3", "cloudwatch-logs": "forwarder-cloudwatch", "kinesis": "forwarder-kinesis"}
TEXTS = {name: (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for name, page in PAGES.items()}
TIMES = "\N{MULTIPLICATION SIGN}"
# Commands of the AWS CLI that are not the operation of an API: which options of theirs are used.
CLI_OWN = {
    ("cloudformation", "package"): {"--template-file", "--s3-bucket", "--output-template-file"},
    ("cloudformation", "deploy"): {"--stack-name", "--template-file", "--capabilities", "--parameter-overrides"},
    ("logs", "tail"): {"--since"},
    ("s3", "cp"): set(),
    ("s3", "ls"): {"--recursive"},
    ("s3", "rb"): {"--force"},
}
CLI_GLOBAL = {"--query", "--output"}


def commands(text: str, program: str) -> list[list[str]]:
    """Return the words of each command of a program, in blocks of sh and in code within sentences."""
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    inline = re.findall(rf"`({program} [^`]+)`", text.replace("\n", " "))
    lines = [line.strip() for line in [*blocks.splitlines(), *inline]]
    return [shlex.split(line.split(" | ")[0]) for line in lines if line.startswith(f"{program} ")]


@pytest.mark.parametrize("name", PAGES)
def test_our_commands_and_their_options_exist(name: str) -> None:
    used = [words for words in commands(TEXTS[name], "vpcflow") if words[1] != "…"]
    assert len(used) >= 4
    for words in used:
        command: Any = typer.main.get_command(app)
        for word in words[1:]:
            if not hasattr(command, "get_command"):  # the word is an argument
                break
            command = command.get_command(None, word)
            assert command is not None, words
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words


def test_the_setup_that_is_shown_prints_a_mapping_with_the_fields_to_search_for() -> None:
    """The command of the page, with --print: it asks nobody."""
    fields: set[str] = set()
    for text in TEXTS.values():
        (words,) = [words for words in commands(text, "vpcflow") if words[1] == "setup"]
        assert words[1:] == ["setup", "--template", "--settings", "vpcflow.toml"]
        fields |= set(re.findall(r"`(aws\.[a-z0-9_.]+) : ", text))
    assert {"aws.s3.bucket.name", "aws.vpcflow.action", "aws.vpcflow.interface_id"} <= fields
    done = CliRunner().invoke(app, ["setup", "--template", "--print", "--product", "elasticsearch"])
    assert done.exit_code == 0, done.output
    mapped = done.stdout
    for field in fields:
        assert in_mapping(mapped, field), field
    assert not in_mapping(mapped, "aws.vpcflow.no_such_field")


def in_mapping(printed: str, field: str) -> bool:
    """Return whether a printed mapping has a field, by its whole path."""
    found, _ = json.JSONDecoder().raw_decode(printed, printed.index("{"))
    return field in names(found)


def names(value: Any, before: str = "") -> set[str]:  # noqa: ANN401 - JSON
    made: set[str] = set()
    if isinstance(value, dict):
        for key, child in value.items():
            if key == "properties" and isinstance(child, dict):
                for name, about in child.items():
                    made |= {f"{before}{name}"} | names(about, f"{before}{name}.")
            elif key != "fields":
                made |= names(child, before)
    return made


@pytest.mark.parametrize("name", PAGES)
def test_commands_of_aws_are_operations_with_such_parameters(name: str) -> None:
    session = botocore.session.Session()
    used = commands(TEXTS[name], "aws")
    assert len(used) >= 8
    for _, service, command, *rest in used:
        options = {word for word in rest if word.startswith("--")} - CLI_GLOBAL
        if (service, command) in CLI_OWN:
            assert options <= CLI_OWN[service, command], (service, command)
            continue
        model = session.get_service_model("s3" if service == "s3api" else service)
        operations = {xform_name(one, "-"): one for one in model.operation_names}
        assert command in operations, f"{service} {command}"
        members = {
            f"--{xform_name(one, '-')}" for one in model.operation_model(operations[command]).input_shape.members
        }
        assert options <= members, f"{service} {command}: {options - members}"


@pytest.mark.parametrize("name", PAGES)
def test_each_alarm_and_each_output_that_is_named_exists(name: str) -> None:
    text = TEXTS[name]
    alarms = {
        one["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${Name}-"): one["Properties"][
            "AlarmDescription"
        ].strip()
        for one in source(name)["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }
    for alarm, means in alarms.items():
        assert f"| `NAME-{alarm}` | {means} |" in text
    others = {"forwarder", "objects", "objects-dead"}
    assert set(re.findall(r"`NAME-([a-z-]+)`", text)) <= set(alarms) | others
    known = set(source(name)["Parameters"]) | set(source(name)["Outputs"]) | {"CodeUri", "Enabled", "LayerVersionArn"}
    for output in re.findall(r"output `([A-Za-z]+)`", text):
        assert output in source(name)["Outputs"], output
    for word in re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z]+)+)`", text):
        assert word in known, word


@pytest.mark.parametrize("name", PAGES)
def test_the_steps_are_all_there(name: str) -> None:
    text = TEXTS[name]
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    for part in ("Turn on flow logs", "Build, upload, deploy", "Install the index template", "See the logs"):
        assert any(part in heading for heading in headings), part
    for part in ("Costs", "Scaling", "When it fails", "Alarms", "Remove"):
        assert part in headings
    assert text.count("**You see**") >= 4
    assert text.count("Console: ") >= 2
    assert "make lambda" in text
    (diagram,) = re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)
    assert ";" not in diagram


@pytest.mark.parametrize("name", CASES)
def test_examples_of_parameters_are_allowed(name: str) -> None:
    given = json.loads((FOLDER / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    made = stack(name, {one["ParameterKey"]: one["ParameterValue"] for one in given})
    assert made.refusals() == []
    assert f"deploy/forwarder/examples/{name}.json" in TEXTS[name]
    assert f"deploy/forwarder/{name}.yaml" in TEXTS[name]


@pytest.mark.parametrize("name", PAGES)
def test_sums_are_right(name: str) -> None:
    text = TEXTS[name]
    found = re.findall(rf"([\d.]+)(?: GB-s| GB)? {TIMES} \$([\d.]+) = \$(\d+\.\d+)", text)
    assert len(found) >= 4
    for amount, price, result in found:
        digits = len(result.partition(".")[2])
        assert abs(float(amount) * float(price) - float(result)) <= 0.51 * 10**-digits, result
    table = text[text.index("| Step | Reckoning |") : text.index("**together**")]
    parts = [float(result) for _, _, result in re.findall(rf"([\d.]+)[^|]*{TIMES} \$([\d.]+) = \$(\d+\.\d+)", table)]
    together = re.search(r"\*\*together\*\* \| \*\*\$([\d.]+)\*\*", text)
    assert together is not None
    assert float(together[1]) == pytest.approx(sum(parts), abs=1e-9)


def test_the_names_that_the_pages_show_are_those_of_the_templates() -> None:
    made = stack("s3-sqs", ENGINE)
    assert made.resources("AWS::S3::Bucket")["FlowLogs"]["BucketName"] in TEXTS["s3-sqs"]
    for queue in made.resources("AWS::SQS::Queue").values():
        assert f":{queue['QueueName']} " in TEXTS["s3-sqs"].replace("\n", " ")
    assert f"199 {TIMES} 1,800 s = 358,200 s" in TEXTS["s3-sqs"]
    assert 199 * 1800 == 358_200
    assert "82,800 s" in TEXTS["kinesis"]
    assert expanded("kinesis")["Mappings"]["ByRetention"]["24"]["Age"] == 82_800
