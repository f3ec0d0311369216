"""Every policy of a stack, whatever carries it. Each check returns its complaints; none means good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.deploy import checks
from tests.deploy.template import Stack, listed

# Where AWS knows no narrower resource, with the reason.
WIDE = {
    "PutMetrics": "metrics have no ARN; a condition names the namespace",
    "LogInToEcr": "ecr:GetAuthorizationToken has no resource level",
}
# What ends in * although it is narrow: objects below a prefix, log streams of a group, requests to one domain.
BELOW = ("/dead-letters/*", ":log-group:*", ":log-group:/vpc/flow-logs:*", ":domain/flows/*")
# What a role's trust must ask, by the service that may take it.
TRUST = {
    "logs.amazonaws.com": ({"aws:SourceAccount", "aws:SourceArn"}, {"aws:SourceArn"}, {"aws:SourceOrgID"}),
    "vpc-flow-logs.amazonaws.com": ({"aws:SourceAccount", "aws:SourceArn"},),
    "ecs-tasks.amazonaws.com": ({"aws:SourceAccount", "aws:SourceArn"},),
}
# Roles of other accounts: what their account is comes from the source's ARN, or from its organization.
FOR_OTHERS = {"DestinationRole"}


def documents(stack: Stack) -> list[dict[str, Any]]:
    """Return the documents of all policies, worked out, but not those of roles' trust."""
    return [document for _, document in _documents(stack)]


def _documents(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in stack.resources("AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            yield name, policy["PolicyDocument"]
    for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
        for name, policy in stack.resources(kind).items():
            yield name, policy["PolicyDocument"]


def statements(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where it is, and each statement of roles' and managed policies, worked out."""
    for name, document in _documents(stack):
        for statement in document["Statement"]:
            yield f"{name}: {statement['Sid']}", statement


def allowed(stack: Stack) -> dict[str, list[str]]:
    """Return what all policies of the stack allow: action → resources."""
    found: dict[str, list[str]] = {}
    for _, statement in statements(stack):
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            found.setdefault(action, []).extend(listed(statement["Resource"]))
    return found


def wildcards(stack: Stack) -> Iterator[str]:
    """Complain about a * in an action, or in a resource that is not below one that is named."""
    for where, statement in statements(stack):
        for action in listed(statement["Action"]):
            if "*" in action:
                yield f"{where}: {action}"
        for resource in listed(statement["Resource"]):
            narrow = resource.endswith(BELOW) and "*" not in resource[:-1]
            if "*" in resource and where.split(": ")[1] not in WIDE and not narrow:
                yield f"{where}: {resource}"


def unknown_actions(stack: Stack) -> Iterator[str]:
    """Complain about actions that are no operation of AWS, as botocore knows them: cfn-lint does not see a misspelt one."""
    for where, statement in statements(stack):
        for action in listed(statement["Action"]):
            prefix, _, operation = action.partition(":")
            if action not in checks.NO_OPERATIONS and operation not in checks._operations(prefix):
                yield f"{where}: no such action: {action}"


def keys_without_service(stack: Stack) -> Iterator[str]:
    """Complain about keys that may be used for anything: each is for one service, or for data of one."""
    for where, statement in statements(stack):
        if any(action.startswith("kms:") for action in listed(statement["Action"])):
            asked = {key for test in statement.get("Condition", {}).values() for key in test}
            if asked != {"kms:ViaService"}:
                yield f"{where}: {sorted(asked)}"


def trust(stack: Stack) -> Iterator[str]:
    """Complain about roles that a service could take on behalf of somebody else."""
    account = stack.pseudo["AWS::AccountId"]
    for name, role in stack.resources("AWS::IAM::Role").items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        tests = {key: value for operator in statement.get("Condition", {}).values() for key, value in operator.items()}
        if set(tests) not in TRUST[statement["Principal"]["Service"]]:
            yield f"{name}: {sorted(tests)}"
        elif name not in FOR_OTHERS and (
            tests.get("aws:SourceAccount") != account or f":{account}:" not in str(tests.get("aws:SourceArn"))
        ):
            yield f"{name}: {tests}"


def destination_policy(stack: Stack) -> dict[str, Any]:
    """Return the one statement of a destination's policy."""
    document = json.loads(stack.one("AWS::Logs::Destination")["DestinationPolicy"])
    (statement,) = document["Statement"]
    assert document["Version"] == "2012-10-17"
    found: dict[str, Any] = statement
    return found
