"""AWS's numbers, each with its page."""

from __future__ import annotations

# https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
MAX_PUT_RECORDS = 500
MAX_PUT_BYTES = 4 * 1024 * 1024
MAX_RECORD_BYTES = 1000 * 1024

# https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html
PROCESSOR_MEGABYTES = (0.2, 3.0)
PROCESSOR_SECONDS = (0, 900)
DEFAULT_PROCESSOR_MEGABYTES = 1.0
DEFAULT_PROCESSOR_SECONDS = 60
DEFAULT_RETRIES = 3

# https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
MAX_INVOCATION_SECONDS = 300

# https://docs.aws.amazon.com/firehose/latest/APIReference/API_BufferingHints.html
S3_MEGABYTES = (1, 128)
# https://docs.aws.amazon.com/firehose/latest/APIReference/API_AmazonopensearchserviceBufferingHints.html
OPENSEARCH_MEGABYTES = (1, 100)
# https://docs.aws.amazon.com/firehose/latest/APIReference/API_HttpEndpointBufferingHints.html
HTTP_MEGABYTES = (1, 64)
DESTINATION_SECONDS = (0, 900)
RETRY_SECONDS = (0, 7200)

# https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html
HTTP_RECORDS = 10_000
HTTP_BODY_BYTES = 64 * 1024 * 1024
HTTP_RESPONSE_BYTES = 1024 * 1024
HTTP_RESPONSE_SECONDS = 180.0
HTTP_BACKOFF_SECONDS = 1.0
HTTP_BACKOFF_CAP_SECONDS = 120.0
HTTP_BACKOFF_JITTER = 0.15
HTTP_ERROR_MESSAGE_CHARACTERS = 8192
ACCESS_KEY_BYTES = 4096
COMMON_ATTRIBUTES = 50

MEGABYTE = 1024 * 1024
"""AWS says MB and means, in its limits of buffers, MiB: *assumed*."""


class Refused(Exception):
    """AWS would not take this configuration or this request. `code` is the name of AWS's exception."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def within(name: str, value: float, bounds: tuple[float, float]) -> None:
    """Refuse a configuration out of AWS's bounds."""
    if not bounds[0] <= value <= bounds[1]:
        raise Refused("InvalidArgumentException", f"{name} must be from {bounds[0]} to {bounds[1]}, not {value}")
