"""Templates of CloudFormation, read and worked out as CloudFormation does it: only the functions that ours use.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "firehose"
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
_SHORT = {"!Ref": "Ref", "!Condition": "Condition"}
_LOOP = "Fn::ForEach::"
_IN_TEXT = re.compile(r"\$\{([^!}]+)\}")


class _Nothing:
    """AWS::NoValue: the property is not there."""


NOTHING = _Nothing()


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]
    """YAML with !Ref and its like, read by libyaml: hundreds of tests read large templates."""


def _tag(loader: Any, tag: str, node: Any) -> dict[str, Any]:  # noqa: ANN401 - yaml has no types
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    name = _SHORT.get(f"!{tag}", f"Fn::{tag}")
    return {name: value.split(".", 1) if name == "Fn::GetAtt" else value}


_Loader.add_multi_constructor("!", _tag)


def read(text: str) -> dict[str, Any]:
    """Return a template, its short functions written out."""
    found: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a safe loader with tags
    return found


def template(name: str) -> dict[str, Any]:
    return read((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


@dataclass
class Stack:
    """A template with parameters: what CloudFormation would make of it."""

    template: Mapping[str, Any]
    given: Mapping[str, str] = field(default_factory=dict)
    pseudo: Mapping[str, str] = field(default_factory=lambda: PSEUDO)

    def __post_init__(self) -> None:
        unknown = set(self.given) - set(self.template["Parameters"])
        assert not unknown, f"no such parameters: {unknown}"
        if any(name.startswith(_LOOP) for name in self.template["Resources"]):
            self.template = {**self.template, "Resources": dict(self._unrolled(self.template["Resources"]))}

    def _unrolled(self, resources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield resources as AWS::LanguageExtensions makes them of Fn::ForEach."""
        for name, resource in resources.items():
            if not name.startswith(_LOOP):
                yield name, resource
                continue
            identifier, items, body = resource
            for item in self.worked_out(items):
                yield from _with_item(body, identifier, item).items()

    def parameter(self, name: str) -> str:
        return str(self.given.get(name, self.template["Parameters"][name].get("Default", "")))

    def resources(self, kind: str = "") -> dict[str, Any]:
        """Return the properties of the resources of a type ('': all) that are made, worked out."""
        return {
            name: self.worked_out(resource.get("Properties", {}))
            for name, resource in self.template["Resources"].items()
            if kind in ("", resource["Type"]) and self.holds(resource.get("Condition"))
        }

    def one(self, kind: str) -> Any:  # noqa: ANN401 - JSON
        (found,) = self.resources(kind).values()
        return found

    def refusals(self) -> list[str]:
        """Return what the parameters' own constraints and the Rules say against the given parameters."""
        found = []
        for name, about in self.template["Parameters"].items():
            if not fits(self.parameter(name), about):
                found.append(f"{name}: {self.parameter(name)!r}")
        for rule in self.template.get("Rules", {}).values():
            if "RuleCondition" in rule and not self.truth(rule["RuleCondition"]):
                continue
            found += [one["AssertDescription"] for one in rule["Assertions"] if not self.truth(one["Assert"])]
        return found

    def holds(self, condition: str | None) -> bool:
        return condition is None or self.truth(self.template["Conditions"][condition])

    def truth(self, test: Mapping[str, Any]) -> bool:
        ((name, value),) = test.items()
        if name == "Condition":
            return self.holds(value)
        if name == "Fn::Equals":
            left, right = (self.worked_out(side) for side in value)
            return str(left) == str(right)
        if name == "Fn::Contains":
            return str(self.worked_out(value[1])) in [str(one) for one in self.worked_out(value[0])]
        if name == "Fn::EachMemberEquals":
            return all(str(one) == value[1] for one in self.worked_out(value[0]))
        parts = [self.truth(part) for part in value]
        return {"Fn::Not": not parts[0], "Fn::And": all(parts), "Fn::Or": any(parts)}[name]

    def worked_out(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, list):
            return [one for one in map(self.worked_out, value) if one is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._function(name, argument)
        made = {key: self.worked_out(one) for key, one in value.items()}
        return {key: one for key, one in made.items() if one is not NOTHING}

    def _function(self, name: str, argument: Any) -> Any:  # noqa: ANN401 - JSON
        functions: dict[str, Callable[[], Any]] = {
            "Ref": lambda: self._ref(str(self.worked_out(argument))),
            "Fn::If": lambda: self.worked_out(argument[1] if self.holds(argument[0]) else argument[2]),
            "Fn::Sub": lambda: self._filled_in(argument),
            "Fn::GetAtt": lambda: self._attribute(*argument),
            "Fn::FindInMap": lambda: self._in_map(*map(self.worked_out, argument)),
            "Fn::Join": lambda: argument[0].join(map(str, self.worked_out(argument[1]))),
            "Fn::Split": lambda: self.worked_out(argument[1]).split(argument[0]),
            "Fn::Select": lambda: self.worked_out(argument[1])[int(argument[0])],
        }
        assert name in functions, f"{name}: these tests do not know it"
        return functions[name]()

    def _in_map(self, first: str, second: str, third: str) -> Any:  # noqa: ANN401 - JSON
        return self.template["Mappings"][first][second][third]

    def _filled_in(self, argument: Any) -> str:  # noqa: ANN401 - JSON
        text, own = argument if isinstance(argument, list) else (argument, {})
        values = {name: self.worked_out(value) for name, value in own.items()}
        return _IN_TEXT.sub(lambda found: str(values.get(found[1]) or self._named(found[1])), text)

    def _named(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)

    def _ref(self, name: str) -> Any:  # noqa: ANN401 - JSON
        if name == "AWS::NoValue":
            return NOTHING
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.template["Parameters"]:
            return self._typed(name)
        assert self.holds(self.template["Resources"][name].get("Condition")), f"{name} is not made"
        return f"the-{name.lower()}"

    def _typed(self, name: str) -> Any:  # noqa: ANN401 - JSON
        text, kind = self.parameter(name), self.template["Parameters"][name]["Type"]
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            return text.split(",")
        if kind == "Number":
            return float(text) if "." in text else int(text)
        return text

    def _attribute(self, resource: str, attribute: str) -> str:
        about = self.template["Resources"][resource]
        assert self.holds(about.get("Condition")), f"{resource} is not made"
        if attribute == "QueueName":
            return str(self.worked_out(about["Properties"][attribute]))
        assert attribute == "Arn", attribute
        kind = about["Type"].split("::")[1].lower()
        where = "::" if kind == "s3" else f"{self.pseudo['AWS::Region']}:{self.pseudo['AWS::AccountId']}:"
        return f"arn:{self.pseudo['AWS::Partition']}:{kind}:{where}{resource.lower()}"


def _with_item(value: Any, identifier: str, item: str) -> Any:  # noqa: ANN401 - JSON
    """Return a part of the body of Fn::ForEach, with an item in the place of its identifier."""
    if isinstance(value, str):
        return value.replace(f"${{{identifier}}}", item)
    if isinstance(value, list):
        return [_with_item(one, identifier, item) for one in value]
    if not isinstance(value, dict):
        return value
    if value == {"Ref": identifier}:
        return item
    return {_with_item(key, identifier, item): _with_item(one, identifier, item) for key, one in value.items()}


def fits(value: str, about: Mapping[str, Any]) -> bool:
    """Return whether a parameter may have the value."""
    if "AllowedValues" in about and value not in map(str, about["AllowedValues"]):
        return False
    values = value.split(",") if about["Type"] == "CommaDelimitedList" else [value]
    if "AllowedPattern" in about and not all(re.fullmatch(about["AllowedPattern"], one) for one in values):
        return False
    if about["Type"] == "Number":
        return float(about.get("MinValue", "-inf")) <= float(value) <= float(about.get("MaxValue", "inf"))
    return int(about.get("MinLength", 0)) <= len(value) <= int(about.get("MaxLength", 4096))


def statements(role: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the statements of a role's policies, worked out."""
    for policy in role["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return value if isinstance(value, list) else [value]
