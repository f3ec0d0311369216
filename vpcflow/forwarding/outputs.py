"""Where records go: the outputs of each input, made once for the process, and a fan of them for each batch.

Each output is a pipeline of its own, so that filters, documents, dead letters and patience are its own. A record is settled
when every output has settled it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from vpcflow import wiring
from vpcflow.clock import Clock
from vpcflow.codec import Decoder
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.errors import ConfigError, SinkUnavailable
from vpcflow.forwarding.fan import Fan, Leg
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.pipeline.flights import Delivers
from vpcflow.pipeline.pipeline import Pipeline
from vpcflow.settings.model import Settings
from vpcflow.settings.routes import Route, Routes
from vpcflow.sink.breaker import Breaker
from vpcflow.sink.connection import EngineOptions
from vpcflow.sink.delivery import Delivery
from vpcflow.sink.engine import EngineSink
from vpcflow.sink.window import Window
from vpcflow.wiring_deadletters import deadletters

__all__ = ["Around", "Branches", "Outputs", "UnknownSource"]

Around = Callable[[Settings, EngineSink, Delivers], Delivers]
T = TypeVar("T")


class UnknownSource(ConfigError):
    """No input is declared for a source: what came from it must be kept where it is."""


@dataclass(slots=True, kw_only=True)
class _Engine:
    """A connection that outputs with equal settings share. checked: its target was looked at, and is right."""

    options: EngineOptions
    sink: EngineSink
    window: Window
    breaker: Breaker
    checked: bool = False


class _Kept:
    """Dead letters whose keeper lives longer than a pipeline."""

    def __init__(self, keeper: DeadLetters) -> None:
        self.put = keeper.put

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
        """Keep the parts.

        Args:
            routes: the inputs.
            environ: the process's, for dead letters.
            clock: for waits.
            around: puts something around the delivery of an output, such as a question for ids that are there.
        """
        self._routes = routes
        self._environ = environ
        self._clock = clock
        self._around = around
        self._branches: dict[str, Branches] = {}
        self._engines = _Shared()
        self._keepers = _Shared()

    def route(self, arn: str) -> Branches:
        """Return the branches of a source, the same object each time.

        Raises:
            UnknownSource: no input matches it.
        """
        route = self._routes.for_source(arn)
        if route is None:
            raise UnknownSource(f"{arn}: no input matches it; add it to inputs.NAME.match")
        if route.input not in self._branches:
            self._branches[route.input] = Branches(self, route)
        return self._branches[route.input]

    def close(self) -> None:
        """Give all connections back."""
        for _, engine in self._engines.made:
            engine.sink.close()  # type: ignore[attr-defined]
        for _, keeper in self._keepers.made:
            keeper.close()  # type: ignore[attr-defined]

    def _engine(self, settings: Settings) -> _Engine:
        options = wiring.engine_options(settings)

        def make() -> _Engine:
            return _Engine(
                options=options,
                sink=wiring.sink(settings),
                window=wiring.window(settings, UNMETERED),
                breaker=wiring.breaker(settings, self._clock, UNMETERED),
            )

        return self._engines.get((options, settings.retry, settings.bulk), make)

    def _keeper(self, settings: Settings) -> DeadLetters:
        letters = settings.deadletters
        key = (letters, settings.elasticsearch if letters.kind == "index" else None)
        return self._keepers.get(key, lambda: deadletters(settings, self._environ, self._clock, connect=wiring.sink))


class Branches:
    """One input and its outputs."""

    def __init__(self, outputs: Outputs, route: Route) -> None:
        """Keep the parts."""
        self.settings = route.settings
        self._outputs = outputs
        self._route = route
        self._decoders: dict[str, Decoder] = {}

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
        fan = Fan(clock, should_stop, patience_seconds=patience)
        for name, settings in self._route.outputs.items():
            fan.add(name, partial(self._fill, settings=settings, on_wait=on_wait, meters=meters))
        fan.begin()
        return fan

    def _fill(self, leg: Leg, settings: Settings, on_wait: Callable[[str, float], None], meters: Meters) -> None:
        """Give a leg what it sends with. Raises VpcFlowError."""
        outputs = self._outputs
        clock = outputs._clock  # noqa: SLF001
        if leg.name not in self._decoders:
            self._decoders[leg.name] = Decoder(wiring.codec_options(settings))
        leg.keeper = outputs._keeper(settings)  # noqa: SLF001
        engine = outputs._engine(settings)  # noqa: SLF001
        if not engine.checked:
            wiring.retry_policy(settings).run(
                engine.sink.check_target,
                again_on=SinkUnavailable,
                clock=clock,
                should_stop=leg.should_stop,
                on_wait=on_wait,
            )
            engine.checked = True
        delivery = Delivery(
            engine.sink,
            wiring.retry_policy(settings),
            clock,
            leg.should_stop,
            on_wait,
            window=engine.window,
            breaker=engine.breaker,
            meters=meters,
        )
        leg.pipeline = Pipeline(
            decoder=self._decoders[leg.name],
            delivery=outputs._around(settings, engine.sink, delivery),  # noqa: SLF001
            deadletters=_Kept(leg.keeper),
            bounds=wiring.batch_bounds(settings),
            clock=clock,
            reject_diverted=settings.index.failure_store == "dead_letter",
            meters=meters,
        )
