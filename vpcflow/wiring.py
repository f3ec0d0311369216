"""Settings → working parts. What the consumer and the command line share of their composition."""

from __future__ import annotations

import os
from collections.abc import Callable

from vpcflow.clock import Clock
from vpcflow.codec import Decoder
from vpcflow.codec.template import index_template
from vpcflow.errors import ConfigError, SinkUnavailable
from vpcflow.metrics.meters import UNMETERED, Meters
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline
from vpcflow.retry import RetryPolicy
from vpcflow.settings.decoding import codec_options
from vpcflow.settings.model import Settings
from vpcflow.sink.abstract import Sink
from vpcflow.sink.breaker import Breaker
from vpcflow.sink.connection import Credentials, EngineOptions
from vpcflow.sink.delivery import Delivery
from vpcflow.sink.engine import EngineSink
from vpcflow.sink.window import Window
from vpcflow.wiring_deadletters import deadletters

__all__ = [
    "batch_bounds",
    "breaker",
    "codec_options",
    "delivery",
    "engine_options",
    "pipeline",
    "retry_policy",
    "sink",
    "template",
    "window",
]


def engine_options(settings: Settings) -> EngineOptions:
    """Return how the engine is reached and what is asked of it."""
    engine, index = settings.elasticsearch, settings.index
    stream = index.mode == "data_stream"
    return EngineOptions(
        hosts=tuple(engine.hosts),
        cloud_id=engine.cloud_id,
        product="opensearch" if engine.service else engine.product,
        service=engine.service,
        region=engine.region,
        api_key=engine.api_key.reveal(),
        bearer=engine.bearer.reveal(),
        username=engine.username,
        password=engine.password.reveal(),
        ca_certs=engine.ca_certs,
        certificate_fingerprint=engine.certificate_fingerprint,
        client_cert=engine.client_cert,
        client_key=engine.client_key,
        proxy=engine.proxy.reveal(),
        connections=settings.bulk.in_flight,
        request_timeout_seconds=engine.request_timeout_seconds,
        rotation_seconds=engine.rotation_seconds,
        target=codec_options(settings, with_labels=False).target if stream else "",
        data_stream=stream,
        pipeline=index.pipeline,
        compression_level=settings.bulk.compression_level,
        max_wire_bytes=settings.bulk.max_wire_bytes,
    )


def sink(settings: Settings) -> EngineSink:
    """Return the sink; nothing is sent yet. After a 401, secrets are read again where they are kept (file, AWS).

    Raises:
        ConfigError: see `vpcflow.sink.connection.hosts`.
    """
    engine = settings.elasticsearch

    def reload() -> Credentials:
        return Credentials(
            api_key=engine.api_key.current().reveal(),
            bearer=engine.bearer.current().reveal(),
            username=engine.username,
            password=engine.password.current().reveal(),
        )

    return EngineSink(engine_options(settings), reload=reload)


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return how long the engine is asked again."""
    retry = settings.retry
    return RetryPolicy(
        initial_seconds=retry.initial_seconds,
        max_seconds=retry.max_seconds,
        deadline_seconds=retry.deadline_seconds,
    )


def delivery(
    settings: Settings,
    engine: Sink,
    *,
    should_stop: Callable[[], bool],
    on_wait: Callable[[str, float], None],
    clock: Clock,
    meters: Meters = UNMETERED,
) -> Delivery:
    """Return what sends bulks to `engine` until each of their actions is decided; several threads may call it."""
    return Delivery(
        engine,
        retry_policy(settings),
        clock,
        should_stop,
        on_wait,
        window=window(settings, meters),
        breaker=breaker(settings, clock, meters),
        meters=meters,
    )


def breaker(settings: Settings, clock: Clock, meters: Meters) -> Breaker:
    """Return the circuit breaker of an engine, for all that is sent there."""
    retry = settings.retry
    return Breaker(
        failures=retry.breaker_failures,
        initial_seconds=retry.initial_seconds,
        max_seconds=retry.max_seconds,
        clock=clock,
        meters=meters,
    )


def window(settings: Settings, meters: Meters) -> Window:
    """Return how many requests an engine may have at once."""
    return Window(settings.bulk.in_flight, meters=meters)


def batch_bounds(settings: Settings) -> BatchBounds:
    """Return when a body is sent, and when so much goes wrong that everything stops."""
    bulk, limits = settings.bulk, settings.limits
    return BatchBounds(
        max_bytes=bulk.max_bytes,
        max_actions=bulk.max_actions,
        max_age_seconds=bulk.max_age_seconds,
        in_flight=bulk.in_flight,
        max_in_flight_bytes=bulk.max_in_flight_bytes,
        storm_window=limits.storm_window,
        storm_fraction=limits.storm_fraction,
    )


def template(settings: Settings, engine: EngineSink) -> tuple[str, dict[str, object]]:
    """Return the index template for the product that answers; ask it who it is where nobody has said."""
    if engine.product is None:
        engine.identify()
    if engine.product is None:
        raise ConfigError("elasticsearch.product: the engine does not say what it is; set elasticsearch or opensearch")
    return index_template(engine.product, codec_options(settings, with_labels=False))


def pipeline(
    settings: Settings,
    *,
    should_stop: Callable[[], bool],
    on_wait: Callable[[str, float], None],
    clock: Clock,
    meters: Meters = UNMETERED,
    stop_seconds: float = 0.0,
) -> Pipeline:
    """Return the way from records to settled positions.

    `stop_seconds`: how long requests that are under way are waited for after a stop was asked for.

    Raises:
        ConfigError: a setting that cannot be used, dead letters on storage that does not last among them.
        SinkRefused: the target is not what it should be (a data stream without its template).
        SinkUnavailable: the cluster stayed away beyond `retry.deadline_seconds`.
        Stopped: a stop was asked for while the cluster was waited for.
    """
    decoder = Decoder(codec_options(settings))
    letters = deadletters(settings, os.environ, clock, connect=sink, should_stop=should_stop, on_wait=on_wait)
    engine = sink(settings)
    # A cluster that is away at the start is waited for like one that goes away later.
    retry_policy(settings).run(
        engine.check_target, again_on=SinkUnavailable, clock=clock, should_stop=should_stop, on_wait=on_wait
    )
    return Pipeline(
        decoder=decoder,
        delivery=delivery(settings, engine, should_stop=should_stop, on_wait=on_wait, clock=clock, meters=meters),
        deadletters=letters,
        bounds=batch_bounds(settings),
        clock=clock,
        reject_diverted=settings.index.failure_store == "dead_letter",
        meters=meters,
        should_stop=should_stop,
        stop_seconds=stop_seconds,
    )
