"""What a handler gets beside its event, on a simulated clock."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from vpcflow.clock import FakeClock


@dataclass
class Context:
    """arn: of the function; its name is the last part. seconds: the time-out."""

    clock: FakeClock
    seconds: float
    invoked_function_arn: str
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    memory_limit_in_mb: str = "512"
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock.monotonic()

    @property
    def function_name(self) -> str:
        return self.invoked_function_arn.rpartition(":")[2]

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0.0, self._started + self.seconds - self.clock.monotonic()) * 1000)
