"""Flow logs, and a fan of one output that keeps documents in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vpcflow.clock import FakeClock
from vpcflow.codec import CodecOptions, Decoder
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.objects.reference import ObjectRef
from vpcflow.pipeline.counts import Counts
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.pipeline.positions import Position
from vpcflow.retry import RetryPolicy
from vpcflow.sink.abstract import Sink
from vpcflow.sink.delivery import Delivery

NAME = "123456789012_vpcflowlogs_eu-central-1_fl-1_20261101T0005Z_a.log.gz"
KEY = f"AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/11/01/{NAME}"
REF = ObjectRef(bucket="logs", key=KEY)
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)


def lines(count: int) -> list[str]:
    flow = "2 123456789012 eni-1 10.0.0.1 10.0.0.2 {port} 443 6 1 40 1793491200 {end} ACCEPT OK"
    return [HEADER, *(flow.format(port=1000 + n, end=1793491200 + n) for n in range(count))]


@dataclass
class Fan:
    """One output."""

    sink: Sink
    letters: MemoryDeadLetters
    lines: int = 0
    should_stop: Callable[[], bool] = lambda: False
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        clock = FakeClock()
        bounds = BatchBounds(max_bytes=20_000, max_actions=50, max_age_seconds=60, storm_fraction=1.0)
        delivery = Delivery(self.sink, RetryPolicy(), clock, self.should_stop, lambda _reason, _seconds: None)
        self.pipeline = Pipeline(
            decoder=Decoder(CodecOptions()), delivery=delivery, deadletters=self.letters, bounds=bounds, clock=clock
        )

    def submit(self, record: Record) -> None:
        self.lines += record.data.count(b"\n")
        self.pipeline.submit(record)

    def keep(self, letter: DeadLetter) -> None:
        self.letters.put(letter)

    def close(self) -> None:
        self.pipeline.close()

    def flush(self, seconds: float) -> bool:
        return self.pipeline.flush(seconds=seconds)

    @property
    def counts(self) -> dict[str, Counts]:
        return {"default": self.pipeline.counts}

    @property
    def open(self) -> set[Position]:
        return {*self.pipeline.open}
