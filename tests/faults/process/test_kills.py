"""Processes that are killed, and a consumer that is asked to stop: while it is busy, idle, or waits for a dead cluster."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from consumer.process import Process
from tests.e2e.conftest import until
from tests.faults.ledger import Ledger
from tests.faults.process.conftest import MakeScenes
from tests.faults.process.scene import FaultScene, started

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def kill_idle_child(scene: FaultScene) -> str:
    told = len(scene.lines("child is gone"))
    evidence = scene.kill(scene.child(), "idle child")
    until(lambda: len(scene.lines("child is gone")) > told, 20, "word of the dead child, though nothing comes")
    return evidence


def kill_busy_child(scene: FaultScene) -> str:
    waiting(scene)
    evidence = scene.kill(scene.child(), "child that waits")
    scene.gate.open()
    return evidence


def kill_daemon(scene: FaultScene) -> str:
    children = [note.process for note in scene.children()]
    scene.mixed(20)
    evidence = scene.kill(scene.daemon(), "daemon")
    until(lambda: not any(child.alive() for child in children), 5, "the end of the children of a dead daemon")
    return evidence


def kill_supervisor(scene: FaultScene) -> str:
    daemon, child = scene.daemon(), waiting(scene)
    evidence = scene.lose(scene.started[-1])
    until(lambda: not daemon.alive() and not child.alive(), 5, "the end of orphans")
    scene.gate.open()
    scene.start()
    return evidence


@contextlib.contextmanager
def feeding(scene: FaultScene) -> Iterator[None]:
    """Put records all the time."""
    enough = threading.Event()

    def feed() -> None:
        while not enough.wait(0.1):
            scene.mixed(4)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def terminate_in_mid_run(scene: FaultScene) -> str:
    before = len(scene.flows())
    with feeding(scene):
        until(lambda: len(scene.flows()) > before, 90, "the first of many documents")
        evidence = scene.terminate(scene.started[-1], "mid-run")
    assert len(scene.flows()) < scene.sent, "it was not in the middle of a run"
    assert scene.run.children() == []
    scene.start()
    return evidence


def terminate_while_it_waits(scene: FaultScene) -> str:
    waiting(scene)
    before = scene.checkpoints()
    evidence = scene.terminate(scene.started[-1], "it waits for a dead cluster")
    assert scene.checkpoints() == before
    scene.gate.open()
    scene.start()
    return evidence


def waiting(scene: FaultScene) -> Process:
    """Shut the engine off, have the children of both shards wait for it, and return one of them."""
    child = scene.child()
    said = len(scene.lines("waiting for the search engine"))
    scene.gate.shut()
    scene.mixed(20)
    scene.waits(said + 2)
    return child


FAULTS = {
    "SIGKILL of an idle child": kill_idle_child,
    "SIGKILL of a child that waits for a dead cluster": kill_busy_child,
    "SIGKILL of the daemon": kill_daemon,
    "SIGKILL of the supervisor while its child waits": kill_supervisor,
    "SIGTERM in the middle of a run": terminate_in_mid_run,
    "SIGTERM while a dead cluster is waited for": terminate_while_it_waits,
}


def test_killed_and_stopped_one_after_the_other(make_scenes: MakeScenes, ledger: Ledger) -> None:
    scenes = make_scenes(VPCFLOW_BULK__MAX_ACTIONS="7")
    started(scenes, shards=2)
    lines: dict[str, list[str]] = {}
    for fault, make in FAULTS.items():
        lines[fault] = [make(scene) for scene in scenes]
        for scene in scenes:
            scene.mixed()
        for scene in scenes:
            scene.settled(60)
    for number, scene in enumerate(scenes):
        assert max(scene.dead_letters().values()) <= 2, "a dead letter comes once more for each death at most"
        scene.stop()
        scene.row(ledger, {fault: lines[fault][number] for fault in FAULTS}, "all there, each once; no orphan stays")
