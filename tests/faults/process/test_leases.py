"""The lease table against us: a lease is taken away while a bulk is in flight, and checkpoints are throttled."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from tests.e2e.conftest import until
from tests.faults.ledger import Ledger
from tests.faults.process.conftest import MODES, MakeScenes
from tests.faults.process.scene import SHARD, FaultScene, started
from vpcflow.faults.answers import Status
from vpcflow.faults.connection import Delay
from vpcflow.faults.messages import Request
from vpcflow.faults.proxy import FaultProxy
from vpcflow.faults.rules import Rule
from vpcflow.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow]

IN_FLIGHT_SECONDS = 20.0
THROTTLED = 10  # the KCL's own client asks nine times, which takes it 40 s, before it tells the child
THROTTLING = json.dumps(
    {
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": "The level of configured provisioned throughput for the table was exceeded.",
    }
)


class Switch:
    """Whether the faults of a test are wanted now."""

    on = False


class SlowBulk(Delay, tag="slow_bulk", frozen=True, kw_only=True):
    """Delays bulks while the switch is on."""

    switch: type[Switch]

    def means(self, request: Request) -> bool:
        return self.switch.on and "/_bulk" in request.target


class ThrottledCheckpoint(Status, tag="throttled", frozen=True, kw_only=True):
    """Throttles those updates of a lease that write a checkpoint, while the switch is on; renewals pass."""

    switch: type[Switch]

    def means(self, request: Request) -> bool:
        update = request.header("x-amz-target").endswith(".UpdateItem")
        return self.switch.on and update and b'"checkpoint"' in request.body


def proxied(
    stack: ExitStack, make_scenes: MakeScenes, variable: str, url: str, rule: Rule
) -> list[tuple[FaultScene, FaultProxy]]:
    """Give a scene for each mode, with a proxy of its own before one of its servers."""
    found = []
    for mode in MODES:
        proxy = stack.enter_context(FaultProxy(url, [rule]))
        found += [(scene, proxy) for scene in make_scenes(mode, **{variable: proxy.url})]
    return found


def test_lease_lost_while_a_bulk_is_in_flight(
    make_scenes: MakeScenes, stack_elasticsearch: Stack, ledger: Ledger
) -> None:
    class Wanted(Switch):
        pass

    rule = SlowBulk(seconds=IN_FLIGHT_SECONDS, last=1, switch=Wanted)
    with ExitStack() as stack:
        both = proxied(stack, make_scenes, "VPCFLOW_ELASTICSEARCH__HOSTS", stack_elasticsearch.engine_url, rule)
        started([scene for scene, _ in both])
        Wanted.on = True
        children = [scene.child() for scene, _ in both]
        # The table holds a checkpoint before its child knows.
        for (scene, _), child in zip(both, children, strict=True):
            last = scene.placed[-1][1]
            until(lambda s=scene, c=child, last=last: s.acknowledged(c)[-1:] == [last], 15, "its last word")  # type: ignore[misc]
        acknowledged = [scene.acknowledged(child) for (scene, _), child in zip(both, children, strict=True)]
        for scene, _ in both:
            scene.mixed()
        evidence = [lose_lease(scene, proxy) for scene, proxy in both]
        for number, (scene, _) in enumerate(both):
            old = children[number]
            until(lambda old=old: not old.alive(), 60, "the end of the old child")  # type: ignore[misc]
            assert scene.acknowledged(old) == acknowledged[number], "it checkpointed after its lease was gone"
            scene.settled(60)
            assert len(scene.lines("daemon started")) == 1, "a lost lease ends the shard, not the daemon"
            assert scene.lines("lease lost")
            assert not [one for one in scene.lines() if one["level"] == "error"], "quietly"
            scene.stop()
            fault = {"lease lost while a bulk is in flight": evidence[number]}
            scene.row(ledger, fault, "no checkpoint after it; the shard ends quietly; its next holder finds the rest")


def lose_lease(scene: FaultScene, proxy: FaultProxy) -> str:
    """Take the lease away once the proxy holds the bulk; it must hold it still when that is done."""
    until(lambda: proxy.journal.lines("slow_bulk"), 60, "a bulk in flight")
    evidence = scene.take_lease(SHARD, "thief")
    assert len(proxy.journal.lines("slow_bulk")) == 1, "the bulk was through before the lease was gone"
    return evidence


def test_throttled_checkpoints_come_later(make_scenes: MakeScenes, stack_kinesis: Stack, ledger: Ledger) -> None:
    class Wanted(Switch):
        pass

    rule = ThrottledCheckpoint(code=400, body=THROTTLING, last=THROTTLED, switch=Wanted)
    with ExitStack() as stack:
        both = proxied(stack, make_scenes, "VPCFLOW_KINESIS__DYNAMODB_ENDPOINT", stack_kinesis.dynamodb_url, rule)
        started([scene for scene, _ in both])
        Wanted.on = True
        before = [scene.checkpoints() for scene, _ in both]
        for scene, _ in both:
            scene.mixed()
        for number, (scene, proxy) in enumerate(both):
            scene.arrived()
            until(lambda proxy=proxy: proxy.journal.lines("throttled"), 60, "a throttled checkpoint")  # type: ignore[misc]
            now = scene.checkpoints()
            assert now == before[number] or len(proxy.journal.lines("throttled")) == THROTTLED, "nothing is written yet"
        for scene, proxy in both:
            scene.settled(90)
            assert len(proxy.journal.lines("throttled")) == THROTTLED
            assert scene.lines("checkpoint put off"), "the child was told, and asked again later"
            # While the KCL's client asks, the KCL does not renew that lease: with the short failover of tests it loses it.
            assert max(scene.dead_letters().values()) <= 2, "read again once at most"
            assert len(scene.lines("daemon started")) == 1, "nobody had to die for it"
            assert not [one for one in scene.lines() if one["level"] == "error"]
            scene.stop()
            fault = {"checkpoints throttled by the lease table": proxy.journal.lines("throttled")[0]}
            scene.row(ledger, fault, "the checkpoint came later; nothing lost")
