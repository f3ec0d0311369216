"""Stands in for vpcflow.forwarding.outputs: one input, one output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.codec import Decoder
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import ConfigError
from vpcflow.metrics.meters import Meters
from vpcflow.pipeline.pipeline import Pipeline, Record
from vpcflow.pipeline.positions import Position
from vpcflow.settings.model import Settings
from vpcflow.sink.delivery import Delivery
from vpcflow.wiring_deadletters import deadletters


class UnknownSource(ConfigError):
    pass


class Fan:
    def __init__(self, pipeline: Pipeline, letters: DeadLetters) -> None:
        self.pipeline, self.letters = pipeline, letters

    def submit(self, record: Record) -> None:
        self.pipeline.submit(record)

    def keep(self, letter: DeadLetter) -> None:
        self.letters.put(letter)

    def flush(self, seconds: float) -> bool:
        return self.pipeline.flush(seconds=seconds)

    @property
    def open(self) -> set[Position]:
        return set(self.pipeline.open)

    def close(self) -> None:
        self.pipeline.close()


class _Kept:
    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    def put(self, *entries: DeadLetter) -> None:
        self._letters.put(*entries)

    def close(self) -> None:
        pass


class Branches:
    def __init__(self, settings: Settings, environ: Mapping[str, str], clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self._sink = wiring.sink(settings)
        self._letters = deadletters(settings, environ, clock, connect=wiring.sink)

    def open(self, *, should_stop: Callable[[], bool], on_wait: Callable[[str, float], None], meters: Meters) -> Fan:
        pipeline = Pipeline(
            decoder=Decoder(wiring.codec_options(self.settings)),
            delivery=Delivery(
                self._sink, wiring.retry_policy(self.settings), self._clock, should_stop, on_wait, meters=meters
            ),
            deadletters=_Kept(self._letters),
            bounds=wiring.batch_bounds(self.settings),
            clock=self._clock,
            meters=meters,
        )
        return Fan(pipeline, self._letters)


class Outputs:
    def __init__(self, settings: Settings, environ: Mapping[str, str], clock: Clock, match: str = "*") -> None:
        self._branches = Branches(settings, environ, clock)
        self._match = match

    def route(self, arn: str) -> Branches:
        if not fnmatchcase(arn, self._match):
            raise UnknownSource(f"{arn}: no input matches it; add it to [inputs]")
        return self._branches
