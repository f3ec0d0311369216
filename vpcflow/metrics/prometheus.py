"""A snapshot as Prometheus reads it. Of our rooms only consumer and receiver import this one: it needs prometheus_client."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from vpcflow.metrics.catalog import ALL, Counter, Gauge, Histogram
from vpcflow.metrics.snapshot import Distribution, Key, Snapshot

__all__ = ["exposition"]

T = TypeVar("T")


class _Shown(Collector):
    """What prometheus_client asks for metrics."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        """Yield each metric of the catalogue; gauges of which nothing was said have no samples."""
        for metric in ALL:
            match metric:
                case Counter():
                    yield _counter(metric, self._snapshot)
                case Gauge():
                    yield _gauge(metric, self._snapshot)
                case Histogram():
                    yield _histogram(metric, self._snapshot)


def exposition(snapshot: Callable[[], Snapshot], accept: str) -> tuple[bytes, str]:
    """Return the text for a scrape and its content type.

    Args:
        snapshot: called once.
        accept: the scraper's Accept header: OpenMetrics where it asks for it, else the older text format.
    """
    registry = CollectorRegistry()
    registry.register(_Shown(snapshot()))
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


def _series(name: str, found: Mapping[Key, T]) -> dict[tuple[str, ...], T]:
    return {labels: value for (one, labels), value in found.items() if one == name}


def _counter(metric: Counter, snapshot: Snapshot) -> Family:
    """Return a counter; what it is known to count is there from the beginning, as 0."""
    family = CounterMetricFamily(metric.exposed, metric.sentence, labels=metric.labels)
    known = [(value,) for value in metric.values] if metric.labels else [()]
    found: dict[tuple[str, ...], float] = {**dict.fromkeys(known, 0.0), **_series(metric.name, snapshot.counters)}
    for labels, value in sorted(found.items()):
        family.add_metric(labels, value)
    return family


def _gauge(metric: Gauge, snapshot: Snapshot) -> Family:
    family = GaugeMetricFamily(metric.exposed, metric.sentence, labels=metric.labels)
    for labels, value in sorted(_series(metric.name, snapshot.gauges).items()):
        family.add_metric(labels, value)
    return family


def _histogram(metric: Histogram, snapshot: Snapshot) -> Family:
    family = HistogramMetricFamily(metric.exposed, metric.sentence, labels=metric.labels)
    found = _series(metric.name, snapshot.histograms)
    if not metric.labels:
        found.setdefault((), Distribution([0] * (len(metric.buckets) + 1)))
    bounds = [*map(str, metric.buckets), "+Inf"]
    for labels, one in sorted(found.items(), key=lambda item: item[0]):
        upto = itertools.accumulate(one.counts)
        family.add_metric(labels, list(zip(bounds, map(float, upto), strict=True)), one.total)
    return family
