"""Consumers that faults are done to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.ledger import Mode
from tests.faults.process.scene import FaultScene
from vpcflow.stack import Stack

MODES: tuple[Mode, ...] = ("data_stream", "pattern")
MakeScenes = Callable[..., list[FaultScene]]


@pytest.fixture
def make_scenes(
    stack_elasticsearch: Stack, stack_kinesis: Stack, tmp_path: Path, fault_seed: int
) -> Iterator[MakeScenes]:
    """Give a scene for each index mode: `make_scenes(**environ)`. What is waited for is then waited for once."""
    scenes: list[FaultScene] = []

    def make(*modes: Mode, **environ: str) -> list[FaultScene]:
        for mode in modes or MODES:
            folder = tmp_path / str(len(scenes))
            folder.mkdir()
            scenes.append(
                FaultScene(stack_elasticsearch, stack_kinesis, folder, mode=mode, seed=fault_seed, environ=environ)
            )
        return scenes[-len(modes or MODES) :]

    with ExitStack() as closing:
        yield make
        for one in scenes:
            closing.callback(one.close)  # all of them, whatever one says
            with contextlib.suppress(FileNotFoundError):
                print((one.injections / "injections.jsonl").read_text())
