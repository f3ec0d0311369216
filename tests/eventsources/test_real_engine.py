"""An outage of six hours in front of a real engine: 409 is what it says of a document that it has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Gate
from tests.eventsources.flows import letters, put
from tests.eventsources.numbers import HOUR
from tests.eventsources.queueing import queued
from tests.firehose.engine import Target
from tests.firehose.flows import generator
from vpcflow.stack import Stack

pytestmark = pytest.mark.stack


def test_objects_through_a_queue(stack_opensearch: Stack, s3: Any) -> None:  # noqa: ANN401
    target = Target(stack_opensearch.engine_url, "eventsources")
    gate = Gate(target.url)
    gate.open()
    made = generator(events=1000)
    notices = put(s3, made.s3_files(lines_each=100))
    try:
        with queued({**target.environ, "VPCFLOW_ELASTICSEARCH__HOSTS": gate.url}) as there:
            there.send(*notices[:3])
            there.times.run_for(300)
            assert len(target.documents()) == 300
            gate.shut()
            there.send(*notices[3:7], *notices[:2])
            there.times.run_for(6 * HOUR)
            assert len(target.documents()) == 300
            gate.open()
            there.send(*notices[7:])
            there.times.drain()
            assert there.is_clean()
        target.prove(made.manifest)
        assert letters(s3) == []
    finally:
        gate.shut()
        target.close()
