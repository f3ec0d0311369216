"""The whole path: all documents are there, each once. What else is done to it: `tests/faults/process`."""

from __future__ import annotations

import json
import signal

import pytest

from tests.e2e.conftest import Scene, until

pytestmark = pytest.mark.stack


def test_everything_arrives_once_and_is_checkpointed(scene: Scene) -> None:
    scene.stream(shards=2)
    scene.put(40)
    scene.start()
    scene.arrived()
    scene.put(20)
    scene.arrived()
    scene.checkpointed()
    shards = {"shardId-000000000000", "shardId-000000000001"}
    until(lambda: {note.shard for note in scene.children()} == shards, 40, "a child for each shard")
    until(
        lambda: scene.metric('vpcflow_documents_total{outcome="created"}') == scene.sent, 40, "the count of both shards"
    )
    assert scene.metric("vpcflow_shards") == 2
    assert scene.metric("vpcflow_bulk_seconds_count")
    scene.stop()
    assert not scene.lines("daemon does not end; it is killed")
    assert not [line for line in scene.lines() if line["level"] in ("error", "ERROR")]
    assert scene.lines("shard given up")
    assert scene.run.children() == []


@pytest.mark.slow
def test_killed_idle_child_is_noticed_and_replaced(scene: Scene) -> None:
    scene.stream()
    scene.put(10)
    scene.start()
    scene.arrived()
    scene.checkpointed()
    created = 'vpcflow_documents_total{outcome="created"}'
    until(lambda: scene.metric(created) == scene.sent, 40, "the count")
    child = scene.child()
    child.signal(signal.SIGKILL)
    until(lambda: scene.lines("child is gone"), 20, "word of the dead child")
    assert (scene.metric(created) or 0) >= scene.sent  # what it counted stays
    scene.put(10)
    scene.arrived()
    assert scene.child() != child
    until(lambda: scene.metric(created) == scene.sent, 40, "the count")
    assert scene.metric("vpcflow_daemon_restarts_total") == 1


def test_dead_cluster_is_waited_for(scene: Scene) -> None:
    scene.stream()
    scene.put(10)
    scene.start()
    scene.arrived()
    scene.checkpointed()
    before = scene.checkpoints()
    until(lambda: scene.ask("/readyz")[0] == 200, 60, "readiness")
    scene.gate.shut()
    scene.put(10)
    scene.waits()
    assert scene.checkpoints() == before
    until(lambda: scene.ask("/readyz")[0] == 503, 60, "the end of readiness")
    (problem,) = json.loads(scene.ask("/readyz")[1])["problems"]
    assert problem["shard"] == "shardId-000000000000"
    assert "127.0.0.1" in problem["reason"]
    assert 0 < problem["seconds_until_expiry"] <= 24 * 3600
    assert scene.ask("/healthz")[0] == 200
    left = 'vpcflow_seconds_until_expiry{shard="shardId-000000000000"}'
    first = scene.metric(left)
    until(lambda: (scene.metric(left) or 0) < (first or 0), 30, "the countdown")
    child = scene.child()
    scene.gate.open()
    scene.arrived()
    scene.checkpointed()
    assert scene.child() == child  # nobody had to die for it
    until(lambda: scene.ask("/readyz")[0] == 200, 60, "readiness")
    until(lambda: scene.metric('vpcflow_documents_total{outcome="created"}') == scene.sent, 40, "the count")
    assert scene.metric("vpcflow_shards") == scene.metric("vpcflow_ready") == 1
    assert (scene.metric('vpcflow_checkpoints_total{result="kept"}') or 0) >= 2
    assert (scene.metric("vpcflow_wait_seconds_total") or 0) > 0


@pytest.mark.slow
def test_first_start_with_the_timings_of_production(scene: Scene) -> None:
    scene.write(short=False)
    scene.stream(seed=False)
    scene.put(10)
    scene.start()
    scene.arrived(240)
