"""The forwarder's templates, expanded by AWS's own SAM translator: what CloudFormation would get."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

from tests.deploy.template import PSEUDO, Stack, read

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "forwarder"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def text(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def source(name: str) -> dict[str, Any]:
    """Return the template as it is written."""
    return read(text(name))


@cache
def _expanded(name: str) -> str:
    template = source(name)
    function = template["Resources"]["Function"]["Properties"]
    function["CodeUri"] = "s3://code-bucket/forwarder.zip"  # what `aws cloudformation package` makes of it
    session = boto3.Session(region_name=PSEUDO["AWS::Region"])
    # It would ask IAM for managed policies by name: the templates name none.
    made = Translator({}, Parser(), boto_session=session).translate(template, parameter_values={})
    return json.dumps(made)


def expanded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_expanded(name))
    return found


def stack(name: str, *given: dict[str, str], pseudo: dict[str, str] | None = None) -> Stack:
    """Return the expanded template with parameters, later ones over earlier ones."""
    both = {key: value for one in given for key, value in one.items()}
    return Stack(expanded(name), both, **({"pseudo": pseudo} if pseudo else {}))
