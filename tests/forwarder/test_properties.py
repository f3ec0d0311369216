"""Whatever a queue or a stream holds, wherever time is up, and whatever the engine does meanwhile: each line is there once."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from forwarder.invocation import NotSettled
from tests.forwarder.engine import refuses
from tests.forwarder.events import (
    BROKEN,
    aggregated,
    failed,
    kinesis_event,
    lines,
    message,
    message_ids,
    notices,
    object_key,
    payload,
    shard,
    sqs_event,
    text,
)
from tests.forwarder.scene import Scene
from tests.sink.peers import Canned, Request
from vpcflow.errors import SinkError, Stopped

_MOST_CALLS = 300


class Lines:
    """Gives out lines that are all different, and remembers which."""

    def __init__(self, dice: random.Random) -> None:
        self._dice, self.given, self.broken = dice, 0, 0

    def some(self, most: int) -> list[str]:
        count = self._dice.randint(1, most)
        found = lines(count, self.given)
        self.given += count
        if self._dice.random() < 0.2:
            self.broken += 1
            found.insert(self._dice.randrange(len(found) + 1), BROKEN.replace("4249", f"{self.broken}"))
        return found


def moody(scene: Scene, dice: random.Random) -> None:
    """Let the engine fail one request of five, each in one of several ways."""
    ways = [scene.engine.away(), scene.engine.away(429), Canned(hang_up=True), refuses(401)]

    def fault(request: Request, number: int) -> Canned | None:
        way = dice.choice(ways) if dice.random() < 0.2 else None
        return way(request, number) if callable(way) else way

    scene.engine.fault = fault


def proved(scene: Scene, given: Lines) -> None:
    found = Counter(json.loads(json.dumps(one))["network"]["bytes"] for one in scene.engine.documents)
    assert found == Counter(range(given.given))  # the bytes of a line are its number
    assert {letter.raw.decode() for letter in scene.kept()} == {
        BROKEN.replace("4249", f"{number + 1}") for number in range(given.broken)
    }


def bodies(scene: Scene, dice: random.Random, given: Lines) -> Iterator[str]:
    for number in range(dice.randint(3, 12)):
        kind = dice.choice(["object", "object", "lines", "payload"])
        if kind == "lines":
            yield "\n".join(given.some(50))
        elif kind == "payload":
            yield json.dumps(message(*given.some(50), tag=f"{number}-"))
        else:
            data = text(*given.some(1500))
            key = scene.put(gzip.compress(data) if dice.random() < 0.5 else data, object_key(number))
            yield from notices(scene.bucket, key)


@pytest.mark.parametrize("seed", range(8))
def test_a_queue(scene: Scene, seed: int) -> None:
    dice = random.Random(seed)
    scene.environ |= {"OBJECTS__BLOCK_BYTES": "65536", "BULK__MAX_ACTIONS": "100", "LIMITS__STORM_FRACTION": "1"}
    given = Lines(dice)
    waiting = [(f"{number:08d}", body) for number, body in enumerate(bodies(scene, dice, given))]
    moody(scene, dice)
    for _ in range(_MOST_CALLS):
        if not waiting:
            break
        batch, waiting = waiting[:5], waiting[5:]
        event = sqs_event(*(body for _, body in batch), arn=scene.queue_arn)
        for record, (name, _) in zip(event["Records"], batch, strict=True):
            record["messageId"] = name
        scene.stop_after_lines(dice.choice([1, 100, 700, 2000, None]))
        try:
            again = failed(scene.handle(event))
        except (SinkError, Stopped):
            again = message_ids(event)
        waiting += [one for one in batch if one[0] in again]
        waiting += [(one["MessageId"], one["Body"]) for one in scene.queued()]
    assert not waiting
    proved(scene, given)


@pytest.mark.parametrize("seed", range(8))
def test_a_stream(scene: Scene, seed: int) -> None:
    dice = random.Random(100 + seed)
    scene.environ |= {"BULK__MAX_ACTIONS": "100", "LIMITS__STORM_FRACTION": "1"}
    given = Lines(dice)
    records = []
    for number in range(dice.randint(5, 20)):
        found = given.some(150)
        kinds = [
            payload(*found, tag=f"{number}-"),
            "\n".join(found).encode(),
            aggregated(*[line.encode() for line in found]),
        ]
        records += [dice.choice(kinds), *([b""] if dice.random() < 0.1 else [])]
    event = kinesis_event(*records)
    moody(scene, dice)
    for _ in range(_MOST_CALLS):
        scene.stop_after_lines(dice.choice([1, 100, 700, None]))
        try:
            again = failed(scene.handle(event))
        except (SinkError, Stopped, NotSettled):
            continue
        if not again:
            break
        event = {"Records": event["Records"][shard(event).index(again[0]) :]}
    else:
        pytest.fail("the stream came to no end")
    proved(scene, given)
