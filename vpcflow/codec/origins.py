"""Origins of the transports: what names a record for ever, and what its documents say about where it came from."""

from __future__ import annotations

from vpcflow.codec.identity import origin_key
from vpcflow.types import Origin

__all__ = ["file_origin", "firehose_origin", "kinesis_origin", "request_origin", "s3_origin"]


def kinesis_origin(
    *, stream: str, shard: str, sequence: str, subsequence: int, arrival_ms: int | None = None
) -> Origin:
    """Return the origin of one (de-aggregated) Kinesis record."""
    return Origin(
        identity=origin_key("kinesis", stream, shard, sequence, str(subsequence)),
        name=f"kinesis:{stream}",
        arrival_ms=arrival_ms,
        fields={"aws.kinesis.name": stream, "aws.kinesis.type": "stream"},
    )


def firehose_origin(*, arn: str, arrival_ms: int | None) -> Origin:
    """Return the origin of a Firehose record: AWS gives it no lasting name, so its lines name themselves."""
    fields = {"aws.firehose.arn": arn} if arn else {}
    return Origin(name=f"firehose:{arn.rpartition('/')[2]}", arrival_ms=arrival_ms, fields=fields)


def request_origin(*, arn: str, request_id: str, index: int, arrival_ms: int) -> Origin:
    """Return the origin of a record that Firehose sent to an HTTP endpoint: the request's id stays the same in each retry."""
    fields = {"aws.firehose.arn": arn, "aws.firehose.request_id": request_id}
    return Origin(
        identity=origin_key("firehose-request", request_id, str(index)),
        name=f"firehose:{arn.rpartition('/')[2]}",
        arrival_ms=arrival_ms,
        fields={name: text for name, text in fields.items() if text},
    )


def s3_origin(*, bucket: str, key: str, etag: str, region: str = "", time_ms: int | None = None) -> Origin:
    """Return the origin of an S3 object. When it arrived says nothing about its flows: no window of time.

    Args:
        bucket: its name.
        key: as S3 knows it, not as URLs and notifications write it.
        etag: without quotes. It names the content, so that a new one under the same key is new: never the version's id, which
            the same content gets anew when it is copied over itself.
        region: of the flows; a line's own region goes before it.
        time_ms: for lines without a time, e.g. out of the key.
    """
    fields = {"aws.s3.bucket.name": bucket, "aws.s3.object.key": key}
    return Origin(
        identity=origin_key("s3", bucket, key, etag),
        name=f"s3:{bucket}/{key}",
        time_ms=time_ms,
        fields=fields | {"cloud.region": region} if region else fields,
    )


def file_origin(path: str) -> Origin:
    """Return the origin of a local file or of standard input: its lines name themselves, wherever the file lies."""
    return Origin(name=path)
