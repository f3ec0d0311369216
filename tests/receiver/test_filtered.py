"""Filters and labels in real engines: what is left out is settled, what is there has its names as keywords."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.receiver.conftest import Serve, Target
from tests.receiver.firehose import Sent, lines, post

pytestmark = pytest.mark.stack
LABELS = "eni-0a1b2c3d,web\n10.0.0.0/8,corporate\n10.0.0.2,database\n"


def test_the_receiver_leaves_out_and_names(serve: Serve, target: Target, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(LABELS)
    receiver = serve(
        target.url,
        target.name,
        filter={"include": ["bytes >= 10"], "exclude": ["bytes in (11, 12)"]},
        labels={"files": [str(path)], "internal_cidrs": ["10.0.0.0/8"]},
    )
    assert post(receiver.port, Sent([lines(8, 8), lines(0, 3)])).status == 200
    found = target.documents()
    assert [hit["_source"]["network"]["bytes"] for hit in found] == [10, 13, 14, 15]
    assert receiver.metric('lines_total{kind="filtered"}') == 7
    assert receiver.dead_letters() == []
    names = {"interface": "web", "source": "corporate", "destination": "database"}
    assert [hit["_source"]["labels"] for hit in found] == [names] * 4
    assert {hit["_source"]["network"]["direction"] for hit in found} == {"internal"}
    # A term that is the whole name finds them: the fields are keywords, not text.
    for member, name in names.items():
        answer = target.sink.search(target.name, {"query": {"term": {f"labels.{member}": name}}})
        assert len(answer["hits"]["hits"]) == 4  # type: ignore[index, call-overload]
    # Firehose tries again: nothing twice, and what was left out stays so.
    assert post(receiver.port, Sent([lines(0, 3)])).status == 200
    assert target.count() == 4
