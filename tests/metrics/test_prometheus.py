"""What a scraper gets, read by the client library's own parsers."""

from __future__ import annotations

import math

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from vpcflow.metrics import catalog
from vpcflow.metrics.catalog import ALL, Counter, Gauge
from vpcflow.metrics.meters import Tally
from vpcflow.metrics.prometheus import exposition
from vpcflow.metrics.snapshot import Snapshot

OPEN = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"


def samples(snapshot: Snapshot) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, kind = exposition(lambda: snapshot, "")
    assert kind.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in plain(body.decode())
        for sample in family.samples
    }


def test_every_metric_is_described_under_its_name() -> None:
    body, _ = exposition(Snapshot, "")
    for metric in ALL:
        assert f"# HELP {metric.exposed} {metric.sentence}" in body.decode()


def test_what_can_happen_is_there_as_zero_and_what_is_not_known_is_not() -> None:
    found = samples(Snapshot())
    assert found["vpcflow_records_total", ()] == 0
    assert found["vpcflow_dead_letters_total", (("reason", "rejected"),)] == 0
    assert found["vpcflow_bulk_seconds_count", ()] == 0
    names = {name for name, _ in found}
    assert not names & {metric.exposed for metric in ALL if isinstance(metric, Gauge)}
    assert {
        metric.exposed for metric in ALL if isinstance(metric, Counter) and (metric.values or not metric.labels)
    } <= names


def test_values_and_labels() -> None:
    tally = Tally()
    tally.count(catalog.DOCUMENTS, 5, outcome="created")
    tally.count(catalog.REJECTED, 2, error_type='odd "type"\n')
    tally.set(catalog.SECONDS_UNTIL_EXPIRY, -3.5, shard="shardId-0")
    for seconds in (0.01, 0.02, 99.0):
        tally.observe(catalog.BULK_SECONDS, seconds)
    found = samples(tally.snapshot())
    assert found["vpcflow_documents_total", (("outcome", "created"),)] == 5
    assert found["vpcflow_documents_total", (("outcome", "duplicate"),)] == 0
    assert found["vpcflow_rejected_total", (("error_type", 'odd "type"\n'),)] == 2
    assert found["vpcflow_seconds_until_expiry", (("shard", "shardId-0"),)] == -3.5
    buckets = {
        float(dict(labels)["le"]): value
        for (name, labels), value in found.items()
        if name == "vpcflow_bulk_seconds_bucket"
    }
    assert (buckets[0.01], buckets[0.025], buckets[60.0], buckets[math.inf]) == (1, 2, 2, 3)
    assert found["vpcflow_bulk_seconds_count", ()] == 3
    assert found["vpcflow_bulk_seconds_sum", ()] == 99.03


def test_open_metrics_where_it_is_asked_for() -> None:
    tally = Tally()
    tally.count(catalog.RECORDS, 3)
    body, kind = exposition(tally.snapshot, OPEN)
    assert kind.startswith("application/openmetrics-text")
    families = {family.name: family for family in open_metrics(body.decode())}  # type: ignore[no-untyped-call]
    assert families["vpcflow_records"].samples[0].value == 3
