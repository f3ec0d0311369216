"""What overlapping is worth: events a second from payload to acknowledged, by the number of requests under way.

    python benchmarks/delivery.py                      an engine from the embedded stack, and one that is far away
    python benchmarks/delivery.py --rounds 5

One run, rounds interleaved, the median of each; `0` waits for each answer before it decodes on. The far engine answers after a
fixed time and costs no CPU here: what is measured there is the overlap alone. Numbers depend on the machine, ratios less.
"""

from __future__ import annotations

import argparse
import statistics
import uuid
from collections.abc import Callable
from functools import partial

from payloads import payloads

from vpcflow import wiring
from vpcflow.clock import SystemClock
from vpcflow.codec import Decoder
from vpcflow.codec.origins import kinesis_origin
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.settings.load import load
from vpcflow.sink.compression import compress
from vpcflow.stack import Stack
from vpcflow.types import Answer, Bulk, Outcome

CLOCK = SystemClock()
LANES = (0, 1, 2, 4, 8)
ARRIVAL_MS = 1_700_000_100_000


class Far:
    """An engine whose answers take a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def deliver(self, bulk: Bulk) -> Answer:
        compress(bulk.body, 1)
        CLOCK.sleep(self._seconds)
        return Answer(outcomes=[Outcome.CREATED] * bulk.count)


def far(_lanes: int) -> tuple[object, str]:
    return Far(0.1), ""


def near(url: str, lanes: int) -> tuple[object, str]:
    """Return a delivery into a data stream of its own."""
    name = f"logs-aws.vpcflow-{uuid.uuid4().hex[:8]}"
    settings = load(
        None,
        {
            "VPCFLOW_ELASTICSEARCH__HOSTS": url,
            "VPCFLOW_INDEX__NAME": name,
            "VPCFLOW_BULK__IN_FLIGHT": str(max(lanes, 1)),
        },
    ).settings
    engine = wiring.sink(settings)
    engine.ensure_template(*wiring.template(settings, engine))
    delivery = wiring.delivery(settings, engine, should_stop=lambda: False, on_wait=lambda _r, _s: None, clock=CLOCK)
    return delivery, name


def rate(make: Callable[[int], tuple[object, str]], lanes: int, data: list[bytes], events: int) -> float:
    """Return events a second."""
    delivery, name = make(lanes)
    pipeline = Pipeline(
        decoder=Decoder(wiring.codec_options(load(None, {"VPCFLOW_INDEX__NAME": name} if name else {}).settings)),
        delivery=delivery,  # type: ignore[arg-type]
        deadletters=MemoryDeadLetters(),
        bounds=BatchBounds(in_flight=lanes),
        clock=CLOCK,
    )
    begun = CLOCK.monotonic()
    for number, payload in enumerate(data):
        origin = kinesis_origin(stream="s", shard="0", sequence=str(number), subsequence=0, arrival_ms=ARRIVAL_MS)
        pipeline.submit(Record(data=payload, origin=origin, position=(number, 0)))
    pipeline.flush()
    took = CLOCK.monotonic() - begun
    pipeline.close()
    if pipeline.counts.created != events:
        raise SystemExit(f"{pipeline.counts.created} of {events} documents were created")
    return events / took


def measure(title: str, make: Callable[[int], tuple[object, str]], rounds: int, events: int) -> None:
    """Print a table."""
    data = payloads("v2", events=events)
    found: dict[int, list[float]] = {lanes: [] for lanes in LANES}
    rate(make, 1, data, events)  # warm
    for _ in range(rounds):
        for lanes in LANES:
            found[lanes].append(rate(make, lanes, data, events))
    base = statistics.median(found[0])
    print(f"{title}, {events:,} v2 events, median of {rounds} rounds")
    for lanes, rates in found.items():
        middle = statistics.median(rates)
        print(f"  {lanes} under way: {middle:9,.0f} events/s   {middle / base:4.2f} times")


def main() -> None:
    """Read the command line, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=64_000)
    options = parser.parse_args()
    measure("an engine 0.1 s away", far, options.rounds, options.events)
    with Stack("elasticsearch") as stack:
        measure("Elasticsearch on this machine", partial(near, stack.engine_url), options.rounds, options.events)


if __name__ == "__main__":
    main()
