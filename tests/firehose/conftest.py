"""What several files need: credentials that open nothing, and a data stream of one's own in a running engine."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.firehose.engine import Target
from vpcflow.stack import Stack

_NAMES = itertools.count()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give boto3 credentials that open nothing."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return monkeypatch


@pytest.fixture
def target_in() -> Iterator[Callable[[Stack], Target]]:
    """Return what makes a data stream of its own, with our template."""
    with ExitStack() as closing:

        def made(stack: Stack) -> Target:
            target = Target(stack.engine_url, f"firehose{next(_NAMES)}-{uuid.uuid4().hex[:8]}")
            closing.callback(target.close)
            return target

        yield made
