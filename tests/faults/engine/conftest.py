"""Scenes on the shared engines, and on engines of our own where a fault would hurt others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.engine.scene import RECORDS, Scene
from tests.faults.ledger import Mode
from vpcflow.stack import Stack

MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(tmp_path: Path, fault_seed: int) -> Iterator[MakeScene]:
    """Give scenes on the engine of a stack: `make_scene(stack, mode, seed=…, records=…)`."""
    scenes: list[Scene] = []
    with ExitStack() as closing:

        def make(stack: Stack, mode: Mode, *, seed: int = fault_seed, records: int = RECORDS) -> Scene:
            folder = tmp_path / str(len(scenes))
            folder.mkdir()
            scenes.append(Scene(stack.engine_url, mode, folder, seed, closing, records=records))
            return scenes[-1]

        yield make
        for one in scenes:  # shown where a test fails
            print(one.mode, one.error, one.counts, *one.waits[:10], sep="\n")
            if one.proxy is not None:
                print(*one.proxy.journal.lines()[:40], sep="\n")


@pytest.fixture
def engine(request: pytest.FixtureRequest, product: str) -> Stack:
    """The shared engine of a product."""
    stack: Stack = request.getfixturevalue(f"stack_{product}")
    return stack


@pytest.fixture
def scene(engine: Stack, mode: Mode, make_scene: MakeScene) -> Scene:
    return make_scene(engine, mode)
