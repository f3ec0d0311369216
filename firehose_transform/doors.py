"""The two ways back into a stream, and AWS's own words when they are shut.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html and
https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html. Both take at most 500 records, and Firehose 4 MiB;
Kinesis takes more, but is given no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from firehose_transform.events import Request

__all__ = ["MAX_BATCH_BYTES", "MAX_BATCH_RECORDS", "BusyError", "Door", "Part", "ShutError", "door"]

MAX_BATCH_RECORDS = 500
MAX_BATCH_BYTES = 4 * 1024 * 1024
_REQUEST_SECONDS = 20.0
_CONNECT_PART = 1 / 4  # of the time for a request
_BUSY = {
    "InternalFailure", "InternalServerError", "KMSThrottlingException", "LimitExceededException",
    "ProvisionedThroughputExceededException", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable",
    "ServiceUnavailableException", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException",
}  # fmt: skip
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes for the stream. number: of the record in the request. partition_key: for Kinesis."""

    number: int
    data: bytes
    partition_key: str = ""

    @property
    def size(self) -> int:
        """Return what it counts in a request."""
        return len(self.data) + len(self.partition_key.encode())


class BusyError(Exception):
    """Nothing may have been taken; later it may be."""


class ShutError(Exception):
    """Nothing was taken, and it stays so."""


class Door(Protocol):
    """Takes parts."""

    def put(self, parts: Sequence[Part]) -> list[str]:
        """Put at most 500 parts and 4 MiB; return for each why it was not taken, or ''.

        Raises:
            BusyError: ask again.
            ShutError: do not.
        """
        ...


def door(request: Request, seconds: float = _REQUEST_SECONDS) -> Door:
    """Return the way back into the stream that the request came from. boto3 is imported here, for those who need it.

    Args:
        request: names the stream.
        seconds: a request to AWS is given up after that.

    Raises:
        BusyError: credentials could not be had.
        ShutError: no boto3, no region, an endpoint that is none.
    """
    if request.stream_arn:
        return _KinesisDoor(_client("kinesis", request.region, seconds), request.stream_arn)
    return _FirehoseDoor(_client("firehose", request.region, seconds), request.delivery_arn.rpartition("/")[2])


class _FirehoseDoor:
    def __init__(self, client: Any, stream: str) -> None:  # noqa: ANN401 - boto3 has no types
        self._client = client
        self._stream = stream

    def put(self, parts: Sequence[Part]) -> list[str]:
        with _explained("firehose:PutRecordBatch"):
            records = [{"Data": part.data} for part in parts]
            answer = self._client.put_record_batch(DeliveryStreamName=self._stream, Records=records)
        return _refusals(answer.get("RequestResponses"), len(parts))


class _KinesisDoor:
    def __init__(self, client: Any, arn: str) -> None:  # noqa: ANN401 - boto3 has no types
        self._client = client
        self._arn = arn

    def put(self, parts: Sequence[Part]) -> list[str]:
        with _explained("kinesis:PutRecords"):
            records = [{"Data": part.data, "PartitionKey": part.partition_key} for part in parts]
            answer = self._client.put_records(StreamARN=self._arn, Records=records)
        return _refusals(answer.get("Records"), len(parts))


def _refusals(entries: object, count: int) -> list[str]:
    if not isinstance(entries, list) or len(entries) != count:
        raise BusyError(f"the answer does not have {count} entries")
    return [
        f"{entry['ErrorCode']}: {entry.get('ErrorMessage', '')}" if entry.get("ErrorCode") else "" for entry in entries
    ]


def _client(service: str, region: str, seconds: float) -> Any:  # noqa: ANN401 - boto3 has no types
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ShutError("boto3 is not installed") from error
    once = {"mode": "standard", "total_max_attempts": 1}  # our own retries know entries and deadlines
    connect = seconds * _CONNECT_PART
    config = Config(connect_timeout=connect, read_timeout=seconds - connect, retries=once)
    try:
        with _explained(service):
            return boto3.Session().client(service, region_name=region or None, config=config)
    except ValueError as error:  # AWS_ENDPOINT_URL
        raise ShutError(f"{service}: {' '.join(str(error).split())}") from error


@contextmanager
def _explained(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ParamValidationError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        said = " ".join(str(error.response.get("Error", {}).get("Message") or "").split())
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = BusyError if code in _BUSY or status >= _SERVER_ERROR else ShutError
        raise kind(f"{what}: {code}: {said}") from error
    except (NoCredentialsError, NoRegionError, ParamValidationError) as error:
        raise ShutError(f"{what}: {' '.join(str(error).split())}") from error
    except BotoCoreError as error:
        raise BusyError(f"{what}: {' '.join(str(error).split())}") from error
