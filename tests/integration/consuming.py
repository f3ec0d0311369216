"""Our consumer on a stream of a cloud, as in production: the real daemon, its lease table in the cloud, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.e2e.conftest import Scene
from tests.firehose.engine import Target
from tests.integration.cloud import Cloud, Named
from vpcflow.stack import Stack

__all__ = ["Consuming", "consuming"]


class Consuming(Scene):
    """A consumer as in production on a stream of a cloud, its lease table there too."""

    def __init__(self, cloud: Cloud, of: Named, engine: Target, stack: Stack, folder: Path) -> None:
        streams: Any = SimpleNamespace(kinesis_url=cloud.endpoint, dynamodb_url=cloud.endpoint, java=stack.java)
        environ = {name: engine.environ[name] for name in ("VPCFLOW_INDEX__NAME", "VPCFLOW_DOCUMENT__EVENT_ORIGINAL")}
        super().__init__(stack, streams, folder, environ)
        self.name = of.name
        self.run = self.run_of("w0")
        self.write(short=True)
        cloud.leases(of)


@contextlib.contextmanager
def consuming(cloud: Cloud, of: Named, engine: Target, stack: Stack, folder: Path) -> Iterator[Consuming]:
    scene = Consuming(cloud, of, engine, stack, folder)
    try:
        yield scene
    finally:
        scene.close()
