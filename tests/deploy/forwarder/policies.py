"""Every policy of a stack: of roles, of queues, of buckets. Each check returns its complaints; none means good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.deploy import checks
from tests.deploy.template import Stack, listed

# Where AWS knows no narrower resource; what denies may deny all.
WIDE = {"MakeInterfaces": "interfaces do not exist before; Describe actions of EC2 have no resource level"}
# What ends in * although it is narrow: objects below a prefix, log streams of a group, streams of the account as a source.
BELOW = (":log-group:", "/*", "AWSLogs/*")


def resource_policies(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where it is, and each statement of the policies of queues and buckets."""
    for kind in ("AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"):
        for name, policy in stack.resources(kind).items():
            for statement in policy["PolicyDocument"]["Statement"]:
                yield f"{name}: {statement['Sid']}", statement


def role_policies(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in stack.resources("AWS::IAM::Role").items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield f"{name}: {statement.get('Sid', '?')}", statement


def wildcards(stack: Stack) -> Iterator[str]:
    """Complain about a * in what is allowed: an action, or a resource that is not below one of this stack's."""
    for where, statement in (*role_policies(stack), *resource_policies(stack)):
        if statement["Effect"] == "Deny":
            continue
        for action in listed(statement["Action"]):
            if "*" in action:
                yield f"{where}: {action}"
        for resource in listed(statement["Resource"]):
            if "*" in resource and where.split(": ")[1] not in WIDE and not resource.endswith(BELOW):
                yield f"{where}: {resource}"
            if "*" in resource[:-1]:
                yield f"{where}: {resource}"


def strangers(stack: Stack) -> Iterator[str]:
    """Complain about services that may act for anybody: a service is let in with the ARN of its source, and its account."""
    for where, statement in resource_policies(stack):
        if statement["Effect"] == "Deny":
            continue
        asked = {key for test in statement.get("Condition", {}).values() for key in test}
        enough = {"aws:SourceArn"} if where.endswith("FromTopic") else {"aws:SourceArn", "aws:SourceAccount"}
        if set(statement["Principal"]) != {"Service"} or not enough <= asked:
            yield f"{where}: {statement['Principal']} {sorted(asked)}"
    for name, permission in stack.resources("AWS::Lambda::Permission").items():
        if not {"SourceArn", "SourceAccount"} <= set(permission):
            yield f"{name}: {sorted(permission)}"


def unknown_actions(stack: Stack) -> Iterator[str]:
    """Complain about actions that AWS does not know."""
    for where, statement in (*role_policies(stack), *resource_policies(stack)):
        for action in listed(statement["Action"]):
            prefix, _, operation = action.partition(":")
            wild = action.endswith(":*") and statement["Effect"] == "Deny"
            known = wild or action in checks.NO_OPERATIONS or operation in checks._operations(prefix)
            if not known:
                yield f"{where}: {action}"


def plain_http(stack: Stack) -> Iterator[str]:
    """Complain about queues and buckets that take requests without TLS."""
    closed: set[str] = set()
    for _, statement in resource_policies(stack):
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}:
            closed.update(listed(statement["Resource"]))
    for kind in ("sqs", "s3"):
        for name in stack.resources("AWS::SQS::Queue" if kind == "sqs" else "AWS::S3::Bucket"):
            arn = stack.worked_out({"Fn::GetAtt": [name, "Arn"]})
            if not ({arn} if kind == "sqs" else {arn, f"{arn}/*"}) <= closed:
                yield name


def allowed(stack: Stack, role: str = "FunctionRole") -> dict[str, list[str]]:
    """Return the actions that a role allows → the resources."""
    found: dict[str, list[str]] = {}
    for policy in stack.resources("AWS::IAM::Role")[role]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                for action in listed(statement["Action"]):
                    found.setdefault(action, []).extend(listed(statement["Resource"]))
    return found
