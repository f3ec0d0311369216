"""The objects of a bucket that hold the flow logs of some days, without listing what lies beside them.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from vpcflow.aws import explained
from vpcflow.errors import EX_USAGE, DataError, VpcFlowError
from vpcflow.objects.keys import KeyFacts, day_folders, facts
from vpcflow.objects.reference import ObjectRef

__all__ = ["Listing", "Span", "bucket_and_prefix", "moment"]

_EX_NOINPUT = 66
_FIRST_YEAR, _LAST_YEAR = 2015, 9998  # flow logs are of 2015; a year later is the last that a date can have
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From a moment on, up to another one, which is not in it; milliseconds since 1970, UTC."""

    first_ms: int
    end_ms: int

    def __str__(self) -> str:
        """Return it for people."""
        return f"{_shown(self.first_ms)} to {_shown(self.end_ms)}"

    def holds(self, key: KeyFacts) -> bool:
        """Return whether an object may hold something of it, as far as its key says; one that says nothing may."""
        if key.time_ms is None:
            return True
        length = 1 if key.flow_log else _DAY_MS if key.hour is None else _HOUR_MS
        return key.time_ms < self.end_ms and key.time_ms + length > self.first_ms


def moment(option: str, text: str, *, is_end: bool = False) -> int:
    """Return milliseconds since 1970 of a date or an ISO time, UTC where it names no other zone.

    A date as an end has that day in it; a time as an end is the first moment that is not in it.

    Raises:
        VpcFlowError: it is neither, or of a year without flow logs.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{option}: {text!r} is no date; give 2026-11-01 or 2026-11-01T06:00:00Z"
        raise VpcFlowError(message, exit_code=EX_USAGE) from error
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    is_date = len(text) == len("2026-11-01") or (len(text) == len("20261101") and text.isdecimal())
    if not _FIRST_YEAR <= when.year <= _LAST_YEAR:
        message = f"{option}: {text}: not between {_FIRST_YEAR} and {_LAST_YEAR}; give a year that has flow logs"
        raise VpcFlowError(message, exit_code=EX_USAGE)
    if is_date and is_end:
        when += timedelta(days=1)
    return int(when.timestamp() * 1000)


def bucket_and_prefix(source: str) -> tuple[str, str]:
    """Split `s3://bucket/prefix`. Raises DataError for anything else."""
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not source.startswith("s3://") or not bucket:
        what = "no bucket" if source.startswith("s3://") else "not in S3"
        raise DataError(f"{source}: {what}; with --from and --to give s3://BUCKET/PREFIX", exit_code=_EX_NOINPUT)
    return bucket, prefix


class Listing:
    """The objects of a span below a prefix."""

    def __init__(
        self,
        s3: Any,  # noqa: ANN401 - boto3 has no types
        bucket: str,
        prefix: str,
        span: Span,
        *,
        accounts: Sequence[str],
        regions: Sequence[str],
    ) -> None:
        """Keep the parts; nothing is asked.

        Args:
            s3: a boto3 client.
            bucket: where.
            prefix: what stands before `AWSLogs/`, or any beginning of the folders of flow logs.
            span: which.
            accounts: only these; none: all.
            regions: only these; none: all.
        """
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._span = span
        self._accounts = accounts
        self._regions = regions

    def folders(self) -> list[str]:
        """Return the folders of the days, in the order of their names. Raises VpcFlowError."""
        first = datetime.fromtimestamp(self._span.first_ms / 1000, UTC).date()
        last = datetime.fromtimestamp((self._span.end_ms - 1) / 1000, UTC).date()
        found = day_folders(
            self._prefix, self._below, first=first, last=last, accounts=self._accounts, regions=self._regions
        )
        return sorted(found)

    def objects(self, folder: str) -> Iterator[ObjectRef]:
        """Yield the objects of a folder that may hold something of the span, by the order of keys. Raises VpcFlowError."""
        for page in self._pages(folder, ""):
            for found in page.get("Contents", ()):
                if found["Size"] and self._span.holds(facts(found["Key"])):
                    yield ObjectRef(
                        bucket=self._bucket, key=found["Key"], etag=found["ETag"].strip('"'), size=found["Size"]
                    )

    def _below(self, path: str) -> Iterator[str]:
        for page in self._pages(path, "/"):
            yield from (one["Prefix"] for one in page.get("CommonPrefixes", ()))

    def _pages(self, prefix: str, delimiter: str) -> Iterator[Any]:
        with explained(f"s3://{self._bucket}/{prefix}", "the bucket's name", VpcFlowError):
            yield from self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, Delimiter=delimiter
            )


def _shown(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
