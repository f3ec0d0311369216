"""Any mixture of passing faults: what is found is what was sent, whatever happened in between."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.ledger import Ledger, Mode
from vpcflow.stack import Stack

if TYPE_CHECKING:
    from tests.faults.engine.conftest import MakeScene

pytestmark = pytest.mark.stack

SEEDS = range(20)
BUSY = '{"error":{"type":"es_rejected_execution_exception","reason":"rejected execution"},"status":429}'
ACTIONS = [  # not 413: said of a single document, as a breaker's probe is one, it is the truth about that document
    'action = "delay"\nseconds = 0.1',
    'action = "delay"\nseconds = 0.6',  # beyond the timeout
    'action = "reset_before"',
    'action = "reset_mid"',
    'action = "reset_after"',
    'action = "truncate"',
    'action = "garbage"',
    'action = "garbage"\nforward = false',
    'action = "html"',
    'action = "wrong_count"\nchange = -1',
    'action = "wrong_count"\nchange = 2',
    'action = "wrong_operation"',
    'action = "drip"\nseconds = 0.02\nbytes = 200',
    f"action = \"status\"\ncode = 429\nbody = '{BUSY}'",
    'action = "status"\ncode = 503',
    'action = "item_errors"\nstatus = 429\ntype = "es_rejected_execution_exception"\nshare = 0.3',
    'action = "item_errors"\nstatus = 503\ntype = "unavailable_shards_exception"\nshare = 0.9',
    'action = "item_errors"\nstatus = 403\ntype = "cluster_block_exception"',
    'action = "item_errors"\nstatus = 500\ntype = "null_pointer_exception"\nshare = 0.1',
]
REQUESTS = 30  # faults hit the first so many bulks; a run has 16 without any, and more with them


def script(chance: random.Random) -> str:
    """Return rules for half of the first bulks: bounded by their number, so that each run ends."""
    hit = sorted(chance.sample(range(1, REQUESTS + 1), REQUESTS // 2))
    return "".join(f'[[rule]]\n{chance.choice(ACTIONS)}\npath = "/_bulk"\nnth = {nth}\n' for nth in hit)


def cells() -> list[object]:
    found: list[object] = []
    for seed in SEEDS:
        for mode in ("data_stream", "pattern"):
            product = "elasticsearch" if seed % 2 else "opensearch"
            marks = () if (seed, mode) in {(1, "data_stream"), (2, "pattern")} else (pytest.mark.slow,)
            found.append(pytest.param(seed, product, mode, marks=marks))
    return found


@pytest.mark.parametrize(("number", "product", "mode"), cells())
def test_any_mixture(
    engine: Stack, mode: Mode, make_scene: MakeScene, ledger: Ledger, fault_seed: int, number: int
) -> None:
    seed = fault_seed * 1_000 + number
    chance = random.Random(seed)
    scene = make_scene(engine, mode, seed=seed)
    bad = chance.sample(range(scene.sent), 5)
    scene.spoil(*bad)
    proxy = scene.before(script(chance))
    settings = {
        "bulk__max_actions": 25,
        "bulk__in_flight": chance.choice([1, 2, 4, 8]),
        "elasticsearch__request_timeout_seconds": 0.4,
        "retry__breaker_failures": chance.choice([1, 3, 5]),
    }
    scene.run(settings=settings)
    assert scene.error is None, f"seed {seed}"
    scene.ended()
    assert sorted(int(letter["raw"].split()[9]) for letter in scene.letters()) == sorted(bad), f"seed {seed}"
    counts = scene.counts
    assert counts.created + counts.duplicate + counts.rejected == counts.documents == scene.sent, f"seed {seed}"
    lines = proxy.journal.lines()
    scene.record(
        ledger,
        f"random mixture {number}",
        "proxy",
        lines[0] if lines else "",
        f"{len(lines)} lines in the injection log; nothing lost, nothing twice",
        dead=5,
    )
