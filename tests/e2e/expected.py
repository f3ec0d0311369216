"""What records must become, read apart from any consumer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from tests.e2e.conftest import Scene
from vpcflow import wiring
from vpcflow.codec import Decoder
from vpcflow.codec.origins import kinesis_origin
from vpcflow.settings.load import load


def documents(scene: Scene, records: Iterable[bytes]) -> dict[str, dict[str, Any]]:
    """Return the documents of a scene's records by their ids."""
    decoder = Decoder(wiring.codec_options(load(scene.settings, scene.environ).settings))
    origin = kinesis_origin(stream=scene.name, shard="", sequence="", subsequence=0, arrival_ms=int(time.time() * 1000))
    lines = [line for data in records for chunk in decoder.decode(data, origin) for line in chunk.body.splitlines()]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return {json.loads(action)["create"]["_id"]: json.loads(document) for action, document in pairs}


def indexed(scene: Scene) -> set[str]:
    """Return the ids of all documents that are there."""
    scene.sink.refresh(scene.target)
    reply: Any = scene.sink.search(scene.target, {"size": 10_000, "_source": False})
    return {hit["_id"] for hit in reply["hits"]["hits"]}
