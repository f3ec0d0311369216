"""Several workers on one stream: joining, dying, giving shards over, restarted one by one, also while the cluster is dead."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import until
from tests.faults.ledger import Ledger
from tests.faults.process.conftest import MakeScenes
from tests.faults.process.scene import SHARD, FaultScene, started

pytestmark = [pytest.mark.stack, pytest.mark.slow]

EX_TEMPFAIL = 75
# The place of a leader that was stopped is free only after 120 s; until then nobody gives its leases out.
SETTLE_SECONDS = 240
# Given leases are found by their owners within seconds, those of a dead one by the leader.
GIVEN_SECONDS = 150


def owned(scene: FaultScene, *owners: str) -> bool:
    """Return whether these and no others hold the leases, each for itself."""
    leases = scene.leases().values()
    if any("checkpointOwner" in lease for lease in leases):
        return False  # a hand-off is under way
    return {lease["leaseOwner"]["S"] for lease in leases if "leaseOwner" in lease} == set(owners)


class Balance:
    """Gives leases to owners where the KCL alone may never do it; what is tested is our part of each change.

    Its leader moves busy shards of its own accord, maybe just when a test does the same, so that one worker ends up with all
    of them; idle ones it leaves where they are.
    """

    def __init__(self, scene: FaultScene, owners: tuple[str, ...]) -> None:
        self._scene = scene
        self._owners = owners

    def reached(self) -> bool:
        if owned(self._scene, *self._owners):
            return True
        leases = self._scene.leases()
        holders = {lease["leaseOwner"]["S"] for lease in leases.values() if "leaseOwner" in lease}
        idle = set(self._owners) - holders
        if idle and len(holders) == 1 and holders < set(self._owners) and len(leases) > 1:
            self._scene.give(max(leases), min(idle))
        return False


def until_owned(scene: FaultScene, *owners: str) -> None:
    balance = Balance(scene, owners)
    try:
        until(balance.reached, GIVEN_SECONDS, f"leases of {owners} alone")
    except AssertionError as error:
        error.add_note(f"{scene.leases()}")
        raise


def until_up(scene: FaultScene, number: int) -> None:
    """Wait until the KCL of a consumer runs: it has said what it says at each start."""
    log = scene.folder / f"log-{number}"
    until(lambda: "Did not find an operating range" in log.read_text(), 60, f"a start in {log}")


def join(scenes: list[FaultScene]) -> list[str]:
    """A second worker joins while records come, and is given a shard."""
    for scene in scenes:
        scene.start("w1")
        scene.mixed(20)
    for scene in scenes:
        until_up(scene, 1)
    evidence = [scene.give(SHARD, "w1") for scene in scenes]
    for scene in scenes:
        until_owned(scene, "w0", "w1")
        scene.mixed(20)
    return evidence


def die(scenes: list[FaultScene]) -> list[str]:
    """The second worker dies; the first one, who is the leader, takes its shard."""
    for scene in scenes:
        assert scene.leader() == "w0"
        scene.mixed(20)
    evidence = [scene.lose(scene.started[1]) for scene in scenes]
    for scene in scenes:
        scene.forget_metrics("w1")
    for scene in scenes:
        until_owned(scene, "w0")
    return evidence


def join_while_dead(scenes: list[FaultScene]) -> list[str]:
    """The engine is away, the only worker waits; another one joins and is given a shard of the one that waits."""
    waiting(scenes)
    old = [{note.shard: note.process for note in scene.children()} for scene in scenes]
    before = [scene.positions() for scene in scenes]
    for scene in scenes:
        scene.start("w1")
    for scene in scenes:
        until_up(scene, 2)
    evidence = [scene.give(SHARD, "w1") for scene in scenes]
    for scene in scenes:
        until_owned(scene, "w0", "w1")
    given = [children[SHARD] for children in old]
    said = [scene.acknowledged(child) for scene, child in zip(scenes, given, strict=True)]
    assert [scene.positions() for scene in scenes] == before, "nothing is checkpointed while the cluster is dead"
    for scene in scenes:
        scene.gate.open()
    for number, scene in enumerate(scenes):
        scene.settled(SETTLE_SECONDS)
        until(lambda number=number: not given[number].alive(), 60, "the end of the old child")  # type: ignore[misc]
        assert scene.acknowledged(given[number]) == said[number], "it checkpointed after its lease was gone"
    return evidence


def waiting(scenes: list[FaultScene], shards: int = 2) -> None:
    """Shut the engine off, and have the children of all shards wait for it."""
    said = [len(scene.lines("waiting for the search engine")) for scene in scenes]
    for scene in scenes:
        scene.gate.shut()
        scene.mixed(20)
    for scene, before in zip(scenes, said, strict=True):
        scene.waits(before + shards)


def restart_one_by_one_while_dead(scenes: list[FaultScene]) -> list[str]:
    """The engine is away; each worker is stopped and started again."""
    waiting(scenes)
    before = [scene.positions() for scene in scenes]
    evidence = [scene.terminate(scene.started[-1], "w1 of a rolling restart, the cluster is dead") for scene in scenes]
    for scene in scenes:
        scene.start("w1")
    for scene in scenes:
        scene.terminate(scene.started[0], "w0 of a rolling restart, the cluster is dead")
    said = [len(scene.lines("waiting for the search engine")) for scene in scenes]
    for scene, waits in zip(scenes, said, strict=True):
        scene.start("w0")
        scene.waits(waits + 1)
    assert [scene.positions() for scene in scenes] == before, "nothing is checkpointed while the cluster is dead"
    for scene in scenes:
        scene.gate.open()
    return evidence


FAULTS = {
    "a second worker joins": join,
    "SIGKILL of the second worker": die,
    "a second worker joins while a dead cluster is waited for": join_while_dead,
    "rolling restart while a dead cluster is waited for": restart_one_by_one_while_dead,
}


def test_workers_come_and_go(make_scenes: MakeScenes, ledger: Ledger) -> None:
    scenes = make_scenes()
    started(scenes, shards=2)
    lines: dict[str, list[str]] = {}
    for fault, make in FAULTS.items():
        lines[fault] = make(scenes)
        for scene in scenes:
            scene.mixed(20)
        for scene in scenes:
            scene.settled(SETTLE_SECONDS)
    for number, scene in enumerate(scenes):
        assert not [line for line in scene.lines() if line["level"] == "error"]
        for one in scene.started:
            if one.poll() is None:
                scene.stop(one)
        rows = {fault: lines[fault][number] for fault in FAULTS}
        scene.row(ledger, rows, "all there, each once; no checkpoint of one who lost the lease")


def order_hand_over(scene: FaultScene) -> tuple[str, str]:
    """Order that the shard goes to the worker that does not have it; return which one that is, and the evidence."""
    (lease,) = scene.leases().values()
    to = {"w0": "w1", "w1": "w0"}[lease["leaseOwner"]["S"]]
    return to, scene.order_hand_over(SHARD, to)


def test_a_hand_off_is_followed_also_while_a_dead_cluster_is_waited_for(
    make_scenes: MakeScenes, ledger: Ledger
) -> None:
    """Ours order none; one of an older version that leads does. The failover time is the KCL's own: at a shorter one a lease
    can be late in the wrong moment, and then nobody ends the hand-off."""
    scenes = make_scenes()
    started(scenes)
    old = [scene.child() for scene in scenes]
    orders = [order_hand_over(scene) for scene in scenes]
    for scene in scenes:
        scene.start("w1")
        scene.mixed(20)
    for scene, child, (to, _) in zip(scenes, old, orders, strict=True):
        until_owned(scene, to)
        until(lambda scene=scene: scene.lines("shard given up"), 30, "word that it settled what it had")  # type: ignore[misc]
        scene.settled(SETTLE_SECONDS)
        until(lambda child=child: not child.alive(), 60, "the end of the old child")  # type: ignore[misc]
    waiting(scenes, shards=1)
    before = [scene.positions() for scene in scenes]
    again = [order_hand_over(scene) for scene in scenes]
    for scene, (to, _) in zip(scenes, again, strict=True):
        until_owned(scene, to)
    assert [scene.positions() for scene in scenes] == before, "nothing is checkpointed while the cluster is dead"
    for scene, (_, first), (_, second) in zip(scenes, orders, again, strict=True):
        scene.gate.open()
        scene.settled(SETTLE_SECONDS)
        for one in scene.started:
            scene.stop(one)
        faults = {"a hand-off is ordered": first, "a hand-off is ordered while a dead cluster is waited for": second}
        scene.row(ledger, faults, "all there, each once")


def test_a_second_process_with_the_same_worker_id_refuses(make_scenes: MakeScenes, ledger: Ledger) -> None:
    scenes = make_scenes()
    started(scenes)
    seconds = [(scene, scene.start("w0")) for scene in scenes]
    for scene, second in seconds:
        scene.mixed(20)
        assert second.wait(120) == EX_TEMPFAIL
        (said,) = scene.lines("another consumer with this worker id runs")
        scene.started.remove(second)
        scene.settled()
        assert len(scene.lines("daemon started")) == 1
        scene.stop()
        scene.row(ledger, {"a second process with the same worker id": json.dumps(said)}, "it refuses", EX_TEMPFAIL)
