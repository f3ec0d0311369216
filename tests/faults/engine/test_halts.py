"""Faults that stay: settings and credentials. The run ends with its exit code; once they are mended, the next one goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults.engine.matrix import alternating, matrix
from tests.faults.engine.scene import WATCH
from tests.faults.ledger import Ledger
from vpcflow.errors import SinkRefused

if TYPE_CHECKING:
    from tests.faults.engine.scene import Scene

pytestmark = pytest.mark.stack

AT_ONCE = {"elasticsearch__rotation_seconds": 0}  # else a 401 is waited for: see test_answers.py
MENDED = "ends; once it is mended, goes on: nothing lost, nothing twice"
DENIED = '{"error":{"type":"security_exception","reason":"action [indices:data/write/bulk] is unauthorized"}}'


@dataclass(frozen=True)
class Case:
    """A rule for the fourth bulk, how the run ends, and what its message says."""

    rule: str
    exit_code: int
    says: str


CASES = {
    "401 in mid-run": Case('action = "status"\ncode = 401', 77, "elasticsearch.api_key"),
    "403 whole: missing privilege": Case(
        f"action = \"status\"\ncode = 403\nbody = '{DENIED}'", 77, "elasticsearch.api_key"
    ),
    "403 per item: missing privilege": Case(
        'action = "item_errors"\nstatus = 403\ntype = "security_exception"\nitems = [5]', 77, "elasticsearch.api_key"
    ),
    "redirect 301": Case(
        'action = "status"\ncode = 301\nanswer_headers = { Location = "http://127.0.0.1:1/" }',
        78,
        "elasticsearch.hosts",
    ),
    "redirect 302": Case(
        'action = "status"\ncode = 302\nanswer_headers = { Location = "/elsewhere" }', 78, "elasticsearch.hosts"
    ),
}
FAST = {"403 per item: missing privilege": "data_stream", "redirect 302": "pattern"}


@alternating(CASES, FAST)
def test_a_refusal(scene: Scene, ledger: Ledger, name: str) -> None:
    case = CASES[name]
    proxy = scene.before(f"[[rule]]\n{case.rule}\npath = '/_bulk'\nnth = 4\n")
    scene.run(settings=AT_ONCE)
    halted(scene, case.exit_code, case.says)
    assert len(proxy.journal.lines()) == 1
    scene.run()
    assert scene.error is None
    scene.record(ledger, name, "proxy", scene.evidence(case.rule.split('"')[1]), MENDED, exit_code=case.exit_code)


def halted(scene: Scene, exit_code: int, says: str) -> None:
    assert isinstance(scene.error, SinkRefused), scene.error
    assert scene.error.exit_code == exit_code
    assert says in str(scene.error)
    assert "\n" not in str(scene.error)
    assert scene.settled < len(scene.records)
    assert scene.waits == []


@matrix("opensearch-data_stream")
def test_a_pipeline_that_is_missing(scene: Scene, ledger: Ledger) -> None:
    scene.before(WATCH)
    scene.run(settings={"index__pipeline": "nobody-made-it"})
    halted(scene, 78, "index.pipeline")
    scene.run()
    assert scene.error is None
    scene.record(ledger, "missing pipeline", "engine", scene.seen("400 "), MENDED, exit_code=78)


@matrix("elasticsearch-pattern", modes=("pattern",))  # that of a data stream is refused: its write index stays open
def test_an_index_that_is_closed(scene: Scene, ledger: Ledger) -> None:
    scene.before(WATCH)
    scene.run(upto=20)
    indices = ",".join(scene.indices())
    scene.ask("POST", f"/{indices}/_close?wait_for_active_shards=0")
    scene.run()
    halted(scene, 78, "index.name")
    scene.ask("POST", f"/{indices}/_open")
    scene.run()
    assert scene.error is None
    evidence = scene.seen("index_closed_exception")
    scene.record(ledger, "closed index", "engine", evidence, MENDED, exit_code=78)
