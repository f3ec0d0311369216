"""docs/consumer-aws.md: commands and their options exist, tables say what the templates hold, sums are right."""

from __future__ import annotations

import re
import shlex

import botocore.session
import pytest
from botocore import xform_name

from tests.deploy.cases import DOMAIN, KEY
from tests.deploy.consumer.cases import CASES, NAMES, READER, ROOT, source, stack
from tests.deploy.consumer.test_permissions import Allowed, policies

PAGE = (ROOT / "docs" / "consumer-aws.md").read_text(encoding="utf-8")
TIMES = "\N{MULTIPLICATION SIGN}"
# Commands of the AWS CLI that are not the operation of an API: which options of theirs are used.
CLI_OWN = {
    ("cloudformation", "deploy"): {"--stack-name", "--template-file", "--capabilities", "--parameter-overrides"},
    ("logs", "tail"): {"--since"},
    ("s3", "rb"): {"--force"},
}
CLI_GLOBAL = {"--query", "--output"}


def commands() -> list[list[str]]:
    """Return the words of each command of the AWS CLI, in blocks and within sentences."""
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    inline = re.findall(r"`(aws [^`]+)`", PAGE.replace("\n", " "))
    return [shlex.split(line) for line in (*blocks.splitlines(), *inline) if line.startswith("aws ")]


def test_commands_are_operations_with_such_parameters() -> None:
    session = botocore.session.Session()
    used = commands()
    assert len(used) >= 15
    for _, service, command, *rest in used:
        options = {word for word in rest if word.startswith("--")} - CLI_GLOBAL
        if (service, command) in CLI_OWN:
            assert options <= CLI_OWN[service, command], (service, command)
            continue
        model = session.get_service_model(service)
        operations = {xform_name(one, "-"): one for one in model.operation_names}
        assert command in operations, f"{service} {command}"
        members = model.operation_model(operations[command]).input_shape.members
        known = {f"--{xform_name(one, '-')}" for one in members}
        assert options <= known, f"{service} {command}: {options - known}"


def test_each_template_is_deployed_with_its_example_and_the_capabilities_that_it_needs() -> None:
    deployed = {}
    for words in commands():
        if words[1:3] == ["cloudformation", "deploy"]:
            name = re.fullmatch(r"deploy/consumer/(\w+)\.yaml", words[words.index("--template-file") + 1])
            assert name
            assert f"file://deploy/consumer/examples/{name[1]}.json" in words
            deployed[name[1]] = {word for word in words if word.startswith("CAPABILITY_")}
    assert set(deployed) == set(NAMES)
    for name, capabilities in deployed.items():
        resources = str(source(name)["Resources"])
        wanted = {"CAPABILITY_IAM"} if "AWS::IAM::" in resources else set()
        if "ManagedPolicyName" in resources:
            wanted = {"CAPABILITY_NAMED_IAM"}
        if "Transform" in source(name):
            wanted.add("CAPABILITY_AUTO_EXPAND")
        assert capabilities == wanted, name


def alarms() -> dict[str, str]:
    found = {}
    for name in NAMES:
        for alarm in stack(name, CASES[name][0]).template["Resources"].values():
            if alarm["Type"] == "AWS::CloudWatch::Alarm":
                about = alarm["Properties"]
                shown = re.sub(r"-[0-9]$", "-SLOT", about["AlarmName"]["Fn::Sub"].replace("${Name}", "NAME"))
                assert found.get(shown, "") in ("", about["AlarmDescription"].strip()), "one Name, two alarms"
                found[shown] = about["AlarmDescription"].strip()
    return found


def test_the_table_of_alarms_is_that_of_the_templates() -> None:
    table = PAGE[PAGE.index("\n## Alarms") : PAGE.index("\n## Costs")]
    assert dict(re.findall(r"^\| `(NAME-[a-zA-Z-]+)` \| (.*) \|$", table, re.MULTILINE)) == alarms()


def test_the_table_of_permissions_is_the_policy() -> None:
    """Each action once, and nothing that the policy does not allow."""
    table = PAGE[PAGE.index("| Action | On | Why |") : PAGE.index("A run of two workers")]
    shown = re.findall(r"`([a-z0-9]+:[A-Za-z]+)`", table)
    keys = {"StreamKmsKeyArn": KEY, "SecretKmsKeyArn": KEY, "KmsKeyArn": KEY, "DomainArn": DOMAIN}
    may: Allowed = policies.allowed(stack("permissions", READER, keys))
    assert sorted(shown) == sorted(may)


def test_parameters_and_outputs_that_the_page_names_exist() -> None:
    known = {
        "AccessDenied",
        "CAPABILITY_IAM",
        "CreateTable",
        "UpdateTable",
        "CPUUtilization",
        "LeaseOwnerToLeaseKeyIndex",
    }
    known |= {"RetentionInDays", "DesiredCount"}  # properties of resources
    for name in NAMES:
        known |= set(source(name)["Parameters"]) | set(source(name)["Outputs"])
    for word in re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z]+)+)`", PAGE):
        assert word in known, word


def test_each_endpoint_is_in_its_table() -> None:
    table = PAGE[PAGE.index("| Endpoint | For |") : PAGE.index("Set those false")]
    shown = set(re.findall(r"`([A-Za-z0-9]+)`", table))
    groups = source("endpoints")["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert shown == set(groups[1]["Parameters"])


def test_sums_are_right() -> None:
    found = re.findall(rf"\| ([\d.]+) {TIMES} \$([\d.]+) = \$(\d+\.\d+)", PAGE)
    assert len(found) == 5
    for amount, price, result in found:
        assert float(result) == pytest.approx(float(amount) * float(price), abs=0.51e-4), result
    assert f"1 {TIMES} $0.03238 + 2 {TIMES} $0.00356" in PAGE
    assert pytest.approx(0.0395) == 1 * 0.03238 + 2 * 0.00356
    assert f"17 + 2 {TIMES} 8 + 2 {TIMES} 6 metrics" in PAGE
    assert 17 + 2 * 8 + 2 * 6 == 45
    assert pytest.approx(1.051, abs=1e-3) == 0.4 * 730 * 3600 / 1e6
    assert 6 * 2 * 730 == 8760


def test_the_page_on_scaling_tells_what_the_default_mode_costs() -> None:
    """Its table is for the other mode."""
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert source("stream")["Parameters"]["StreamMode"]["Default"] == "ON_DEMAND"
    flows, average, gzip, month = 10_000, 0.5, 57, 2_628_000
    for constant in (f"AVERAGE = {average}", f"EVENTS, GZIP = 100, {gzip}", "HOURS, SECONDS = 730, 2_628_000"):
        assert constant in page
    gigabytes = flows * average * gzip * month / 1e9
    dollars = gigabytes * (0.08 + 0.04) + 730 * 0.04
    assert f"{gigabytes:.0f} {TIMES} ($0.08 + $0.04) + 730 {TIMES} $0.04 = ${dollars:.0f}\n" in page
    (row,) = [line.split(" | ") for line in page.splitlines() if line.startswith(f"| {flows:,} | ")]
    assert f"instead of {row[4]}, before what is kept" in page


def test_it_says_that_it_was_not_run_in_aws() -> None:
    assert "**Nothing here was run in an AWS account.**" in PAGE
    assert "## What only AWS can show" in PAGE
