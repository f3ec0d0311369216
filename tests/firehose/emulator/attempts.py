"""A delivery that is tried again, further and further apart, until its retry duration is over.

https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html: 1 s, doubled each time, ± 15 %,
no more than 2 minutes.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.firehose.emulator.limits import HTTP_BACKOFF_CAP_SECONDS, HTTP_BACKOFF_JITTER, HTTP_BACKOFF_SECONDS
from tests.firehose.emulator.records import Record


@dataclass
class Delivery:
    """Records that are sent together. at: the moment of the next attempt. id: the same for all attempts."""

    records: Sequence[Record]
    at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    first_failure: float | None = None

    def again(self, now: float, retry_seconds: float, pick: random.Random) -> bool:
        """Put the next attempt off; return False when the retry duration would be over by then.

        The counter starts with the first failure. That no attempt is made whose moment lies past it is *assumed*.
        """
        self.first_failure = now if self.first_failure is None else self.first_failure
        self.at = now + backoff(self.attempts - 1, pick)
        return self.at - self.first_failure <= retry_seconds


def backoff(retries: int, pick: random.Random) -> float:
    """Return the seconds before the next attempt."""
    plain = min(HTTP_BACKOFF_CAP_SECONDS, HTTP_BACKOFF_SECONDS * 2.0**retries)
    return plain * pick.uniform(1 - HTTP_BACKOFF_JITTER, 1 + HTTP_BACKOFF_JITTER)
