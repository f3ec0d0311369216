"""What was measured up to one moment; several of them made one; one written down and read again."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from vpcflow.metrics.catalog import ALL, Counter, Gauge, Metric

__all__ = ["Distribution", "Key", "Snapshot", "flat", "key_of", "merged", "named"]

Key = tuple[str, tuple[str, ...]]  # name of the metric, values of its labels in the catalogue's order

_GAUGES = {metric.name: metric for metric in ALL if isinstance(metric, Gauge)}
_LABELS = {metric.name: metric.labels for metric in ALL}
_ACROSS: dict[str, Callable[[float, float], float]] = {"max": max, "min": min, "sum": operator.add}


def key_of(metric: Metric, labels: Mapping[str, str]) -> Key:
    """Return the key of one series.

    Raises:
        TypeError: labels that are not the metric's.
    """
    wanted = metric.labels
    if len(labels) != len(wanted) or any(name not in labels for name in wanted):
        raise TypeError(f"{metric.name}: labels are {list(wanted)}, not {list(labels)}")
    return metric.name, tuple([labels[name] for name in wanted])


@dataclass(slots=True)
class Distribution:
    """A histogram's state. counts: observations by bucket, the one above the last bound at the end; not cumulated.

    values: the first observations themselves, as many as the tally was told to keep.
    """

    counts: list[int]
    total: float = 0.0
    values: list[float] = field(default_factory=list)

    def plus(self, other: Distribution) -> Distribution:
        """Return the sum of both, without single values."""
        counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        return Distribution(counts, self.total + other.total)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a tally held at one moment."""

    counters: Mapping[Key, float] = field(default_factory=dict)
    gauges: Mapping[Key, float] = field(default_factory=dict)
    histograms: Mapping[Key, Distribution] = field(default_factory=dict)

    def value(self, metric: Counter | Gauge, /, **labels: str) -> float | None:
        """Return one value; None where nothing was said of it."""
        return (self.counters if isinstance(metric, Counter) else self.gauges).get(key_of(metric, labels))

    def total(self, metric: Counter) -> float:
        """Return the sum over all labels."""
        return sum(value for (name, _), value in self.counters.items() if name == metric.name)

    def without_gauges(self) -> Snapshot:
        """Return what stays true after the process has ended."""
        return Snapshot(self.counters, {}, self.histograms)

    def written(self) -> dict[str, list[Any]]:
        """Return lists and numbers only, for JSON. Single observations are left out."""
        return {
            "counters": [[name, list(labels), value] for (name, labels), value in self.counters.items()],
            "gauges": [[name, list(labels), value] for (name, labels), value in self.gauges.items()],
            "histograms": [
                [name, list(labels), one.counts, one.total] for (name, labels), one in self.histograms.items()
            ],
        }

    @classmethod
    def read(cls, written: Mapping[str, list[Any]]) -> Self:
        """Return what `written` wrote."""
        return cls(
            {(name, tuple(labels)): value for name, labels, value in written["counters"]},
            {(name, tuple(labels)): value for name, labels, value in written["gauges"]},
            {
                (name, tuple(labels)): Distribution(counts, total)
                for name, labels, counts, total in written["histograms"]
            },
        )


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Return one for all: counters and histograms are added, gauges as the catalogue says."""
    counters: dict[Key, float] = {}
    gauges: dict[Key, float] = {}
    histograms: dict[Key, Distribution] = {}
    for one in snapshots:
        for key, value in one.counters.items():
            counters[key] = counters.get(key, 0) + value
        for key, value in one.gauges.items():
            gauges[key] = _ACROSS[_GAUGES[key[0]].across](gauges[key], value) if key in gauges else value
        for key, distribution in one.histograms.items():
            histograms[key] = histograms[key].plus(distribution) if key in histograms else distribution
    return Snapshot(counters, gauges, histograms)


def named(key: Key) -> str:
    """Return the name of one series where there are no labels: `documents_created`. A shard is not part of it."""
    name, labels = key
    said = [text for label, text in zip(_LABELS[name], labels, strict=True) if label != "shard"]
    return "_".join([name, *said])


def flat(snapshot: Snapshot) -> dict[str, float]:
    """Return counters and gauges by name, as logs show them."""
    return {named(key): value for key, value in {**snapshot.counters, **snapshot.gauges}.items()}
