"""Objects in S3, told by a queue, through the forwarder; messages that it cannot forward; its own dead letters."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import pytest

from tests.e2e.conftest import until
from tests.eventsources.flows import notification
from tests.firehose.flows import generator
from tests.integration.cloud import Bucket, Cloud
from tests.integration.flows.conftest import Engine, serving
from vpcflow.cli.main import main
from vpcflow.generate import Generator

pytestmark = [pytest.mark.stack, pytest.mark.localstack, pytest.mark.slow]


def keeping(letters: Bucket) -> dict[str, str]:
    return {"VPCFLOW_DEADLETTERS__KIND": "s3", "VPCFLOW_DEADLETTERS__BUCKET": letters.name}


@serving("bucket → queue → function")
def test_objects_are_there_once(cloud: Cloud, engine: Engine, made: Generator) -> None:
    """Each object is put twice."""
    letters, queue = cloud.bucket(), cloud.queue()
    cloud.map_queue(queue, cloud.function("forwarder", {**engine.functions, **keeping(letters)}))
    flows = cloud.bucket(tells=queue)
    for key, body in made.s3_files(lines_each=200):
        flows.put(key, body)
        flows.put(key, body)
    engine.proves(made)
    until(lambda: not queue.waiting(), 300, "an empty queue")
    engine.proves(made)
    assert letters.objects() == {}


@serving("queue → dead-letter queue")
def test_a_message_that_cannot_be_forwarded_reaches_the_dead_letter_queue(
    cloud: Cloud, engine: Engine, made: Generator
) -> None:
    """It names an object in a bucket that is not there. Once the bucket is there, the same message is forwarded."""
    letters, dead, queue = cloud.bucket(), cloud.queue(), cloud.queue(visibility=20)
    cloud.map_queue(queue, cloud.function("forwarder", {**engine.functions, **keeping(letters)}, timeout=20))
    (late, body), *files = made.s3_files(lines_each=300)
    flows = cloud.bucket(tells=queue)
    for key, content in files:
        flows.put(key, content)
    until(lambda: len(engine.documents()) == made.manifest.documents - 300 and not queue.waiting(), 180, "the others")
    missing = cloud.named("late")
    poison = notification(late, "0" * 32).replace('"flows"', json.dumps(missing))
    queue.redrive(dead, receives=2)
    queue.send(poison)
    found: list[str] = []
    until(lambda: found.extend(dead.received()) or found, 300, "a message in the dead-letter queue")
    assert found == [poison]
    cloud.bucket(name=missing).put(late, body)
    queue.redrive(dead, receives=50)
    queue.send(poison)
    engine.proves(made)
    assert letters.objects() == {}


@serving("dead letters → replay")
def test_dead_letters_are_replayed_once_their_cause_is_corrected(cloud: Cloud, engine: Engine) -> None:
    """Lines of an unknown format are kept in S3. With the format in the settings they are documents; twice adds nothing."""
    columns = ("version", "vpc-id", "srcaddr", "dstaddr", "bytes", "start", "end", "action")
    made = generator(round(time.time()) * 1000, events=300, columns=columns)
    letters, group = cloud.bucket(), cloud.log_group()
    group.subscribe(cloud.function("forwarder", {**engine.functions, **keeping(letters)}))
    group.write(made)
    kept = lambda: sum(len(body.splitlines()) for body in letters.objects().values())  # noqa: E731
    until(lambda: kept() == made.manifest.documents, 300, "all lines are kept")
    assert engine.documents() == []
    corrected = {
        **engine.environ,
        **keeping(letters),
        "VPCFLOW_CODEC__FORMATS": json.dumps([{"log_group": group.name, "format": " ".join(columns)}]),
    }
    for _ in range(2):
        assert replayed_letters(corrected) == 0
        engine.proves(made)
        assert letters.objects() == {}


def replayed_letters(environ: Mapping[str, str]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return main(["deadletters", "replay"])
