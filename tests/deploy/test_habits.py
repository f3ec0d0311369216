"""The checks see what they are there for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.deploy import habits
from tests.deploy.consumer.cases import FLOWS, source, stack
from tests.deploy.template import Stack

Check = Callable[[dict[str, Any]], Iterator[str]]


@pytest.mark.parametrize(
    ("path", "value", "check", "complaint"),
    [
        ("Parameters/Name/Description", "A name.", habits.parameters, "Name: Description"),
        ("Parameters/RetentionHours/MaxValue", None, habits.parameters, "RetentionHours: MinValue, MaxValue"),
        ("Parameters/RetentionHours/Default", "24", habits.parameters, "RetentionHours: Default"),
        ("Parameters/StreamArn/AllowedPattern", None, habits.parameters, "StreamArn: AllowedPattern"),
        (
            "Parameters/More",
            {"Type": "String", "Description": "In no group of parameters."},
            habits.parameters,
            "order",
        ),
        ("Parameters/ApiKey", {"Type": "String"}, habits.secrets, "ApiKey"),
        ("Parameters/Name/NoEcho", True, habits.secrets, "Name"),
        ("Outputs/More", {"Value": "arn:aws:s3:::flows"}, habits.written_down, "arn:aws"),
    ],
)
def test_wrong_templates_are_seen(path: str, value: object, check: Check, complaint: str) -> None:
    wrong = copy.deepcopy(source("stream"))
    assert list(check(wrong)) == []
    *way, last = path.split("/")
    place: Any = wrong
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    (said,) = check(wrong)
    assert complaint in said


def test_one_name_for_two_things_is_seen() -> None:
    sources = {"a": {"Rules": {"One": 1, "Two": 2}}, "b": {"Rules": {"One": 3, "Two": 4}}}
    assert list(habits.different(sources, {"Rules": ["Two"]})) == ["Rules.One in a and b"]


def test_another_partition_is_seen() -> None:
    statements = [{"Resource": ["arn:aws:s3:::a", "arn:aws-cn:s3:::b", "*", "arn:aws:s3:::given/x"]}]
    assert list(habits.written_in(statements, "aws-cn", ["arn:aws:s3:::given", "flows"])) == ["arn:aws:s3:::a"]


def test_a_stream_that_goes_with_its_stack_is_seen() -> None:
    made = stack("stream", FLOWS)
    assert list(habits.kept(made)) == []
    wrong = copy.deepcopy(made.template)
    wrong["Resources"]["Stream"]["DeletionPolicy"] = "Delete"
    assert list(habits.kept(Stack(wrong, made.given))) == ["Stream"]
