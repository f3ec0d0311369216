"""Shards that are split and merged while records come: no record of a parent is lost, none is read twice."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import until
from tests.faults.ledger import Ledger
from tests.faults.process.conftest import MakeScenes
from tests.faults.process.scene import SHARD, FaultScene, started
from vpcflow.stack.streams import client

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MIDDLE = str(2**127)


def reshard(scene: FaultScene, shards: int, **change: str) -> str:
    """Split or merge while records come, and wait until the stream has so many shards, ended ones included."""
    scene.mixed(20)
    with client("kinesis", scene.streams.kinesis_url) as kinesis:
        if "NewStartingHashKey" in change:
            kinesis.split_shard(StreamName=scene.name, **change)
        else:
            kinesis.merge_shards(StreamName=scene.name, **change)

        def made() -> bool:
            return len(kinesis.list_shards(StreamName=scene.name)["Shards"]) == shards

        until(made, 60, "the new shards")
        count = len(kinesis.list_shards(StreamName=scene.name)["Shards"])
    scene.placed.clear()
    scene.mixed(20)
    return scene.note(fault="reshard", shards=count, **change)


def ended(scene: FaultScene, *shards: str) -> bool:
    positions = scene.checkpoints()
    return all(positions.get(shard, ("",))[0] == "SHARD_END" or shard not in positions for shard in shards)


def test_split_and_merge_in_mid_run(make_scenes: MakeScenes, ledger: Ledger) -> None:
    scenes = make_scenes()
    started(scenes)
    split = [reshard(scene, 3, ShardToSplit=SHARD, NewStartingHashKey=MIDDLE) for scene in scenes]
    for scene in scenes:
        scene.settled(90)
        assert ended(scene, SHARD)
    parents = ("shardId-000000000001", "shardId-000000000002")
    merge = [reshard(scene, 4, ShardToMerge=parents[0], AdjacentShardToMerge=parents[1]) for scene in scenes]
    for number, scene in enumerate(scenes):
        scene.settled(90)
        assert ended(scene, *parents)
        assert set(scene.dead_letters().values()) == {1}, "nothing was read twice"
        assert len(scene.lines("daemon started")) == 1
        assert {place[0] for place in scene.placed} == {"shardId-000000000003"}
        scene.stop()
        rows = {"split of a shard in mid-run": split[number], "merge of two shards in mid-run": merge[number]}
        scene.row(ledger, rows, "parents are settled to their end before their children are read")
