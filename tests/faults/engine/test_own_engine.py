"""Faults that would hurt others: on an engine of our own, with little room, that is killed in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import until
from tests.faults.engine.matrix import MODES, products
from tests.faults.engine.scene import WATCH
from tests.faults.ledger import Ledger
from tests.required import skip_or_fail
from vpcflow.stack import Stack, StackError
from vpcflow.stack.server import Watch

if TYPE_CHECKING:
    from tests.faults.engine.conftest import MakeScene
    from tests.faults.engine.scene import Scene

pytestmark = [pytest.mark.stack, pytest.mark.slow]

LIFTED = "waited until it was lifted; nothing lost, nothing twice"
ROOM = {"indexing_pressure.memory.limit": "100kb", "http.max_content_length": "1mb"}
ONE_BY_ONE = {"bulk__in_flight": 1}  # small bodies that come one after the other are no pressure
LARGE = 120  # records of ten documents of about 1 000 bytes: beyond both limits in one body


@pytest.fixture(scope="module")
def own_engines() -> Iterator[dict[str, Stack]]:
    running: dict[str, Stack] = {}
    yield running
    for stack in running.values():
        stack.stop()


@pytest.fixture
def own(own_engines: dict[str, Stack], product: str) -> Stack:
    """One engine at a time: the machine has to hold the shared ones, too."""
    if product not in own_engines:
        for stack in own_engines.values():
            stack.stop()
        own_engines.clear()
        stack = Stack(product, engine_settings=ROOM)  # type: ignore[arg-type]
        try:
            stack.start()
        except StackError as error:
            skip_or_fail("stack", str(error))
        own_engines[product] = stack
    return own_engines[product]


def put(scene: Scene, **values: object) -> None:
    """Change settings of the cluster; None takes one back."""
    scene.ask(
        "PUT", "/_cluster/settings", {"persistent": {key.replace("__", "."): value for key, value in values.items()}}
    )


def together(scenes: list[Scene], at: int, act: Callable[[], None], then: Callable[[], None] | None) -> None:
    """Run all scenes at once: `act` when all have come to record `at`, `then` when all wait for the engine."""
    first, second = threading.Barrier(len(scenes), act), threading.Barrier(len(scenes), then)

    def one(scene: Scene) -> None:
        scene.run(upto=at, settings=ONE_BY_ONE)
        scene.run(between={at: lambda: first.wait(300)}, on_first_wait=lambda: second.wait(300), settings=ONE_BY_ONE)

    with ThreadPoolExecutor(len(scenes)) as pool:
        for done in [pool.submit(one, scene) for scene in scenes]:
            done.result()


@pytest.fixture
def scenes(own: Stack, make_scene: MakeScene) -> list[Scene]:
    """One for each index mode, watched."""
    found = [make_scene(own, mode) for mode in MODES]
    for scene in found:
        scene.before(WATCH)
    return found


@products()
def test_breaker(scenes: list[Scene], ledger: Ledger) -> None:
    """The parent breaker has less than the engine holds already: every request is a 429 as a whole."""
    for scene in scenes:
        limit = partial(put, scene, indices__breaker__total__limit="10mb")
        lift = partial(put, scene, indices__breaker__total__limit=None)
        scene.run(between={20: limit}, on_first_wait=lift, settings=ONE_BY_ONE)
        assert scene.error is None
        evidence = scene.seen('"429 circuit_breaking_exception"')
        scene.record(ledger, "circuit breaker", "engine", evidence, LIFTED)


@products()
def test_the_whole_cluster_is_read_only(scenes: list[Scene], ledger: Ledger) -> None:
    for scene in scenes:
        block = partial(put, scene, cluster__blocks__read_only=True)
        lift = partial(put, scene, cluster__blocks__read_only=None)
        scene.run(between={20: block}, on_first_wait=lift, settings=ONE_BY_ONE)
        assert scene.error is None
        evidence = scene.seen('"status": 403, "errors": {"403 cluster_block_exception"')
        scene.record(ledger, "cluster read-only", "engine", evidence, LIFTED)


@products()
def test_flood_stage(scenes: list[Scene], ledger: Ledger) -> None:
    """The disk is said to be full: the engine itself puts a block on each index, and takes it away once there is room."""
    marks = [f"cluster__routing__allocation__disk__watermark__{name}" for name in ("low", "high", "flood_stage")]

    def flood() -> None:
        full = dict.fromkeys(marks, "1000tb")
        often = {
            "cluster__info__update__interval": "10s",
            "cluster__routing__allocation__disk__threshold_enabled": True,
        }
        put(scenes[0], **full, **often)
        until(lambda: all(blocked(scene) for scene in scenes), 60, "flood stage")

    def dry() -> None:
        put(scenes[0], **dict.fromkeys(marks, "1b"))  # free bytes; still watched, or OpenSearch leaves its blocks

    def blocked(scene: Scene) -> bool:
        indices = scene.ask("GET", f"/{scene.target}/_settings?filter_path=*.settings.index.blocks")
        return len(indices) == len(scene.indices())

    together(scenes, 20, flood, dry)
    back = [*marks, "cluster__info__update__interval", "cluster__routing__allocation__disk__threshold_enabled"]
    put(scenes[0], **dict.fromkeys(back))
    for scene in scenes:
        assert scene.error is None
        evidence = scene.seen('"429 cluster_block_exception"')
        scene.record(ledger, "flood stage of the disk", "engine", evidence, LIFTED)


@products()
@pytest.mark.parametrize(
    ("fault", "max_bytes", "error", "promise"),
    [
        ("indexing pressure", 500_000, '"429 es_rejected_execution_exception"', "sent in halves until they fit"),
        ("413 of the engine", 4_000_000, '"413"', "sent in halves until they fit"),
    ],
    ids=["pressure", "413"],
)
def test_bodies_that_are_too_much(
    own: Stack, make_scene: MakeScene, ledger: Ledger, fault: str, max_bytes: int, error: str, promise: str
) -> None:
    for mode in MODES:
        scene = make_scene(own, mode, records=LARGE)
        scene.before(WATCH)
        scene.run(settings={"bulk__max_actions": 10_000, "bulk__max_bytes": max_bytes})
        assert scene.error is None
        evidence = scene.seen(error) or scene.seen(error.replace("es_", ""))  # OpenSearch's name
        scene.record(ledger, fault, "engine", evidence, f"{promise}; nothing lost, nothing twice")


@products()
def test_the_server_is_killed_and_started_again(own: Stack, scenes: list[Scene], ledger: Ledger) -> None:
    """The last one here: what follows would wait for it."""
    (server,) = own._servers

    def restart() -> None:
        server.stop()  # SIGKILL
        server.start()
        assert server.process is not None
        assert own._watch is not None
        own._watch.dismiss()
        own._watch = Watch([server.process.pid], own.work)  # the new one must not outlive us either

    together(scenes, 20, restart, None)
    for scene in scenes:
        assert scene.error is None
        evidence = scene.evidence("upstream_lost")
        scene.record(
            ledger, "server killed and started again", "engine", evidence, "waited for; nothing lost, nothing twice"
        )
