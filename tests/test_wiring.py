from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow import wiring
from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError, SinkUnavailable, Stopped
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Bulk, Outcome

BODY = Bulk(b'{"create":{"_id":"a"}}\n{"@timestamp":1}\n', 1)


def settings_of(**environ: str) -> Settings:
    return load(None, {f"VPCFLOW_{name}": value for name, value in environ.items()}).settings


def test_default_names() -> None:
    assert wiring.codec_options(Settings()).target == "logs-aws.vpcflow-default"
    assert wiring.codec_options(settings_of(DOCUMENT__NAMESPACE="prod")).target == "logs-aws.vpcflow-prod"
    assert wiring.codec_options(settings_of(INDEX__MODE="pattern")).target == "logs-aws.vpcflow-{yyyy.MM.dd}"


def test_codec_options_carry_every_setting() -> None:
    formats = '[{"format": ["version", "end"], "log_group": "g*", "log_stream": "s", "source": "kinesis:*"}]'
    options = wiring.codec_options(
        settings_of(
            CODEC__FORMATS=formats,
            CODEC__INCLUDE_LOG_GROUPS="a,b",
            CODEC__EXCLUDE_LOG_GROUPS="c",
            DOCUMENT__SHAPE="raw",
            DOCUMENT__EVENT_ORIGINAL="true",
            DOCUMENT__TAGS="t",
            LIMITS__MAX_INFLATED_BYTES="1",
            LIMITS__MAX_LINE_BYTES="2",
            LIMITS__TIME_PAST_DAYS="3",
            LIMITS__TIME_FUTURE_DAYS="4",
        )
    )
    (rule,) = options.formats
    assert (rule.format, rule.log_group, rule.log_stream, rule.source) == (("version", "end"), "g*", "s", "kinesis:*")
    assert (options.include_log_groups, options.exclude_log_groups) == (("a", "b"), ("c",))
    assert (options.shape, options.event_original, options.tags) == ("raw", True, ("t",))
    assert (options.max_inflated_bytes, options.max_line_bytes) == (1, 2)
    assert (options.time_past_days, options.time_future_days) == (3, 4)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"CODEC__FORMATS": '[{"format": "v2"}, {"format": "srcadr"}]'}, r"codec\.formats\[1\]\.format: unknown field"),
        ({"INDEX__MODE": "pattern", "INDEX__NAME": "a-{week}"}, r"index\.name: unknown part \{week\}"),
    ],
)
def test_what_cannot_be_used_names_its_key(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        wiring.codec_options(settings_of(**environ))


def test_engine_options_by_mode() -> None:
    stream = wiring.engine_options(settings_of(ELASTICSEARCH__API_KEY="k", BULK__COMPRESSION_LEVEL="0"))
    assert (stream.target, stream.data_stream, stream.api_key) == ("logs-aws.vpcflow-default", True, "k")
    assert (stream.pipeline, stream.compression_level) == ("_none", 0)
    pattern = wiring.engine_options(settings_of(INDEX__MODE="pattern", INDEX__PIPELINE="mine"))
    assert (pattern.target, pattern.data_stream, pattern.pipeline) == ("", False, "mine")


def test_engine_options_carry_every_setting() -> None:
    options = wiring.engine_options(
        settings_of(
            ELASTICSEARCH__HOSTS="https://a,https://b",
            ELASTICSEARCH__BEARER="b",
            ELASTICSEARCH__CERTIFICATE_FINGERPRINT="f",
            ELASTICSEARCH__CLIENT_CERT="c",
            ELASTICSEARCH__CLIENT_KEY="k",
            ELASTICSEARCH__PROXY="http://p",
            ELASTICSEARCH__REQUEST_TIMEOUT_SECONDS="7",
            ELASTICSEARCH__ROTATION_SECONDS="8",
            BULK__IN_FLIGHT="6",
            BULK__MAX_WIRE_BYTES="1000",
        )
    )
    assert (options.hosts, options.bearer, options.certificate_fingerprint) == (("https://a", "https://b"), "b", "f")
    assert (options.client_cert, options.client_key, options.proxy) == ("c", "k", "http://p")
    assert (options.request_timeout_seconds, options.rotation_seconds) == (7, 8)
    assert (options.connections, options.max_wire_bytes) == (6, 1000)
    assert wiring.engine_options(settings_of(ELASTICSEARCH__CLOUD_ID="mine:x")).cloud_id == "mine:x"


def test_amazons_services_are_opensearch_and_signed() -> None:
    options = wiring.engine_options(settings_of(ELASTICSEARCH__SERVICE="es", ELASTICSEARCH__REGION="eu-west-1"))
    assert (options.service, options.region, options.product) == ("es", "eu-west-1", "opensearch")


def test_a_time_series_collection_gets_no_ids() -> None:
    amazon = {"ELASTICSEARCH__SERVICE": "aoss", "INDEX__MODE": "pattern"}
    series = {"ELASTICSEARCH__COLLECTION": "timeseries", "INDEX__ACCEPT_DUPLICATES": "true"}
    assert wiring.codec_options(settings_of(**amazon)).ids
    assert not wiring.codec_options(settings_of(**amazon, **series)).ids


def test_a_host_that_is_no_url() -> None:
    with pytest.raises(ConfigError, match=r"elasticsearch\.hosts: not a URL"):
        wiring.sink(settings_of(ELASTICSEARCH__HOSTS="nonsense"))


def test_delivery_retries_as_the_settings_say() -> None:
    clock = FakeClock()
    settings = settings_of(RETRY__DEADLINE_SECONDS="5", ELASTICSEARCH__HOSTS="http://127.0.0.1:1")
    sink = wiring.sink(settings)
    waits: list[float] = []
    delivery = wiring.delivery(
        settings, sink, should_stop=lambda: False, on_wait=lambda _, seconds: waits.append(seconds), clock=clock
    )
    with pytest.raises(SinkUnavailable):
        delivery.deliver(BODY)
    assert clock.now == pytest.approx(5)
    assert waits
    sink.close()


def test_delivery_through_any_sink() -> None:
    delivery = wiring.delivery(
        Settings(), MemorySink(), should_stop=lambda: False, on_wait=lambda *_: None, clock=FakeClock()
    )
    assert list(delivery.deliver(BODY).outcomes) == [Outcome.CREATED]


def test_a_pipeline_waits_for_its_cluster_and_can_be_stopped(tmp_path: Path) -> None:
    reasons: list[str] = []
    settings = settings_of(
        ELASTICSEARCH__HOSTS="http://127.0.0.1:1",
        DEADLETTERS__PATH=str(tmp_path / "dead"),
        DEADLETTERS__ACCEPT_LOSS="true",
    )
    with pytest.raises(Stopped):
        wiring.pipeline(
            settings,
            should_stop=lambda: len(reasons) == 3,
            on_wait=lambda reason, _: reasons.append(reason),
            clock=FakeClock(),
        )
    assert all("127.0.0.1:1" in reason for reason in reasons)
