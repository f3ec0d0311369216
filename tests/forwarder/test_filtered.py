"""Filters and labels, by output: what is left out of all outputs is settled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.forwarder.events import LINE, logs_event, payload
from tests.forwarder.scene import Scene
from vpcflow.errors import ConfigError

REJECTED = LINE.replace("ACCEPT", "REJECT")


def test_flows_are_left_out_and_named(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("0.0.0.0/0,somewhere\n")
    scene.environ = {"FILTER__INCLUDE": "action == REJECT", "LABELS__FILES": str(path)}
    assert scene.handle(logs_event(payload(LINE, REJECTED, LINE))) == {}
    document: Any = scene.engine.documents[0]
    assert document["event"]["action"] == "REJECT"
    assert document["labels"] == {"source": "somewhere", "destination": "somewhere"}
    assert scene.counted("lines", kind="filtered") == 2
    assert scene.handle(logs_event(payload(LINE))) == {}
    assert scene.counted("items", result="settled") == 1
    assert len(scene.engine.documents) == 1
    assert scene.kept() == []


def test_a_wrong_expression_fails_the_invocation(scene: Scene) -> None:
    scene.environ = {"FILTER__INCLUDE": "acton == REJECT"}
    with pytest.raises(ConfigError, match=r"filter\.include\[0\]: column 1: unknown field 'acton'"):
        scene.handle(logs_event(payload(LINE)))
    assert len(scene.engine.documents) == 0
