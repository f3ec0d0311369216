from __future__ import annotations

import threading

import pytest

from vpcflow.metrics import catalog
from vpcflow.metrics.catalog import ALL, Counter, Gauge, Histogram
from vpcflow.metrics.meters import UNMETERED, Tally


def test_the_catalogue_is_sound() -> None:
    names = [metric.name for metric in ALL]
    assert len(set(names)) == len(names) > 20
    assert all(metric.sentence.endswith(".") and len(metric.labels) <= 1 for metric in ALL)
    assert all(metric.name.replace("_", "").isalpha() and not metric.name.endswith("_total") for metric in ALL)
    assert all(list(metric.buckets) == sorted(set(metric.buckets)) for metric in ALL if isinstance(metric, Histogram))
    assert all(metric.labels for metric in ALL if isinstance(metric, Counter) and metric.values)
    assert all(metric.name.endswith(("_seconds", "_bytes")) for metric in ALL if metric.unit == "bytes")
    # Names of lag and age carry their unit.
    assert catalog.MILLISECONDS_BEHIND_LATEST.unit == "milliseconds"
    assert catalog.SECONDS_UNTIL_EXPIRY.unit == "seconds"


def test_counts_gauges_and_observations_are_kept() -> None:
    tally = Tally()
    tally.count(catalog.RECORDS)
    tally.count(catalog.RECORDS, 2)
    tally.count(catalog.DOCUMENTS, 5, outcome="created")
    tally.count(catalog.DOCUMENTS, 1, outcome="duplicate")
    tally.set(catalog.IN_FLIGHT, 3)
    tally.set(catalog.IN_FLIGHT, 2)
    found = tally.snapshot()
    assert found.value(catalog.RECORDS) == 3
    assert found.value(catalog.DOCUMENTS, outcome="created") == 5
    assert found.value(catalog.DOCUMENTS, outcome="rejected") is None
    assert found.total(catalog.DOCUMENTS) == 6
    assert found.value(catalog.IN_FLIGHT) == 2
    tally.clear(catalog.IN_FLIGHT)
    assert tally.snapshot().value(catalog.IN_FLIGHT) is None
    assert found.value(catalog.IN_FLIGHT) == 2  # a snapshot stays as it was


def test_an_observation_falls_into_the_bucket_that_bounds_it() -> None:
    tally = Tally(keep=2)
    metric = Histogram("seconds", "S.", buckets=(1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.5):
        tally.observe(metric, value)
    found = tally.snapshot().histograms["seconds", ()]
    assert found.counts == [2, 1, 1]
    assert found.total == 5.5
    assert found.values == [0.5, 1.0]
    both = found.plus(found)
    assert both.counts == [4, 2, 2]
    assert both.total == 11


@pytest.mark.parametrize("labels", [{}, {"shard": "a"}, {"outcome": "created", "shard": "a"}])
def test_wrong_labels_are_errors(labels: dict[str, str]) -> None:
    with pytest.raises(TypeError, match=r"documents: labels are \['outcome'\]"):
        Tally().count(catalog.DOCUMENTS, 1, **labels)
    with pytest.raises(TypeError, match="checkpoint_age_seconds"):
        Tally().set(catalog.CHECKPOINT_AGE_SECONDS, 1, outcome="created")
    with pytest.raises(TypeError, match="bulk_seconds"):
        Tally().observe(catalog.BULK_SECONDS, 1, shard="a")


def test_counters_do_not_shrink() -> None:
    with pytest.raises(ValueError, match="records: counters only grow"):
        Tally().count(catalog.RECORDS, -1)


def test_threads_lose_nothing() -> None:
    tally = Tally()
    gauge, counter = Gauge("g", "G."), Counter("c", "C.")

    def work() -> None:
        for number in range(5_000):
            tally.count(counter)
            tally.set(gauge, number)
            tally.observe(catalog.BULK_SECONDS, 0.02)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = tally.snapshot()
    assert found.value(counter) == 20_000
    assert sum(found.histograms["bulk_seconds", ()].counts) == 20_000


def test_unmetered_forgets() -> None:
    UNMETERED.count(catalog.DOCUMENTS, 1, outcome="created")
    UNMETERED.set(catalog.IN_FLIGHT, 1)
    UNMETERED.observe(catalog.BULK_SECONDS, 1)
