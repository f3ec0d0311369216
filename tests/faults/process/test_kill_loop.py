"""Kills at random, in small; `python -m tests.faults.kill_loop` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kill_loop import Plan, run
from tests.faults.ledger import Ledger, Row, product_of
from vpcflow.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def test_kills_at_random(
    stack_elasticsearch: Stack, stack_kinesis: Stack, tmp_path: Path, fault_seed: int, ledger: Ledger
) -> None:
    plan = Plan(events=20_000, seed=fault_seed, minutes=5, kills=3, apart=(1.0, 5.0), flows=100, ahead=5_000)
    tally = run(plan, stack_elasticsearch, stack_kinesis, tmp_path)
    assert tally.good, str(tally)
    assert tally.kills.total() >= 3, str(tally)
    assert tally.resets, str(tally)
    ledger.record(
        Row(
            fault="SIGKILL at random of child, daemon and supervisor, with resets",
            where="process",
            product=product_of(stack_elasticsearch.engine_url),
            mode="data_stream",
            seed=plan.seed,
            sent=plan.events,
            found=tally.found,
            duplicates=tally.twice,
            dead_letters=0,
            exit_code=tally.exit_code,
            evidence=tally.evidence[0],
            promise=str(tally),
        )
    )
