"""AWS's numbers, each with its page."""

from __future__ import annotations

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
PAYLOAD_BYTES = 6 * 1024 * 1024
ASYNCHRONOUS_BYTES = 1024 * 1024
TIMEOUT_SECONDS = (1, 900)

# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
SQS_BATCH = (1, 10_000)
SQS_FIFO_BATCH = (1, 10)
SQS_BATCH_WITHOUT_WINDOW = 10
WINDOW_SECONDS = (0, 300)

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MESSAGE_BYTES = 1024 * 1024
MESSAGE_RETENTION_SECONDS = (60, 1_209_600)
VISIBILITY_SECONDS = (0, 43_200)
RECEIVED_AT_ONCE = 10

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
RECEIVE_COUNT = (1, 1000)

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
DEDUPLICATION_SECONDS = 300

# https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
KINESIS_BATCH = (1, 10_000)
PARALLELIZATION = (1, 10)
RETRY_ATTEMPTS = (-1, 10_000)
RECORD_AGE_SECONDS = (60, 604_800)

# https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
STREAM_RETENTION_SECONDS = (86_400, 31_536_000)

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
ASYNCHRONOUS_RETRIES = (0, 2)
ASYNCHRONOUS_WAITS_SECONDS = (60.0, 120.0)
EVENT_AGE_SECONDS = (60, 21_600)
THROTTLED_SECONDS = (1.0, 300.0)
"""First and longest wait before an event that was throttled is tried again."""

# https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html
TOPIC_BYTES = 256 * 1024


class Refused(Exception):
    """AWS would not take this configuration or this request. `code` is the name of AWS's exception."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def within(name: str, value: float, bounds: tuple[float, float]) -> None:
    """Refuse a configuration out of AWS's bounds."""
    if not bounds[0] <= value <= bounds[1]:
        raise Refused("InvalidParameterValueException", f"{name} must be from {bounds[0]} to {bounds[1]}, not {value}")
