"""What every template of ours keeps to, whatever it makes. Each check returns its complaints; none means good."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.deploy.template import PSEUDO, Stack, fits, listed

__all__ = ["PARTITIONS", "abroad", "different", "kept", "lint", "parameters", "secrets", "written_down", "written_in"]

PARTITIONS = (("aws-cn", "cn-north-1", "amazonaws.com.cn"), ("aws-us-gov", "us-gov-west-1", "amazonaws.com"))
# A password could be typed there by mistake.
_PATTERNED = ("Arn", "Uri", "Url", "Bucket", "Key")
_SECRETS = ("password", "apikey", "token", "accesskey")
_ONLY_COPIES = ("AWS::S3::Bucket", "AWS::Kinesis::Stream", "AWS::SQS::Queue")


def lint(*paths: Path) -> tuple[int, str]:
    """Return exit code and words of cfn-lint, information included."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout + done.stderr


def parameters(source: Mapping[str, Any]) -> Iterator[str]:
    """Complain about parameters that are in no group, or do not say what they are and what they may be."""
    groups = source["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    if [one for group in groups for one in group["Parameters"]] != list(source["Parameters"]):
        yield "groups and parameters are not in the same order"
    for name, about in source["Parameters"].items():
        if len(about["Description"]) <= 20:
            yield f"{name}: Description"
        if about["Type"] == "Number" and "AllowedValues" not in about and not {"MinValue", "MaxValue"} <= set(about):
            yield f"{name}: MinValue, MaxValue"
        if name.endswith(_PATTERNED) and "AllowedPattern" not in about:
            yield f"{name}: AllowedPattern"
        if "Default" in about and not fits(str(about["Default"]), about):
            yield f"{name}: Default"


def secrets(source: Mapping[str, Any]) -> Iterator[str]:
    """Complain about parameters that would take a secret."""
    for name, about in source["Parameters"].items():
        if "NoEcho" in about or any(word in name.lower() for word in _SECRETS):
            yield name


def different(sources: Mapping[str, Mapping[str, Any]], allowed: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Complain about what bears one name in several templates and is not the same. allowed: by section."""
    for section, exceptions in allowed.items():
        seen: dict[str, tuple[str, object]] = {}
        for name, source in sources.items():
            for key, value in source.get(section, {}).items():
                first, before = seen.setdefault(key, (name, value))
                if key not in exceptions and value != before:
                    yield f"{section}.{key} in {first} and {name}"


def abroad(stack: Stack, name: str, region: str, suffix: str) -> Stack:
    """Return the same stack in another partition of AWS."""
    pseudo = {**PSEUDO, "AWS::Partition": name, "AWS::Region": region, "AWS::URLSuffix": suffix}
    return Stack(stack.template, stack.given, pseudo)


def written_in(statements: Iterable[Mapping[str, Any]], partition: str, given: Iterable[str]) -> Iterator[str]:
    """Complain about resources of statements that are of another partition, and not given by a parameter."""
    own = [one for one in given if one.startswith("arn:")]
    for statement in statements:
        for resource in listed(statement["Resource"]):
            if resource != "*" and not resource.startswith((f"arn:{partition}:", *own)):
                yield resource


def written_down(source: Mapping[str, Any]) -> Iterator[str]:
    """Complain about a partition or an account that a template has in itself."""
    written = json.dumps(source["Resources"]) + json.dumps(source["Outputs"])
    yield from (one for one in ("arn:aws", "amazonaws.com/") if one in written)


def kept(stack: Stack) -> Iterator[str]:
    """Complain about an only copy of data that goes with the stack.

    What a stack left behind that could not be made would take its own name away from the next attempt.
    """
    for name, resource in stack.template["Resources"].items():
        if resource["Type"] in _ONLY_COPIES:
            policies = (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
            if policies != ("RetainExceptOnCreate", "Retain"):
                yield name
