"""A record on its way through the stream."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class KinesisMetadata:
    """Where a record of a Kinesis source comes from."""

    shard: str
    partition_key: str
    sequence: str
    subsequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """original: the bytes that came in. data: what the stages made of them so far.

    arrival_ms: milliseconds since 1970. keys: those that the function gave for dynamic partitioning.
    """

    record_id: str
    original: bytes
    data: bytes
    arrival_ms: int
    kinesis: KinesisMetadata | None = None
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a record, or a batch, goes to the error prefix. attempts: requests made for it."""

    code: str
    message: str
    attempts: int = 1


def b64(data: bytes) -> str:
    """Return base64 as AWS writes it."""
    return base64.b64encode(data).decode("ascii")
