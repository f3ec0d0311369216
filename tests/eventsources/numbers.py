"""The numbers of the templates; README.md has the arithmetic."""

from __future__ import annotations

from tests.eventsources.emulator import limits

HOUR = 3600

QUEUE_TIMEOUT = 300
VISIBILITY = 6 * QUEUE_TIMEOUT
RECEIVES = 200
QUEUE_RETENTION = 14 * 24 * HOUR
QUEUE_BATCH = 10

STREAM_TIMEOUT = 300
STREAM_RETENTION_HOURS = 24
STREAM_BATCH = 1000
STREAM_WINDOW = 5

LOGS_TIMEOUT = 60
OBJECT_TIMEOUT = 300
RETRIES = 2
EVENT_AGE = 6 * HOUR


def record_age(retention_hours: int) -> int:
    """Return MaximumRecordAgeInSeconds: an hour before the stream lets go."""
    return min((retention_hours - 1) * HOUR, limits.RECORD_AGE_SECONDS[1])
