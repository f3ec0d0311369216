"""Origins of the transports: what names a record for ever, and what its documents say about where it came from."""

from __future__ import annotations

from vpcflow.codec.identity import origin_key
from vpcflow.types import Origin

__all__ = ["file_origin", "firehose_origin", "kinesis_origin", "request_origin"]


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


def file_origin(path: str) -> Origin:
    """Return the origin of a local file or of standard input: its lines name themselves, wherever the file lies."""
    return Origin(name=path)
