"""Where records go: the outputs of each input, made once for the process, and a fan of them for each batch.

Each output is a pipeline of its own, so that filters, documents, dead letters and patience are its own. A record is settled
when every output has settled it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.codec import Decoder
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import ConfigError, SinkUnavailable
from vpcflow.forwarding.fan import Fan, Leg
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.pipeline.flights import Delivers
from vpcflow.pipeline.pipeline import Pipeline
from vpcflow.settings.decoding import checked_options
from vpcflow.settings.model import Settings
from vpcflow.settings.routes import Route, Routes
from vpcflow.sink.breaker import Breaker
from vpcflow.sink.delivery import Delivery
from vpcflow.sink.engine import EngineSink
from vpcflow.sink.window import Window
from vpcflow.wiring_deadletters import deadletters

__all__ = ["Around", "Branches", "Outputs", "UnknownSource"]

Around = Callable[[Settings, EngineSink, Delivers], Delivers]
T = TypeVar("T")

# Of two outputs that differ in these alone, one cluster takes what is sent.
_NOT_OF_A_CLUSTER: dict[str, Any] = {
    "target": "",
    "data_stream": False,
    "pipeline": "",
    "compression_level": 0,
    "max_wire_bytes": 0,
    "connections": 0,
    "request_timeout_seconds": 0,
    "rotation_seconds": 0,
}


class UnknownSource(ConfigError):
    """No input is declared for a source: what came from it must be kept where it is."""


@dataclass(slots=True, kw_only=True)
class _Engine:
    """A connection that outputs with equal settings share; window and breaker are those of the cluster.

    checked: its target was looked at, and is right. away: it was not there when it was looked for last.
    """

    sink: EngineSink
    window: Window
    breaker: Breaker
    checked: bool = False
    away: bool = False

    def check(self, run: Callable[[Callable[[], None]], None], *, alone: bool) -> None:
        """Look at the target once in its life; `run` waits for a cluster that is away.

        Where there are other outputs, one that was waited for in vain is asked a single time by each batch that follows.
        """
        if self.checked:
            return
        waits, self.away = alone or not self.away, True
        if waits:
            run(self.sink.check_target)
        else:
            self.sink.check_target()
        self.checked, self.away = True, False


class _Keeper:
    """A place for dead letters, for all outputs that keep theirs in it."""

    def __init__(self, make: Callable[[Callable[[], bool]], DeadLetters]) -> None:
        self._asked: Callable[[], bool] = lambda: False
        self._letters = make(self._should_stop)
        self.close = self._letters.close

    def put(self, entries: tuple[DeadLetter, ...], should_stop: Callable[[], bool]) -> None:
        self._asked = should_stop
        self._letters.put(*entries)

    def _should_stop(self) -> bool:
        return self._asked()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a pipeline sees of a keeper that lives longer. Equal: the same place."""

    keeper: _Keeper
    leg: Leg = field(compare=False)

    def put(self, *entries: DeadLetter) -> None:
        """Keep them, and wait for an index no longer than the leg may be waited for."""
        self.keeper.put(entries, self.leg.should_stop)

    def close(self) -> None:
        """Leave it open."""


@dataclass(slots=True)
class _Shared:
    """What outputs have in common, found again by equal settings."""

    made: list[tuple[object, object]] = field(default_factory=list)

    def get(self, key: object, make: Callable[[], T]) -> T:
        """Return what was made for an equal key, or make it now."""
        for known, value in self.made:
            if known == key:
                return value  # type: ignore[return-value]
        value = make()
        self.made.append((key, value))
        return value


class Outputs:
    """Lives as long as the process. Nothing is connected before a fan is opened; used by one thread at a time."""

    def __init__(
        self,
        routes: Routes,
        environ: Mapping[str, str],
        clock: Clock,
        *,
        around: Around = lambda _settings, _engine, delivery: delivery,
    ) -> None:
        """Make the decoders of all outputs, so that what is wrong in one of them is said at the start.

        Args:
            routes: the inputs.
            environ: the process's, for dead letters.
            clock: for waits.
            around: puts something around the delivery of an output, such as a question for ids that are there.

        Raises:
            ConfigError: a format, a filter or a label file that cannot be read, with its whole path.
        """
        self._routes = routes
        self._decoders = {
            (route.input, name): Decoder(options) for route, name, options in checked_options(routes, with_labels=True)
        }
        self._environ = environ
        self._clock = clock
        self._around = around
        self._branches: dict[str, Branches] = {}
        self._engines = _Shared()
        self._windows = _Shared()
        self._breakers = _Shared()
        self._keepers = _Shared()

    def route(self, *arns: str) -> Branches:
        """Return the branches of a source by the names that it has, the same object each time.

        Raises:
            UnknownSource: no input matches it.
        """
        route = self._routes.for_source(*arns)
        if route is None:
            raise UnknownSource(f"{arns[-1]}: no input matches it; add it to inputs.NAME.match")
        if route.input not in self._branches:
            self._branches[route.input] = Branches(self, route)
        return self._branches[route.input]

    def close(self) -> None:
        """Give all connections back. Raises what the first of them says that cannot be closed, when all were tried."""
        with ExitStack() as stack:
            for _, keeper in self._keepers.made:
                stack.callback(keeper.close)  # type: ignore[attr-defined]
            for _, engine in self._engines.made:
                stack.callback(engine.sink.close)  # type: ignore[attr-defined]

    def _engine(self, settings: Settings) -> _Engine:
        options = wiring.engine_options(settings)
        cluster = replace(options, **_NOT_OF_A_CLUSTER)
        retry, bulk = settings.retry, settings.bulk

        def make() -> _Engine:
            patience = (retry.breaker_failures, retry.initial_seconds, retry.max_seconds)
            return _Engine(
                sink=wiring.sink(settings),
                window=self._windows.get((cluster, bulk.in_flight), lambda: wiring.window(settings, UNMETERED)),
                breaker=self._breakers.get(
                    (cluster, patience), lambda: wiring.breaker(settings, self._clock, UNMETERED)
                ),
            )

        return self._engines.get((options, retry, bulk), make)

    def _keeper(self, settings: Settings) -> _Keeper:
        letters = settings.deadletters
        key = (letters, (settings.elasticsearch, settings.retry) if letters.kind == "index" else None)

        def make(should_stop: Callable[[], bool]) -> DeadLetters:
            return deadletters(settings, self._environ, self._clock, connect=wiring.sink, should_stop=should_stop)

        return self._keepers.get(key, lambda: _Keeper(make))


class Branches:
    """One input and its outputs."""

    def __init__(self, outputs: Outputs, route: Route) -> None:
        """Keep the parts."""
        self.settings = route.settings
        self._outputs = outputs
        self._route = route

    def open(
        self,
        *,
        should_stop: Callable[[], bool],
        on_wait: Callable[[str, float], None],
        meters: Meters = UNMETERED,
    ) -> Fan:
        """Return a fan for one batch. An output that cannot be opened breaks its own leg only.

        Args:
            should_stop: asked while an engine is waited for.
            on_wait: told the reason and the seconds before each such wait.
            meters: told of counts.

        Raises:
            VpcFlowError: no output can be opened.
        """
        clock = self._outputs._clock  # noqa: SLF001 - these two are one
        patience = self.settings.forwarder.output_patience_seconds if len(self._route.outputs) > 1 else None
        fan = Fan(clock, should_stop, patience_seconds=patience, meters=meters)
        for name, settings in self._route.outputs.items():
            fan.add(name, partial(self._fill, settings=settings, on_wait=on_wait, meters=meters))
        fan.begin()
        return fan

    def _fill(self, leg: Leg, settings: Settings, on_wait: Callable[[str, float], None], meters: Meters) -> None:
        """Give a leg what it sends with. Raises VpcFlowError."""
        outputs = self._outputs
        clock = outputs._clock  # noqa: SLF001
        leg.keeper = _Kept(outputs._keeper(settings), leg)  # noqa: SLF001
        engine = outputs._engine(settings)  # noqa: SLF001
        policy = wiring.retry_policy(settings)
        engine.check(
            partial(policy.run, again_on=SinkUnavailable, clock=clock, should_stop=leg.should_stop, on_wait=on_wait),
            alone=len(self._route.outputs) == 1,
        )
        delivery = Delivery(
            engine.sink,
            policy,
            clock,
            leg.should_stop,
            on_wait,
            window=engine.window,
            breaker=engine.breaker,
            meters=meters,
        )
        leg.pipeline = Pipeline(
            decoder=outputs._decoders[self._route.input, leg.name],  # noqa: SLF001
            delivery=outputs._around(settings, engine.sink, delivery),  # noqa: SLF001
            deadletters=leg.keeper,
            bounds=wiring.batch_bounds(settings),
            clock=clock,
            reject_diverted=settings.index.failure_store == "dead_letter",
            meters=meters,
            should_stop=leg.should_stop,
        )
