"""What the container is told is settings that the consumer takes, and fits the permissions that it gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from consumer import daemon
from tests.deploy.cases import FORMAT
from tests.deploy.consumer import policies, watching
from tests.deploy.consumer.cases import CASES, CONSUMER, FLOWS, READER, ROOT, SIGNED, containers, source, stack
from tests.deploy.template import Stack
from vpcflow.settings.load import key_kinds, load
from vpcflow.settings.model import Settings

# Read before there are settings: where the settings file is.
NO_SETTING = {"VPCFLOW_SETTINGS"}


def environments(made: Stack) -> list[dict[str, str]]:
    """Return the variables of each slot's container."""
    found = []
    for container in containers(made):
        names = [one["Name"] for one in container["Environment"]]
        assert len(set(names)) == len(names)
        values = {one["Name"]: one["Value"] for one in container["Environment"]}
        assert all(isinstance(value, str) for value in values.values())
        found.append({name: value for name, value in values.items() if name not in NO_SETTING})
    return found


def settings(made: Stack, secret: str) -> list[Settings]:
    given = {**made.given, **({"SecretArn": secret} if made.given.get("SecretArn") else {})}
    return [load(None, one).settings for one in environments(Stack(source("ecs"), given))]


def test_each_variable_is_a_setting() -> None:
    known = {f"VPCFLOW_{section}__{key}".upper() for section, keys in key_kinds().items() for key in keys}
    for given in CASES["ecs"]:
        for variables in environments(stack("ecs", given)):
            assert set(variables) <= known


@pytest.mark.parametrize("given", CASES["ecs"])
def test_the_consumer_takes_its_settings(given: dict[str, str], secret: str) -> None:
    made = stack("ecs", given)
    for found in settings(made, secret):
        worker = daemon.worker_of(found, {})
        assert (worker.stream, worker.region, worker.application) == ("vpcflow", "eu-central-1", "vpcflow")
        assert found.deadletters.kind == "s3"
        assert found.deadletters.bucket == given["DeadLetterBucket"]
        assert found.consumer.shutdown_grace_milliseconds == int(made.parameter("ShutdownGraceMilliseconds"))
        assert found.kinesis.metrics_level == made.parameter("MetricsLevel")
        scraped = "ScrapeSecurityGroupId" in given
        assert found.metrics.listen == ("0.0.0.0:9464" if scraped else "127.0.0.1:9464")
        properties = daemon.properties(found, worker)
        assert properties["retrievalMode"] == "POLLING", "or permissions for fan-out are missing"


def test_worker_ids_are_those_of_the_slots(secret: str) -> None:
    found = [one.consumer.worker_id for one in settings(stack("ecs", CONSUMER, {"Slots": "0,1,12"}), secret)]
    assert found == ["vpcflow-0", "vpcflow-1", "vpcflow-12"]
    random = settings(stack("ecs", CASES["ecs"][1]), secret)
    assert [one.consumer.worker_id for one in random] == [""]


def test_ways_to_log_in(secret: str) -> None:
    (found, *_) = settings(stack("ecs", CONSUMER), secret)
    assert found.elasticsearch.api_key.reveal() == "the-key"
    (found, *_) = settings(stack("ecs", CONSUMER, {"Authentication": "basic", "Username": "vpcflow"}), secret)
    assert (found.elasticsearch.username, found.elasticsearch.password.reveal()) == ("vpcflow", "the-password")
    (found, *_) = settings(stack("ecs", SIGNED), secret)
    assert found.elasticsearch.service == "es"


def test_one_text_is_the_format_of_flow_log_and_decoder(secret: str) -> None:
    (found, *_) = settings(stack("ecs", CONSUMER, FORMAT), secret)
    (format_,) = found.codec.formats
    assert format_.format == stack("stream", FLOWS, FORMAT).one("AWS::EC2::FlowLog")["LogFormat"]


def test_dead_letters_go_where_the_policy_lets_them(secret: str) -> None:
    (found, *_) = settings(stack("ecs", CONSUMER), secret)
    assert policies.allowed(stack("permissions", READER))["s3:PutObject"] == [
        f"arn:aws:s3:::deadletterbucket/{found.deadletters.prefix}/*"
    ]


# ---- alarms from what the consumer logs ----


def patterns() -> dict[str, str]:
    found = stack("ecs", CONSUMER).resources("AWS::Logs::MetricFilter").values()
    return {one["FilterName"]: one["FilterPattern"] for one in found}


def test_a_consumer_that_halts_says_so_in_a_line_that_the_filter_takes(tmp_path: Path) -> None:
    """The real program, with settings that cannot work."""
    done = subprocess.run(
        [sys.executable, "-m", "consumer"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "VPCFLOW_CONSUMER__JAVA": "no-such-java"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert [name for name, pattern in patterns().items() if watching.matches(pattern, line)] == ["halted"]


def test_filters_take_what_the_consumer_says_and_nothing_else() -> None:
    """Messages in the source, at their level; what a filter asks for is one of them or begins one."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "consumer").glob("*.py")))
    wanted = {
        "engine-away": ["waiting for the search engine; nothing is checkpointed"],
        "expires": [
            "unread records expire soon",
            "unread records are about to expire: lengthen the stream's retention or make the engine take them",
            "unread records expire now: data is being lost",
        ],
        "restarts": ["daemon will be started again"],
    }
    for name, messages in wanted.items():
        for message in messages:
            assert f'"{message}"' in text
            line = json.dumps({"level": "warning", "msg": message})
            assert [one for one, pattern in patterns().items() if watching.matches(pattern, line)] == [name]
    # A child that is started again is not the end of the consumer; where it is, the supervisor says so in a line of its own.
    for ended in ("child leaves", "child fails"):
        assert f'"{ended}"' in text
        line = json.dumps({"level": "error", "msg": ended, "exit_code": 70})
        assert not [one for one, pattern in patterns().items() if watching.matches(pattern, line)]
    assert '"consumer ends: starting again would not help"' in text
    line = json.dumps({"level": "error", "msg": "consumer ends: starting again would not help", "exit_code": 77})
    assert [one for one, pattern in patterns().items() if watching.matches(pattern, line)] == ["halted"]
    for quiet in (
        {"level": "info", "msg": "consumer stopped"},
        {"level": "info", "msg": "daemon ended", "exit_code": 143},
    ):
        assert not [one for one, pattern in patterns().items() if watching.matches(pattern, json.dumps(quiet))]
    levels = source("ecs")["Parameters"]["LogLevel"]["AllowedValues"]
    assert "error" not in levels, "alarms are made of warnings"


def test_sizes_grow_and_leave_room_for_java() -> None:
    sizes = source("ecs")["Mappings"]["Sizes"]
    memory = [(int(one["Memory"]), int(one["Heap"].replace("1g", "1024m").rstrip("m"))) for one in sizes.values()]
    assert all(small < large for (small, _), (large, _) in pairwise(memory))
    assert all(heap <= whole / 8 for whole, heap in memory)
