"""Faults that pass: lost, late, damaged and negative answers. Nothing is lost, nothing is there twice, nothing is given up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.faults.engine.matrix import alternating, matrix
from tests.faults.ledger import Ledger

if TYPE_CHECKING:
    from tests.faults.engine.scene import Scene

pytestmark = pytest.mark.stack

BUSY = '{"error":{"type":"es_rejected_execution_exception","reason":"rejected execution"},"status":429}'
BLOCK = '{"error":{"type":"cluster_block_exception","reason":"blocked by: [FORBIDDEN/6/cluster read-only (api)];"}}'


@dataclass(frozen=True)
class Case:
    """One fault: its rule for bulks, what is waited for, and the cell of the matrix that the fast tests run."""

    rule: str
    settings: dict[str, object] = field(default_factory=dict)
    promise: str = "sent again; nothing lost, nothing twice"
    waits: bool = True


SECOND = "nth = 2"
ITEMS = 'action = "item_errors"\nitems = [0, 7, -1]\nlast = 6'
CASES = {
    "delay": Case('action = "delay"\nseconds = 0.3\nnth = 2', promise="waited for", waits=False),
    "delay beyond the timeout": Case(
        'action = "delay"\nseconds = 1.5\nnth = 2', {"elasticsearch__request_timeout_seconds": 0.5}
    ),
    "reset before it was applied": Case(f'action = "reset_before"\n{SECOND}'),
    "reset in its middle": Case(f'action = "reset_mid"\n{SECOND}'),
    "reset after it was applied": Case(f'action = "reset_after"\n{SECOND}'),
    "truncated answer": Case(f'action = "truncate"\n{SECOND}'),
    "garbage answer": Case(f'action = "garbage"\n{SECOND}'),
    "wrong media type": Case(f'action = "html"\n{SECOND}'),
    "answer with an item too few": Case(f'action = "wrong_count"\nchange = -1\n{SECOND}'),
    "answer with an item too many": Case(f'action = "wrong_count"\nchange = 1\n{SECOND}'),
    "answer to another operation": Case(f'action = "wrong_operation"\n{SECOND}'),
    "drip faster than the timeout": Case(
        'action = "drip"\nseconds = 0.05\nbytes = 100\nnth = 2', promise="waited for", waits=False
    ),
    "drip slower than the timeout": Case(
        'action = "drip"\nseconds = 1.5\nbytes = 10\nnth = 2', {"elasticsearch__request_timeout_seconds": 0.5}
    ),
    "429 whole": Case(f"action = \"status\"\ncode = 429\nbody = '{BUSY}'\nfirst = 2\nlast = 3"),
    "429 whole, Retry-After": Case(
        f"action = \"status\"\ncode = 429\nbody = '{BUSY}'\nanswer_headers = {{ Retry-After = '1' }}\nnth = 2",
        promise="sent again when the engine asked for it; nothing lost, nothing twice",
    ),
    "503 whole": Case(f'action = "status"\ncode = 503\nbody = ""\n{SECOND}'),
    "503 whole, again and again": Case('action = "status"\ncode = 503\nbody = ""\nfirst = 2\nlast = 12'),
    "403 whole: cluster block": Case(f"action = \"status\"\ncode = 403\nbody = '{BLOCK}'\n{SECOND}"),
    "401 while a secret is rotated": Case(
        'action = "status"\ncode = 401\nfirst = 3\nlast = 4',
        {"bulk__in_flight": 1},
        promise="waited for, as it had worked before; nothing lost, nothing twice",
    ),
    "413": Case(
        f'action = "status"\ncode = 413\n{SECOND}', promise="sent in halves; nothing lost, nothing twice", waits=False
    ),
    "429 per item": Case(f'{ITEMS}\nstatus = 429\ntype = "es_rejected_execution_exception"'),
    "503 per item": Case(f'{ITEMS}\nstatus = 503\ntype = "unavailable_shards_exception"'),
    "403 per item: cluster block": Case(f'{ITEMS}\nstatus = 403\ntype = "cluster_block_exception"'),
}
FAST = {
    "reset after it was applied": "data_stream",
    "truncated answer": "pattern",
    "drip slower than the timeout": "pattern",
    "403 per item: cluster block": "data_stream",
}


@alternating(CASES, FAST)
def test_a_fault_that_passes(scene: Scene, ledger: Ledger, name: str) -> None:
    case = CASES[name]
    scene.before(f"[[rule]]\n{case.rule}\npath = '/_bulk'\n")
    scene.run(settings=case.settings)
    assert scene.error is None
    assert bool(scene.waits) == case.waits, scene.waits
    kind = case.rule.split('"')[1]
    scene.ended()
    scene.record(ledger, name, "proxy", scene.evidence(kind), case.promise)
    assert scene.counts.created + scene.counts.duplicate == scene.sent


@matrix("elasticsearch-pattern")
def test_an_answer_that_comes_twice_at_once(scene: Scene, ledger: Ledger) -> None:
    twice(scene, ledger, "answer twice, at once", 0)


@matrix()
def test_an_answer_that_comes_twice_late(scene: Scene, ledger: Ledger) -> None:
    """The second one comes when the next request is under way already."""
    twice(scene, ledger, "answer twice, late", 0.05)


def twice(scene: Scene, ledger: Ledger, fault: str, seconds: float) -> None:
    """The second bulk is kept from the engine: who takes the first one's second answer for its own loses it."""
    scene.before(f"""
[[rule]]
action = "answer_twice"
path = "/_bulk"
nth = 1
seconds = {seconds}
[[rule]]
action = "item_errors"
status = 429
type = "es_rejected_execution_exception"
nth = 2
""")
    scene.run(settings={"bulk__in_flight": 1})
    assert scene.error is None
    assert scene.evidence("item_errors")
    scene.record(ledger, fault, "proxy", scene.evidence("answer_twice"), "the second one is not taken for another's")


@matrix()
@pytest.mark.parametrize("setting", ["accept", "dead_letter"])
def test_failure_store_used(scene: Scene, ledger: Ledger, setting: str) -> None:
    scene.before('[[rule]]\naction = "failure_store_used"\nitems = [3, -2]\nlast = 2\n')
    scene.run(settings={"index__failure_store": setting})
    assert scene.error is None
    assert scene.waits == []
    assert scene.counts.diverted == 4
    assert scene.counts.created == scene.sent - 4
    scene.record(
        ledger,
        f"failure_store: used ({setting})",
        "proxy",
        scene.evidence("failure_store_used"),
        "counted as diverted" if setting == "accept" else "kept as dead letters as well",
        dead=0 if setting == "accept" else 4,
        elsewhere=4 if setting == "accept" else 0,
    )


@matrix()
def test_a_secret_that_was_changed_is_read_again(scene: Scene, ledger: Ledger) -> None:
    """401 for the old key from the fourth bulk on; the file holds the new one by then."""
    key = scene.folder / "key"
    key.write_text("b2xk")
    scene.before("""
[[rule]]
action = "status"
path = "/_bulk"
code = 401
headers = { authorization = "ApiKey b2xk" }
first = 4
""")
    settings = {"elasticsearch__api_key": f"file:{key}", "bulk__in_flight": 1}
    scene.run(settings=settings, between={1: lambda: key.write_text("bmV3")})
    assert scene.error is None
    assert scene.waits == []
    scene.record(ledger, "401, and a new secret in its file", "proxy", scene.evidence("status"), "went on with the new")
