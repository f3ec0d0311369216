"""Log lines with counts."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from vpcflow import logs
from vpcflow.forwarding.counting import CountLines
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally

PATIENCE = 30.0


def told(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["msg"] == "counts so far"]


def test_a_line_is_logged_where_something_was_counted(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    tally = Tally()
    counts = CountLines(tally, 3600)
    counts.tell()
    assert told(capsys) == []
    tally.count(catalog.ITEMS, 3, result="settled")
    tally.count(catalog.LINES, 40, kind="document")
    counts.tell()
    (line,) = told(capsys)
    assert (line["items_settled"], line["lines_document"]) == (3, 40)
    counts.tell()
    assert told(capsys) == []


def test_lines_come_by_themselves_and_once_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    asked = threading.Event()

    class Asked(Tally):
        def snapshot(self) -> Any:  # noqa: ANN401
            if threading.current_thread().name == "counts":
                asked.set()
            return super().snapshot()

    tally = Asked()
    tally.count(catalog.ITEMS, result="settled")
    with CountLines(tally, 0.001):
        assert asked.wait(PATIENCE)
    assert [line["items_settled"] for line in told(capsys)] == [1]
    tally.count(catalog.ITEMS, result="settled")
    with CountLines(tally, 3600):
        assert told(capsys) == []
    assert [line["items_settled"] for line in told(capsys)] == [2]
