"""What a batch of messages does with its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from vpcflow.clock import FakeClock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.forwarding.messages import Messages
from vpcflow.forwarding.work import Run
from vpcflow.objects.reference import ObjectRef
from vpcflow.pipeline.pipeline import Record
from vpcflow.pipeline.positions import Position
from vpcflow.types import LinesAt, Origin

REF = ObjectRef(bucket="a", key="k")


@dataclass
class SlowFan:
    """Waits as long as it may, and settles nothing."""

    clock: FakeClock
    open: set[Position] = field(default_factory=set)
    asked: list[float] = field(default_factory=list)

    def submit(self, record: Record) -> None:
        self.open.add(record.position)

    def keep(self, letter: DeadLetter) -> None:
        raise AssertionError(letter)

    def flush(self, seconds: float) -> bool:
        self.asked.append(seconds)
        self.clock.advance(seconds)
        return False

    def close(self) -> None:
        pass


class OneLine:
    etag = "e"
    origin = Origin(identity=b"i", name="s3:a/k")

    def wanted(self, _ref: ObjectRef) -> bool:
        return True

    @contextmanager
    def open(self, _ref: ObjectRef) -> Iterator[OneLine]:
        yield self

    def gone(self, _ref: ObjectRef, _error: Exception) -> None:
        return None

    def runs(self) -> Iterator[Run]:
        yield Run(at=LinesAt(position=0), data=b"x\n", lines=1)

    def is_over(self) -> bool:
        return False


def test_all_inputs_together_are_waited_for_no_longer_than_asked() -> None:
    clock = FakeClock()
    fans = {name: SlowFan(clock) for name in "abc"}
    routes = {f"arn:aws:s3:::{name}/k": name for name in fans}
    batch = Messages(
        route=lambda *arns: routes[arns[0]],
        open_fan=fans.__getitem__,
        reads=lambda _branches: OneLine(),
        send=None,
        deadline=OneLine(),
        clock=clock,
        max_continuations=1,
    )
    batch.take_objects("m", [replace(REF, bucket=name) for name in fans])
    begun = clock.monotonic()
    assert not batch.settle(5.0)
    assert clock.monotonic() - begun == 5.0
    assert [fan.asked for fan in fans.values()] == [[5.0], [0.0], [0.0]]  # each is asked
    assert not batch.is_settled("m")
