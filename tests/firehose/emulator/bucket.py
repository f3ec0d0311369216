"""S3 as far as Firehose writes to it: objects under evaluated prefixes, and the JSON lines below the error prefix."""

from __future__ import annotations

import json
import random
import re
import string
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from tests.firehose.emulator.limits import Refused
from tests.firehose.emulator.records import Failure, Record, b64


class Bucket(Protocol):
    """What takes objects."""

    def put(self, key: str, body: bytes) -> None: ...


@dataclass
class MemoryBucket:
    """Objects in memory."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, body: bytes) -> None:
        assert key not in self.objects, f"{key} was written before"
        self.objects[key] = body

    def below(self, prefix: str) -> list[bytes]:
        """Return the objects below a prefix in order of their keys."""
        return [body for key, body in sorted(self.objects.items()) if key.startswith(prefix)]

    def entries(self, prefix: str) -> list[dict[str, Any]]:
        """Return the lines of an error prefix."""
        return [json.loads(line) for body in self.below(prefix) for line in body.splitlines()]


class S3Bucket:
    """Objects in S3, by a boto3 client."""

    def __init__(self, client: Any, name: str) -> None:  # noqa: ANN401 - boto3 has no types
        self._client, self._name = client, name

    def put(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=self._name, Key=key, Body=body)


_EXPRESSION = re.compile(r"!\{([a-zA-Z]+):([^}]*)\}")
_JAVA = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


@dataclass(frozen=True, kw_only=True)
class Prefixes:
    """https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html."""

    stream: str
    prefix: str = ""
    error: str = ""

    def __post_init__(self) -> None:
        if "!{" in self.prefix and not self.error:
            raise Refused(
                "InvalidArgumentException", "ErrorOutputPrefix can't be null when Prefix contains expressions"
            )
        if "!{" in self.error and "!{firehose:error-output-type}" not in self.error:
            raise Refused("InvalidArgumentException", "ErrorOutputPrefix must hold !{firehose:error-output-type}")
        if "error-output-type" in self.prefix:
            raise Refused("InvalidArgumentException", "Prefix can't hold !{firehose:error-output-type}")

    def key(self, arrival_ms: int, keys: Mapping[str, str]) -> str:
        """Return the key of an object whose oldest record came then."""
        moment = datetime.fromtimestamp(arrival_ms / 1000, UTC)
        return self._evaluated(_timed(self.prefix), moment, keys, "") + self._name(moment)

    def error_key(self, arrival_ms: int, kind: str) -> str:
        """Return the key of an object with failed records of one kind, e.g. processing-failed."""
        moment = datetime.fromtimestamp(arrival_ms / 1000, UTC)
        plain = self.error or f"{self.prefix}!{{firehose:error-output-type}}/"
        if "!{" not in plain:
            plain += "!{firehose:error-output-type}/"
        return self._evaluated(_timed(plain), moment, {}, kind) + self._name(moment)

    def _evaluated(self, text: str, moment: datetime, keys: Mapping[str, str], kind: str) -> str:
        def value(match: re.Match[str]) -> str:
            match match.groups():
                case ("timestamp", pattern):
                    return _moment(pattern, moment)
                case ("firehose", "error-output-type"):
                    return kind
                case ("firehose", "random-string"):
                    return "".join(random.choices(string.hexdigits.lower(), k=11))
                case ("partitionKeyFromLambda", name):
                    return keys[name]
                case _:
                    raise Refused("InvalidArgumentException", f"{match.group()} is no expression")

        return _EXPRESSION.sub(value, text)

    def _name(self, moment: datetime) -> str:
        return f"{self.stream}-1-{moment:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}"


def _timed(text: str) -> str:
    return text if "!{timestamp:" in text else text + "!{timestamp:yyyy/MM/dd/HH/}"


def _moment(pattern: str, moment: datetime) -> str:
    """Return a time in a pattern of Java's DateTimeFormatter, quoted parts as they are."""
    parts = pattern.split("'")
    for place in range(0, len(parts), 2):
        parts[place] = re.sub("yyyy|MM|dd|HH|mm|ss", lambda found: moment.strftime(_JAVA[found.group()]), parts[place])
    return "".join(parts)


def processing_entry(record: Record, failure: Failure, ended_ms: int, function_arn: str) -> dict[str, object]:
    """Return the line of a record that was not transformed.

    https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html.
    """
    return _entry(record.original, record, failure, ended_ms) | {"lambdaArn": function_arn}


def delivery_entry(record: Record, failure: Failure, ended_ms: int, more: Mapping[str, object]) -> dict[str, object]:
    """Return the line of a record that was not delivered: rawData is what would have been sent.

    https://docs.aws.amazon.com/firehose/latest/dev/retry.html.
    """
    return {**_entry(record.data, record, failure, ended_ms), **more}


def _entry(raw: bytes, record: Record, failure: Failure, ended_ms: int) -> dict[str, object]:
    return {
        "attemptsMade": failure.attempts,
        "arrivalTimestamp": record.arrival_ms,
        "errorCode": failure.code,
        "errorMessage": failure.message,
        "attemptEndingTimestamp": ended_ms,
        "rawData": b64(raw),
    }


def lines(entries: Iterator[dict[str, object]] | list[dict[str, object]]) -> bytes:
    """Return entries as JSON lines."""
    return b"".join(json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)
