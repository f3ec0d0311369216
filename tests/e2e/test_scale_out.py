"""Workers that share a stream, die and lead, and a stream that is resharded: the KCL's own leases move, and nothing is lost.

Nobody helps: no lease is written here, all is waited for. How long the parts take is measured, printed (`-rP`), and told in
`docs/scaling.md`; what is asserted of it are the caps alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.expected import documents, indexed
from tests.e2e.fleet import HASH_KEYS, Fleet
from vpcflow.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MakeFleet = Callable[[str], Fleet]
# The KCL gives a dead worker leases until what it told of its load has aged, and a leader's place is kept for 120 s.
CAP = 300.0


@pytest.fixture
def make_fleet(stack_elasticsearch: Stack, stack_kinesis: Stack, tmp_path: Path) -> Iterator[MakeFleet]:
    fleets: list[Fleet] = []

    def make(name: str) -> Fleet:
        folder = tmp_path / name
        folder.mkdir()
        fleets.append(Fleet(stack_elasticsearch, stack_kinesis, folder))
        return fleets[-1]

    with ExitStack() as closing:
        yield make
        for one in fleets:
            closing.callback(one.close)  # all of them, whatever one says


def begin(fleet: Fleet, *workers: str) -> None:
    """Start workers on four busy shards, and let the KCL spread them."""
    fleet.stream(4)
    fleet.feed_all()
    fleet.join(*workers)
    fleet.awaited(fleet.spread, CAP, "shards for each worker")
    fleet.awaited(lambda: fleet.leader() in fleet.workers, CAP, "a leader")


def lose(fleet: Fleet, worker: str) -> tuple[float, float]:
    """Kill a worker; return how long its shards stood still: the first of them, all of them."""
    shards = fleet.held(worker)
    at = fleet.kill(worker)
    times = fleet.taken_over(shards, at, CAP)
    fleet.awaited(fleet.spread, CAP, "shards for those who are left, and none for others")
    return times


def reshard(fleet: Fleet) -> None:
    """Split a shard, merge two others, then have twice as many, while records come; each is read to its end."""
    first, _, third, fourth = fleet.shards()
    fleet.reshard("split_shard", ShardToSplit=first["ShardId"], NewStartingHashKey=str(HASH_KEYS // 8))
    fleet.reshard("merge_shards", ShardToMerge=third["ShardId"], AdjacentShardToMerge=fourth["ShardId"])
    old = {one["ShardId"] for one in (first, third, fourth)}
    resharded(fleet, old)
    old = {one["ShardId"] for one in fleet.shards()}
    fleet.reshard("update_shard_count", TargetShardCount=len(old) * 2, ScalingType="UNIFORM_SCALING")
    resharded(fleet, old)


def resharded(fleet: Fleet, old: set[str]) -> None:
    fleet.awaited(lambda: fleet.read_to_end(old), CAP, "the end of the old shards")
    new = {one["ShardId"] for one in fleet.shards()}
    fleet.awaited(lambda: set(fleet.owners()) == new and all(fleet.owners().values()), CAP, "owners of the new shards")


def end(fleet: Fleet) -> None:
    """All that was put is there once, is checkpointed, and the workers leave as they should."""
    fleet.stop_feeding()
    fleet.arrived(CAP)
    fingerprints = set(documents(fleet, fleet.records()))
    assert len(fingerprints) == fleet.sent
    assert indexed(fleet) == fingerprints
    assert not fleet.dead_letters()
    for worker in list(fleet.workers):
        fleet.leave(worker)
    assert not fleet.living()


def three_workers(fleet: Fleet) -> dict[str, tuple[float, float]]:
    begin(fleet, "w0", "w1", "w2")
    follower = next(worker for worker in fleet.workers if worker != fleet.leader())
    times = lose(fleet, follower)
    reshard(fleet)
    end(fleet)
    return {"one of three workers, not the leader": times}


def two_workers(fleet: Fleet) -> dict[str, tuple[float, float]]:
    begin(fleet, "w0", "w1")
    leader = fleet.leader()
    times = lose(fleet, leader)
    assert fleet.leader() in fleet.workers
    end(fleet)
    return {"the leader of two workers": times}


def test_shards_move_and_nothing_is_lost(make_fleet: MakeFleet, record_property: Callable[[str, object], None]) -> None:
    """Two streams at a time: much of it is waiting for the KCL."""
    three, two = make_fleet("three"), make_fleet("two")
    with ThreadPoolExecutor(2) as both:
        running = [both.submit(three_workers, three), both.submit(two_workers, two)]
    for one in running:
        for died, (first, last) in one.result().items():
            print(f"SIGKILL of {died}: the first of its shards taken over after {first:.1f} s, all after {last:.1f} s")
            record_property(died, [first, last])
