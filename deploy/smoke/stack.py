"""The bucket of the code, the stack that is made of it, and what must be gone in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.smoke.account import Account, AwsError, pages
from deploy.smoke.patience import Patience
from vpcflow.errors import EX_SOFTWARE

__all__ = ["TEMPLATES", "SmokeStack", "StackFailed"]

_DEPLOY = Path(__file__).resolve().parents[1]
_CODE_URI = "../../dist/lambda/forwarder-arm64.zip"
_MINUTES = 20
_GONE = {"NoSuchBucket", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException"}
_DELETE_AT_ONCE = 1000
TEMPLATES = {
    "stack.yaml": _DEPLOY / "smoke" / "stack.yaml",
    "probe.yaml": _DEPLOY / "smoke" / "probe.yaml",
    "queue-probe.yaml": _DEPLOY / "smoke" / "queue-probe.yaml",
    "stream.yaml": _DEPLOY / "consumer" / "stream.yaml",
    "to-s3.yaml": _DEPLOY / "firehose" / "to-s3.yaml",
    "s3-sqs.yaml": _DEPLOY / "forwarder" / "s3-sqs.yaml",
}


class StackFailed(AwsError):
    """CloudFormation could not make it; says what, and why."""

    exit_code = EX_SOFTWARE


class SmokeStack:
    """Everything of one run in AWS: one stack, and one bucket that was there before it."""

    def __init__(self, account: Account, patience: Patience, run: str) -> None:
        """Nothing is made yet. run: `smoke-` and eight hexadecimal characters; all names begin with it."""
        self._account, self._patience = account, patience
        self.name = run
        self.code_bucket = ""

    def name_bucket(self, account_id: str) -> None:
        """Give the bucket of the code its name: bucket names are the world's."""
        self.code_bucket = f"{self.name}-code-{account_id}-{self._account.region}"

    def upload(self, zips: Mapping[str, Path]) -> None:
        """Make the bucket of the code and fill it: zip files by their key, and the templates."""
        call = self._account.call
        where = {} if self._account.region == "us-east-1" else {"LocationConstraint": self._account.region}
        more = {"CreateBucketConfiguration": where} if where else {}
        call("s3", "CreateBucket", Bucket=self.code_bucket, **more)
        blocked = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        )
        call("s3", "PutPublicAccessBlock", Bucket=self.code_bucket, PublicAccessBlockConfiguration=blocked)
        for key, path in zips.items():
            body = path.read_bytes() if path.exists() else b""  # a rehearsal needs none
            call("s3", "PutObject", Bucket=self.code_bucket, Key=key, Body=body)
        for key, path in TEMPLATES.items():
            text = path.read_text(encoding="utf-8").replace(_CODE_URI, f"s3://{self.code_bucket}/forwarder.zip")
            call("s3", "PutObject", Bucket=self.code_bucket, Key=key, Body=text.encode())

    def make(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Make the stack; return its outputs. Raises StackFailed."""
        folder = f"https://{self.code_bucket}.s3.{self._account.region}.amazonaws.com/"
        given = {"Name": self.name, "CodeBucket": self.code_bucket, "Templates": folder, **parameters}
        self._account.call(
            "cloudformation",
            "CreateStack",
            StackName=self.name,
            TemplateURL=f"{folder}stack.yaml",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            OnFailure="DO_NOTHING",  # so that it can say why
            Tags=[{"Key": "vpcflow-smoke", "Value": self.name}],
        )
        if not self._patience.until("the stack", self._is_settled, minutes=_MINUTES):
            raise StackFailed(f"stack {self.name} is not complete after {_MINUTES} minutes")
        stack = self._described()
        if stack["StackStatus"] != "CREATE_COMPLETE":
            reasons = "; ".join(self._failures(self.name)) or "no reason given"
            raise StackFailed(f"stack {self.name}: {stack['StackStatus']}: {reasons}")
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def is_there(self) -> bool:
        """Return whether there is a stack of this name in this region."""
        return self._status() != "DELETE_COMPLETE"

    def remove(self) -> list[str]:
        """Take everything away. Return what is left of it, with the reason, one line each; empty if nothing is."""
        left: list[str] = []
        self._delete_stack(left)
        # The stack leaves behind what may hold a last copy. Afterwards nothing writes into it any more.
        for kind, name in self._kept(left):
            self._try(left, kind, name)
        return left

    def _kept(self, left: list[str]) -> Iterator[tuple[str, str]]:
        """Yield buckets, queues and the stream with names of the run, whether or not this process made them."""
        yield "stream", f"{self.name}-stream"
        try:
            for bucket in self._account.call("s3", "ListBuckets").get("Buckets", []):
                if bucket["Name"].startswith(f"{self.name}-"):
                    yield "bucket", bucket["Name"]
        except AwsError as error:
            left.append(f"buckets named {self.name}-…: {error}")
        try:
            for url in self._account.call("sqs", "ListQueues", QueueNamePrefix=f"{self.name}-").get("QueueUrls", []):
                yield "queue", url
        except AwsError as error:
            left.append(f"queues named {self.name}-…: {error}")

    def _resources(self, stack: str) -> Iterator[Mapping[str, Any]]:
        names = ("NextToken", "NextToken")
        for page in pages(self._account, "cloudformation", "ListStackResources", names, StackName=stack):
            for resource in page.get("StackResourceSummaries", []):
                yield resource
                if resource["ResourceType"] == "AWS::CloudFormation::Stack" and resource.get("PhysicalResourceId"):
                    yield from self._resources(resource["PhysicalResourceId"])

    def _delete_stack(self, left: list[str]) -> None:
        try:
            self._account.call("cloudformation", "DeleteStack", StackName=self.name)
            gone = self._patience.until("the stack to be gone", self._is_gone, minutes=_MINUTES)
            if not gone:
                left.append(f"stack {self.name}: not gone after {_MINUTES} minutes")
            elif self._status() == "DELETE_FAILED":
                left += [f"stack {self.name}: {reason}" for reason in self._failures(self.name)] or [
                    f"stack {self.name}: DELETE_FAILED"
                ]
        except AwsError as error:
            left.append(f"stack {self.name}: {error}")

    def _delete_bucket(self, name: str) -> None:
        names = ("NextContinuationToken", "ContinuationToken")
        for page in pages(self._account, "s3", "ListObjectsV2", names, Bucket=name, MaxKeys=_DELETE_AT_ONCE):
            if keys := [{"Key": row["Key"]} for row in page.get("Contents", [])]:
                self._account.call("s3", "DeleteObjects", Bucket=name, Delete={"Objects": keys, "Quiet": True})
        self._account.call("s3", "DeleteBucket", Bucket=name)

    def _try(self, left: list[str], kind: str, name: str) -> None:
        """Delete one thing that was kept; note it as left if that fails."""
        try:
            if kind == "bucket":
                self._delete_bucket(name)
            elif kind == "queue":
                self._account.call("sqs", "DeleteQueue", QueueUrl=name)
            else:
                self._account.call("kinesis", "DeleteStream", StreamName=name, EnforceConsumerDeletion=True)
        except AwsError as error:
            if error.code not in _GONE:
                left.append(f"{kind} {name}: {error}")

    def _described(self) -> dict[str, Any]:
        stacks: list[dict[str, Any]] = self._account.call("cloudformation", "DescribeStacks", StackName=self.name)[
            "Stacks"
        ]
        return stacks[0]

    def _status(self) -> str:
        """Return the stack's status; DELETE_COMPLETE where there is none."""
        try:
            return str(self._described()["StackStatus"])
        except AwsError as error:
            if error.code == "ValidationError":
                return "DELETE_COMPLETE"
            raise

    def _is_settled(self) -> bool:
        return not self._status().endswith("_IN_PROGRESS")

    def _is_gone(self) -> bool:
        return self._status() in {"DELETE_COMPLETE", "DELETE_FAILED"}

    def _failures(self, stack: str) -> Iterator[str]:
        """Yield which resource failed and why, of nested stacks too."""
        for resource in self._resources(stack):
            if resource.get("ResourceStatus", "").endswith("_FAILED"):
                reason = " ".join(str(resource.get("ResourceStatusReason") or "no reason given").split())
                yield f"{resource['LogicalResourceId']}: {resource['ResourceStatus']}: {reason}"
