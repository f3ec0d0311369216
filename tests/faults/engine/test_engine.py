"""Faults that the engines make themselves. The proxy only watches, and its log shows the engine's own error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.engine.matrix import matrix
from tests.faults.engine.scene import BULK, FLOWS, WATCH
from tests.faults.ledger import Ledger

if TYPE_CHECKING:
    from tests.faults.engine.scene import Scene

pytestmark = pytest.mark.stack

LIFTED = "waited until it was lifted; nothing lost, nothing twice"


@matrix("elasticsearch-data_stream")
@pytest.mark.parametrize("block", ["write", "read_only", "read_only_allow_delete"])
def test_a_block_of_the_index(scene: Scene, ledger: Ledger, block: str) -> None:
    def put(value: bool) -> None:  # noqa: FBT001
        scene.ask("PUT", f"/{scene.target}/_settings", {f"index.blocks.{block}": value})

    scene.before(WATCH)
    scene.run(upto=20)
    put(True)
    scene.run(on_first_wait=lambda: put(False))
    assert scene.error is None
    status = 429 if block == "read_only_allow_delete" else 403
    evidence = scene.seen(f"{status} cluster_block_exception")
    scene.record(ledger, f"index block: {block}", "engine", evidence, LIFTED)


@matrix("elasticsearch-pattern")
def test_documents_that_do_not_fit_the_mapping(scene: Scene, ledger: Ledger) -> None:
    """One bad document costs one document."""
    bad = [0, 57, 58, 399]
    scene.spoil(*bad)
    scene.before(WATCH)
    scene.run()
    assert scene.error is None
    assert scene.waits == []
    assert scene.counts.rejected == 4
    assert sorted(int(letter["raw"].split()[9]) for letter in scene.letters()) == bad
    assert all(letter["error_type"].endswith("parsing_exception") for letter in scene.letters())
    assert all("network.packets" in letter["message"] for letter in scene.letters())
    evidence = scene.seen("parsing_exception")
    scene.record(ledger, "mapping conflict", "engine", evidence, "one dead letter for each such document", dead=4)


@matrix("opensearch-data_stream")
def test_rollover_between_send_and_retry(scene: Scene, ledger: Ledger) -> None:
    """The answer to one bulk is lost after it was applied, and before it is sent again there is a new write index.

    Ids deduplicate inside one write index, as docs/operations.md says: the documents of that one bulk are there twice. In
    pattern mode the index follows from the flow's time, so there is nothing to roll over, and none is.
    """
    stream = scene.mode == "data_stream"

    def rollover() -> None:
        if stream:
            assert scene.ask("POST", f"/{scene.target}/_rollover")["rolled_over"] is True

    scene.before('[[rule]]\naction = "reset_after"\npath = "/_bulk"\nnth = 2\n')
    scene.run(on_first_wait=rollover)
    assert scene.error is None
    assert len(scene.indices()) == 2  # two days, or before and after
    promise = "twice are the documents of that one bulk, no others" if stream else "the id finds each document again"
    twice = BULK if stream else 0
    if stream:
        assert sum(1 for count in scene.found().values() if count == 2) == BULK
    assert scene.counts.duplicate == (0 if stream else BULK)
    scene.record(
        ledger,
        "rollover between send and retry",
        "engine",
        scene.evidence("reset_after"),
        promise,
        duplicates=twice,
    )


@matrix("elasticsearch-data_stream")
def test_rollover_between_first_delivery_and_the_next(scene: Scene, ledger: Ledger) -> None:
    """A consumer whose checkpoint was not written delivers again what it delivered; in between there was a rollover."""
    stream = scene.mode == "data_stream"
    scene.before('[[rule]]\naction = "reset_after"\npath = "/_bulk"\nfirst = 5\nlast = 5\n')
    scene.run(upto=20)
    if stream:
        assert scene.ask("POST", f"/{scene.target}/_rollover")["rolled_over"] is True
    scene.run(again=True)
    assert scene.error is None
    again = 20 * FLOWS
    promise = "twice is what was delivered again, nothing else" if stream else "the id finds each document again"
    scene.record(
        ledger,
        "rollover between first delivery and the next",
        "engine",
        scene.evidence("reset_after"),
        promise,
        duplicates=again if stream else 0,
    )
