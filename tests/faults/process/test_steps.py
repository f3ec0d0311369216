"""Kill -9 at each numbered step of a flush.

| Step | Where the child dies |
|---|---|
| 1 | a record was decoded, nothing of it is anywhere |
| 2 | its undecodable lines are on disk as dead letters |
| 3 | the body is built, not one byte of it sent |
| 4 | the engine has done all of it, its answer is not read |
| 5 | the answer is read, each document has its outcome |
| 6 | the rejected documents are on disk as dead letters |
| 7 | the positions are settled, nothing is checkpointed |
| 8 | the checkpoint is in the pipe, the daemon has not answered |
| 9 | the checkpoint is acknowledged |
"""

from __future__ import annotations

import json

import pytest

from tests.faults.ledger import Ledger
from tests.faults.process.conftest import MakeScenes
from tests.faults.process.scene import FaultScene, Mixed, started

pytestmark = pytest.mark.stack

STEPS = {
    1: "decoded",
    2: "undecodable lines kept",
    3: "body built",
    4: "applied, answer not read",
    5: "outcomes known",
    6: "rejected documents kept",
    7: "settled, not checkpointed",
    8: "checkpoint not acknowledged",
    9: "checkpoint acknowledged",
}


def kill_at(scenes: list[FaultScene], step: int) -> list[str]:
    """Kill each child there, see that all arrives without help, and return the lines of the injection logs."""
    name = f"step {step}"
    children = [scene.child() for scene in scenes]
    for scene in scenes:
        scene.arm(name, step)
        scene.mixed()
    found = [scene.evidence(name=name, step=step) for scene in scenes]
    for scene, child, line in zip(scenes, children, found, strict=True):
        assert json.loads(line)["pid"] == child.pid
        scene.settled()
        assert not child.alive()
        check_repeats(scene, scene.batches[-1], step, json.loads(line).get("sequence"))
    return found


def check_repeats(scene: FaultScene, batch: Mixed, step: int, checkpoint: str | None) -> None:
    """A dead letter comes twice at most, and only if the child died between its put and its checkpoint."""
    kept = scene.dead_letters()
    for (_, sequence), undecodable, rejected in zip(batch.places, batch.undecodable, batch.rejected, strict=True):
        covered = step == 9 and checkpoint is not None and int(sequence) <= int(checkpoint)
        assert 1 <= kept[undecodable] <= (2 if step >= 2 and not covered else 1)
        assert 1 <= kept[rejected] <= (2 if step >= 6 and not covered else 1)


def kill_at_steps(scenes: list[FaultScene], steps: list[int], ledger: Ledger) -> None:
    started(scenes)
    lines = {step: kill_at(scenes, step) for step in steps}
    for number, scene in enumerate(scenes):
        assert len(scene.fired(fault="SIGKILL")) == len(steps), "each step killed once"
        scene.stop()
        rows = {f"SIGKILL at step {step} of a flush: {STEPS[step]}": lines[step][number] for step in steps}
        scene.row(ledger, rows, "starts again by itself; all there, each once; a dead letter twice at most")


@pytest.mark.slow
def test_killed_at_each_step_of_a_flush(make_scenes: MakeScenes, ledger: Ledger) -> None:
    kill_at_steps(make_scenes(), list(STEPS), ledger)


def test_killed_when_the_engine_had_it_all(make_scenes: MakeScenes, ledger: Ledger) -> None:
    kill_at_steps(make_scenes("data_stream"), [4], ledger)
