"""Where numbers are kept while a process runs. Called per bulk or per record batch, never per line."""

from __future__ import annotations

import bisect
import threading
from typing import Protocol

from vpcflow.metrics.catalog import Counter, Gauge, Histogram
from vpcflow.metrics.snapshot import Distribution, Key, Snapshot, key_of

__all__ = ["UNMETERED", "Meters", "Tally"]


class Meters(Protocol):
    """Takes numbers. Safe to call from several threads; it never blocks on I/O and never raises but for wrong labels.

    Labels are those of the metric, all of them, by name; anything else is a TypeError.
    """

    def count(self, metric: Counter, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter."""
        ...

    def set(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Say what a gauge shows now."""
        ...

    def observe(self, metric: Histogram, value: float, /, **labels: str) -> None:
        """Add an observation to a histogram."""
        ...


class _Unmetered:
    """Forgets everything: for callers that measure nothing."""

    def count(self, metric: Counter, amount: float = 1, /, **labels: str) -> None:
        """Forget it."""

    def set(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Forget it."""

    def observe(self, metric: Histogram, value: float, /, **labels: str) -> None:
        """Forget it."""


UNMETERED: Meters = _Unmetered()


class Tally:
    """Meters that remember, in memory."""

    def __init__(self, *, keep: int = 0) -> None:
        """keep: how many single observations of a histogram are kept beside its buckets."""
        self._keep = keep
        self._lock = threading.Lock()
        self._counters: dict[Key, float] = {}
        self._gauges: dict[Key, float] = {}
        self._histograms: dict[Key, Distribution] = {}

    def count(self, metric: Counter, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter.

        Raises:
            TypeError: labels that are not the metric's.
            ValueError: a negative amount.
        """
        if amount < 0:
            raise ValueError(f"{metric.name}: counters only grow, not by {amount}")
        key = key_of(metric, labels)
        with self._lock:
            self._counters[key] = self._counters.get(key, 0) + amount

    def set(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Say what a gauge shows now.

        Raises:
            TypeError: labels that are not the metric's.
        """
        key = key_of(metric, labels)
        with self._lock:
            self._gauges[key] = value

    def clear(self, metric: Gauge, /, **labels: str) -> None:
        """Forget a gauge: what it shows is not known any more."""
        key = key_of(metric, labels)
        with self._lock:
            self._gauges.pop(key, None)

    def observe(self, metric: Histogram, value: float, /, **labels: str) -> None:
        """Add an observation to a histogram.

        Raises:
            TypeError: labels that are not the metric's.
        """
        key = key_of(metric, labels)
        bucket = bisect.bisect_left(metric.buckets, value)
        with self._lock:
            found = self._histograms.get(key)
            if found is None:
                found = self._histograms[key] = Distribution([0] * (len(metric.buckets) + 1))
            found.counts[bucket] += 1
            found.total += value
            if len(found.values) < self._keep:
                found.values.append(value)

    def snapshot(self) -> Snapshot:
        """Return a copy that does not change any more."""
        with self._lock:
            histograms = {
                key: Distribution(list(one.counts), one.total, list(one.values))
                for key, one in self._histograms.items()
            }
            return Snapshot(dict(self._counters), dict(self._gauges), histograms)
