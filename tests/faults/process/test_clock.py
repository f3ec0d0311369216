"""A wall clock that is an hour off, in all of the consumer's Python processes: no id, no time, no count depends on it."""

from __future__ import annotations

import json

import pytest

from tests.faults.ledger import Ledger
from tests.faults.process.conftest import MakeScenes
from tests.faults.process.scene import FaultScene, started
from vpcflow.codec import Decoder
from vpcflow.codec.origins import kinesis_origin
from vpcflow.settings.decoding import codec_options
from vpcflow.settings.load import load

pytestmark = [pytest.mark.stack, pytest.mark.slow]

HOUR = 3600


def decoded_here(scene: FaultScene) -> dict[str, str]:
    """Return id and time of each document, as this process with its right clock makes them."""
    decoder = Decoder(codec_options(load(scene.settings, scene.environ).settings))
    found = {}
    for data, (shard, sequence) in zip(scene.records, scene.placed, strict=True):
        origin = kinesis_origin(stream=scene.name, shard=shard, sequence=sequence, subsequence=0, arrival_ms=None)
        for chunk in decoder.decode(data, origin):
            rows = [json.loads(row) for row in chunk.body.splitlines()]
            for action, document in zip(rows[::2], rows[1::2], strict=True):
                if document["network"]["packets"] < 2**15:
                    found[action["create"]["_id"]] = document["@timestamp"]
    return found


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_wall_clock_an_hour_off(make_scenes: MakeScenes, ledger: Ledger, seconds: int) -> None:
    scenes = make_scenes(FAULT_WALL_SECONDS=str(seconds))
    started(scenes)
    for scene in scenes:
        scene.mixed(20)
    for scene in scenes:
        scene.settled()
        evidence = scene.evidence(fault="wall clock", seconds=seconds, process="child")
        scene.evidence(fault="wall clock", seconds=seconds, process="supervisor")
        assert scene.indexed("@timestamp") == decoded_here(scene)
        assert set(scene.dead_letters().values()) == {1}
        assert len(scene.lines("daemon started")) == 1
        scene.stop()
        rows = {f"wall clock an hour {'ahead' if seconds > 0 else 'behind'}": evidence}
        scene.row(ledger, rows, "the same ids, times and counts as with the right clock")
