from __future__ import annotations

import json

from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally
from vpcflow.metrics.snapshot import Snapshot, flat, merged


def tally(created: int, left: float, *, shard: str = "a") -> Snapshot:
    one = Tally(keep=10)
    one.count(catalog.DOCUMENTS, created, outcome="created")
    one.set(catalog.SECONDS_UNTIL_EXPIRY, left, shard=shard)
    one.set(catalog.MILLISECONDS_BEHIND_LATEST, left, shard=shard)
    one.set(catalog.BUFFER_DOCUMENTS, 2)
    one.set(catalog.BREAKER_OPEN, int(created > 1))
    one.observe(catalog.BULK_SECONDS, 0.2)
    return one.snapshot()


def test_what_is_written_is_read() -> None:
    one = tally(3, 9.5)
    again = Snapshot.read(json.loads(json.dumps(one.written())))
    assert (again.counters, again.gauges) == (one.counters, one.gauges)
    assert again.histograms["bulk_seconds", ()].counts == one.histograms["bulk_seconds", ()].counts
    assert again.histograms["bulk_seconds", ()].total == 0.2


def test_several_become_one() -> None:
    both = merged([tally(1, 5.0), tally(2, 3.0), tally(4, 7.0, shard="b")])
    assert both.value(catalog.DOCUMENTS, outcome="created") == 7
    assert both.value(catalog.SECONDS_UNTIL_EXPIRY, shard="a") == 3  # the least of one shard's
    assert both.value(catalog.MILLISECONDS_BEHIND_LATEST, shard="a") == 5  # the most
    assert both.value(catalog.SECONDS_UNTIL_EXPIRY, shard="b") == 7
    assert both.value(catalog.BUFFER_DOCUMENTS) == 6
    assert both.value(catalog.BREAKER_OPEN) == 1
    assert sum(both.histograms["bulk_seconds", ()].counts) == 3


def test_merging_changes_nothing_that_was_merged() -> None:
    one = tally(1, 1)
    merged([one, one, one])
    assert sum(one.histograms["bulk_seconds", ()].counts) == 1
    assert one.total(catalog.DOCUMENTS) == 1


def test_logs_show_bare_names() -> None:
    assert flat(tally(3, 9.5)) == {
        "documents_created": 3,
        "seconds_until_expiry": 9.5,
        "milliseconds_behind_latest": 9.5,
        "buffer_documents": 2,
        "breaker_open": 1,
    }


def test_gauges_do_not_outlive_their_process() -> None:
    left = tally(3, 9.5).without_gauges()
    assert left.gauges == {}
    assert left.total(catalog.DOCUMENTS) == 3
    assert left.histograms
