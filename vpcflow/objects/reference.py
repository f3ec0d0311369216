"""Which object is meant, and where to go on in it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ObjectRef", "Resume"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Where to go on in an object that was handed over.

    etag: of the object that the lines were counted in, without quotes; in another one all begins anew.
    line: index of the first line that is not settled; 0 is the object's first line. Of Parquet: the row's index + 1.
    row_group: of Parquet, the row group that holds this row.
    hops: how often it was handed over, this time included.
    """

    etag: str
    line: int
    row_group: int = 0
    hops: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """One object in S3.

    bucket, key: as S3 knows them, nothing encoded.
    etag: as the notification told it, without quotes; "" where it told none. What is read names itself.
    size: bytes, as the notification told it.
    version_id: of a versioned bucket: this version is read. It is never a part of an id.
    region: of the bucket.
    event_time_ms: when S3 says it was made, milliseconds since 1970.
    resume: where to go on.
    """

    bucket: str
    key: str
    etag: str = ""
    size: int | None = None
    version_id: str = ""
    region: str = ""
    event_time_ms: int | None = None
    resume: Resume | None = None

    @property
    def url(self) -> str:
        """Return `s3://bucket/key`, for people."""
        return f"s3://{self.bucket}/{self.key}"
