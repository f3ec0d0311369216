"""From the emulated HTTP-endpoint destination through `vpcflow serve firehose` into a real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Gate
from tests.firehose.emulator.http_endpoint import Endpoint, HttpDestination
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.engine import Target
from tests.firehose.flows import batches, generator
from tests.firehose.receiver import KEY, Receiver
from tests.firehose.replaying import copied, replayed
from tests.firehose.scene import clock, failed
from vpcflow.stack import Stack

pytestmark = pytest.mark.stack
TargetIn = Callable[[Stack], Target]
FAILED = "http-endpoint-failed"


@pytest.fixture
def target(stack_opensearch: Stack, target_in: TargetIn) -> Target:
    return target_in(stack_opensearch)


@pytest.fixture
def gate(target: Target) -> Iterator[Gate]:
    gate = Gate(target.url)
    gate.open()
    yield gate
    gate.shut()


def streaming(url: str, *, compressed: bool = True, retry_seconds: float = 300, key: str = KEY) -> DeliveryStream:
    endpoint = Endpoint(
        url=url, access_key=key, compressed=compressed, seconds=60, megabytes=1, retry_seconds=retry_seconds
    )
    return DeliveryStream(
        "flows", HttpDestination(endpoint), clock=clock(), error_prefix="errors/!{firehose:error-output-type}/"
    )


def impatient(target: Target, gate: Gate) -> dict[str, str]:
    """Return settings of a receiver that answers soon, whether or not the engine is there."""
    return {
        **target.environ,
        "VPCFLOW_ELASTICSEARCH__HOSTS": gate.url,
        "VPCFLOW_RECEIVER__REQUEST_SECONDS": "2",
        "VPCFLOW_RETRY__MAX_SECONDS": "0.2",
    }


@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
def test_each_event_is_indexed_once(target: Target, tmp_path: Path, *, compressed: bool) -> None:
    made = generator(events=3000, duplicates=0.02)
    with Receiver(target.environ, tmp_path) as receiver:
        stream = streaming(receiver.url, compressed=compressed)
        for batch in batches(made.payloads()):
            stream.put_record_batch(batch)
            stream.run_for(61)
        stream.drain()
    assert isinstance(stream.destination, HttpDestination)
    assert stream.destination.delivered == len(stream.accepted)
    assert failed(stream, FAILED) == []
    assert stream.destination.lost == []
    target.prove(made.manifest)


def test_an_engine_that_is_away_is_waited_for_by_firehoses_retries(target: Target, gate: Gate, tmp_path: Path) -> None:
    """The receiver says 503, never 200, and never 413; the same request comes again until all of it is indexed."""
    made = generator(events=1000)
    with Receiver(impatient(target, gate), tmp_path) as receiver:
        stream = streaming(receiver.url, retry_seconds=7200)
        assert isinstance(stream.destination, HttpDestination)
        stream.put_record_batch(list(made.payloads()))
        gate.shut()
        stream.run_for(90)
        attempts = len(stream.destination.attempts)
        assert attempts > 1
        assert stream.destination.delivered == 0
        gate.open()
        stream.drain()
    assert stream.destination.delivered == len(stream.accepted)
    assert failed(stream, FAILED) == []
    assert stream.destination.lost == []
    target.prove(made.manifest)


def test_what_outlasts_the_retry_duration_is_replayed_from_its_prefix(
    target: Target, gate: Gate, tmp_path: Path
) -> None:
    made = generator(events=1000)
    records = list(made.payloads())
    with Receiver(target.environ, tmp_path) as receiver:
        stream = streaming(receiver.url, retry_seconds=60)
        stream.put_record_batch(records[:10])
        stream.run_for(61)
        address = receiver.address
    assert isinstance(stream.destination, HttpDestination)
    assert stream.destination.delivered == 10
    gate.shut()
    with Receiver(impatient(target, gate), tmp_path, listen=address):
        stream.put_record_batch(records[10:])
        stream.drain()
    assert len(failed(stream, FAILED)) == len(records) - 10
    assert 0 < len(target.documents()) < made.manifest.documents
    assert replayed(copied(stream.bucket, tmp_path / "copy"), target.environ) == 0
    target.prove(made.manifest)


def test_a_receiver_that_is_away_or_has_another_key_loses_nothing(target: Target, tmp_path: Path) -> None:
    made = generator(events=300)
    with Receiver(target.environ, tmp_path) as receiver:
        url, address = receiver.url, receiver.address
    stream = streaming(url, retry_seconds=7200)
    stream.put_record_batch(list(made.payloads()))
    stream.run_for(80)
    with Receiver({**target.environ}, tmp_path, listen=address):
        stream.drain()
        stranger = streaming(url, retry_seconds=10, key="another")
        stranger.put_record_batch([b"2 a line"])
        stranger.drain()
    target.prove(made.manifest)
    (entry,) = failed(stranger, FAILED)
    assert "401" in entry["errorMessage"]
    assert KEY not in str(entry)
