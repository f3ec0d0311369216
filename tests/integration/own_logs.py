"""LocalStack with our own CloudWatch Logs in place of its: control messages, events that come twice, patterns.

Payloads are those of `vpcflow.generate`. They are put into streams, and given to functions, of LocalStack.
"""

from __future__ import annotations

import base64
import fnmatch
import gzip
import json
import re
import uuid
from collections.abc import Callable

from tests.integration.cloud import Destination, LogGroup
from tests.integration.own_firehose import OwnFirehoseCloud
from vpcflow.generate import Generator
from vpcflow.stack.streams import put_records

__all__ = ["OwnLogsCloud", "matcher"]

_COLUMN = re.compile(r"(\w+)(?:\s*(!?=)\s*\"?([^\s\",]+)\"?)?")


class OwnLogsCloud(OwnFirehoseCloud):
    """LocalStack but for CloudWatch Logs and Firehose."""

    def log_group(self) -> LogGroup:
        return _LogGroup(self, f"/vpc/{self.named('group')}")


class _LogGroup:
    def __init__(self, cloud: OwnLogsCloud, name: str) -> None:
        self._cloud, self.name = cloud, name
        self._filters: list[tuple[Destination, Callable[[str], bool]]] = []

    def subscribe(self, destination: Destination, pattern: str = "") -> None:
        self._filters.append((destination, matcher(pattern)))

    def write(self, made: Generator) -> None:
        for text in made.documents():
            for number, (destination, matches) in enumerate(self._filters):
                payload = json.loads(text)
                if payload["messageType"] == "DATA_MESSAGE":
                    payload |= {"logGroup": self.name, "subscriptionFilters": [f"filter-{number}"]}
                    payload["logEvents"] = [row for row in payload["logEvents"] if matches(row["message"])]
                if payload["logEvents"]:
                    self._send(destination.arn, gzip.compress(json.dumps(payload).encode()))

    def _send(self, arn: str, data: bytes) -> None:
        name = re.split("[:/]", arn)[-1]
        if ":lambda:" in arn:
            event = {"awslogs": {"data": base64.b64encode(data).decode()}}
            functions = self._cloud.client("lambda")
            functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode())
        else:
            put_records(self._cloud.endpoint, name, [(uuid.uuid4().hex, data)])


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a line fits a pattern for space-delimited events: `[version, account, …, action=REJECT, …]`.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html. As many columns as the line has; of
    conditions `=` and `!=`, with `*` in the value. Other patterns are refused.
    """
    if not pattern:
        return lambda _line: True
    if not (pattern.startswith("[") and pattern.endswith("]")):
        raise ValueError(f"not understood: {pattern}")
    columns: list[tuple[str, str]] = []
    for part in pattern[1:-1].split(","):
        found = _COLUMN.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"not understood: {part}")
        columns.append((found[2] or "", found[3] or ""))

    def matches(line: str) -> bool:
        cells = line.split(" ")
        return len(cells) == len(columns) and all(
            fnmatch.fnmatchcase(cell, value) is (condition == "=")
            for cell, (condition, value) in zip(cells, columns, strict=True)
            if condition
        )

    return matches
