"""The mode `bulk`: objects in S3 that are sent by replay, as is what failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firehose.engine import Target
from tests.firehose.flows import batches, generator, our_handler
from tests.firehose.replaying import copied, replayed
from tests.firehose.scene import clock, failed, transformed
from vpcflow.stack import Stack


@pytest.mark.stack
def test_objects_and_errors_are_replayed(
    stack_opensearch: Stack, target_in: Callable[[Stack], Target], tmp_path: Path
) -> None:
    """Delivered twice by CloudWatch, sent twice by us: there once. Records with a bad line are replayed from their prefix."""
    target = target_in(stack_opensearch)
    made, time = generator(events=3000, duplicates=0.03, broken=0.002), clock()
    handler = our_handler(time, target.environ, mode="bulk")
    stream = transformed(handler, time=time, seconds=60)
    for batch in batches(made.payloads()):
        stream.put_record_batch(batch)
        stream.run_for(40)
    stream.drain()
    assert len(stream.bucket.below("out/")) > 1
    written = copied(stream.bucket, tmp_path / "written", "out/")
    assert replayed(written, target.environ) == 0
    assert replayed(written, target.environ) == 0
    assert made.manifest.duplicates
    assert failed(stream)
    assert replayed(copied(stream.bucket, tmp_path / "failed"), target.environ) == 65
    target.prove(made.manifest)
