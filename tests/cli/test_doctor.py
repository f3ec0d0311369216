from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Peer: TypeAlias = Any  # tests/cli/conftest.py
Run = Callable[..., Any]
NAME = "vpcflow-logs-aws.vpcflow-default"


def summary(hours: int) -> dict[str, Any]:
    found = {"StreamName": "flows", "StreamARN": "arn:aws:kinesis:eu-west-1:1:stream/flows", "StreamStatus": "ACTIVE"}
    return {"StreamDescriptionSummary": {**found, "RetentionPeriodHours": hours, "OpenShardCount": 4}}


@pytest.fixture
def well(peer: Peer, tmp_path: Path) -> dict[str, str]:
    """A world in which nothing is wrong but the jars, which a stand-in folder cannot hold."""
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
    java.chmod(0o700)
    (tmp_path / "jars").mkdir()
    peer.answers["DescribeStreamSummary"] = (200, summary(72))
    peer.answers["DescribeTable"] = (200, {"Table": {"TableName": "vpcflow-flows", "TableStatus": "ACTIVE"}})
    peer.templates[NAME] = {"index_patterns": ["logs-aws.vpcflow-default"], "data_stream": {}, "priority": 250}
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-west-1",
        "VPCFLOW_KINESIS__STREAM": "flows",
        "VPCFLOW_KINESIS__KINESIS_ENDPOINT": peer.url,
        "VPCFLOW_KINESIS__DYNAMODB_ENDPOINT": peer.url,
        "VPCFLOW_ELASTICSEARCH__HOSTS": peer.url,
        "VPCFLOW_CONSUMER__JAVA": str(java),
        "VPCFLOW_CONSUMER__JARS": str(tmp_path / "jars"),
        "VPCFLOW_DEADLETTERS__PATH": str(tmp_path / "letters"),
        "VPCFLOW_DEADLETTERS__ACCEPT_LOSS": "true",
    }


def states(ran: Peer) -> dict[str, str]:
    """Return subject → state; lines with advice are left out."""
    found = [line.split(maxsplit=1) for line in ran.out.splitlines() if not line.startswith(" ")]
    return {text.partition(":")[0]: state for state, text in found}


GOOD = dict.fromkeys(["settings", "Java", "stream", "lease table", "cluster", "template"], "ok")
GOOD["dead letters"] = "warn"  # accepted for tests: their folder is a temporary one


def test_all_is_well_but_the_jars(run: Run, well: dict[str, str]) -> None:
    ran = run("doctor", **well)
    assert states(ran) == {**GOOD, "KCL jars": "wrong"}
    assert "ok    stream: flows: ACTIVE, open shards: 4, retention: 72 h\n" in ran.out
    assert "of 79 jars" in ran.out
    assert ran.code == 78


def test_short_retention_is_a_warning(run: Run, well: dict[str, str], peer: Peer) -> None:
    peer.answers["DescribeStreamSummary"] = (200, summary(24))
    ran = run("doctor", **well)
    assert states(ran)["stream"] == "warn"
    assert "      → raise it to 72 h or more" in ran.out


def test_a_stream_and_a_lease_table_that_are_not_there(run: Run, well: dict[str, str], peer: Peer) -> None:
    missing = (400, {"__type": "ResourceNotFoundException", "message": "no"})
    peer.answers |= {"DescribeStreamSummary": missing, "DescribeTable": missing}
    ran = run("doctor", **well)
    assert "wrong stream: flows: not there in eu-west-1\n" in ran.out
    assert "ok    lease table: vpcflow-flows: not there yet" in ran.out


def test_no_credentials(run: Run, well: dict[str, str]) -> None:
    ran = run("doctor", **{name: value for name, value in well.items() if "ACCESS_KEY" not in name})
    assert "wrong stream: Unable to locate credentials\n" in ran.out
    assert states(ran)["lease table"] == "wrong"


def test_without_boto3(run: Run, well: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    ran = run("doctor", **well)
    assert (
        "wrong stream: the package boto3 is not installed\n      → pip install 'vpcflow-stream[cli,kcl]'\n" in ran.out
    )
    assert states(ran)["cluster"] == "ok"


def test_a_cluster_that_is_away(run: Run, well: dict[str, str]) -> None:
    ran = run("doctor", **{**well, "VPCFLOW_ELASTICSEARCH__HOSTS": "http://127.0.0.1:1"})
    assert (states(ran)["cluster"], states(ran)["template"]) == ("away", "away")


def test_credentials_that_are_refused(run: Run, well: dict[str, str], peer: Peer) -> None:
    peer.answers["GET /"] = (401, {"error": {"type": "security_exception", "reason": "missing token"}})
    ran = run("doctor", **well)
    assert states(ran)["cluster"] == "wrong"
    assert "missing token" in ran.out


@pytest.mark.parametrize("status", [403, 404, 405, 410])
def test_an_answer_without_a_version_is_an_answer(run: Run, well: dict[str, str], peer: Peer, status: int) -> None:
    """A key that may only write documents; an engine without that door."""
    peer.answers["GET /"] = (status, {"error": {"type": "security_exception", "reason": "action is unauthorized"}})
    ran = run("doctor", **well)
    assert states(ran)["cluster"] == "ok"
    assert f"does not tell its version ({status})" in ran.out


@pytest.mark.parametrize("status", [429, 503])
def test_a_cluster_that_is_busy_is_away(run: Run, well: dict[str, str], peer: Peer, status: int) -> None:
    peer.answers["GET /"] = (status, {"error": {"type": "unavailable", "reason": "later"}})
    assert states(run("doctor", **well))["cluster"] == "away"


def test_no_template(run: Run, well: dict[str, str], peer: Peer) -> None:
    peer.templates.clear()
    ran = run("doctor", **well)
    assert states(ran)["template"] == "wrong"
    assert "→ run `vpcflow setup --template`" in ran.out
    assert states(run("doctor", **well, VPCFLOW_INDEX__MODE="pattern"))["template"] == "wrong"


def test_the_template_of_somebody_else(run: Run, well: dict[str, str], peer: Peer) -> None:
    peer.templates = {
        "logs-aws.vpcflow": {"index_patterns": ["logs-aws.vpcflow-*"], "data_stream": {}, "priority": 200}
    }
    ran = run("doctor", **well)
    assert states(ran)["template"] == "ok"
    assert "another template makes the data stream logs-aws.vpcflow-default" in ran.out


SERVERLESS = {
    "type": "api_not_available_exception",
    "reason": "uri [/_index_template] with method [GET] exists but is not available when running in serverless mode",
}


@pytest.mark.parametrize("status", [404, 410])
def test_a_service_that_does_not_show_templates(run: Run, well: dict[str, str], peer: Peer, status: int) -> None:
    missing = (status, {"error": SERVERLESS, "status": status})
    peer.answers |= {"GET /_index_template": missing, f"GET /_index_template/{NAME}": missing}
    ran = run("doctor", **well)
    assert (states(ran)["cluster"], states(ran)["template"]) == ("ok", "warn")
    assert "this service does not show templates" in ran.out


def test_templates_that_cannot_be_asked_for_are_not_well(run: Run, well: dict[str, str], peer: Peer) -> None:
    peer.answers[f"GET /_index_template/{NAME}"] = (500, {"error": {"type": "x", "reason": "broken"}})
    assert states(run("doctor", **well))["template"] == "away"


def test_no_java_that_is_new_enough(run: Run, well: dict[str, str]) -> None:
    Path(well["VPCFLOW_CONSUMER__JAVA"]).write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    ran = run("doctor", **well)
    assert states(ran)["Java"] == "wrong"
    assert "is Java 8; Java 17 or later is needed" in ran.out


def test_no_stream_named(run: Run) -> None:
    found = states(run("doctor", VPCFLOW_ELASTICSEARCH__HOSTS="http://127.0.0.1:1"))
    assert (found["stream"], found["lease table"]) == ("wrong", "wrong")


def test_wrong_settings_are_all_that_is_told(run: Run) -> None:
    ran = run("doctor", VPCFLOW_BULK__MAX_BYTES="0")
    assert ran.code == 78
    assert ran.out.startswith("wrong settings: bulk.max_bytes: ")
    assert states(ran) == {"settings": "wrong"}


def test_dead_letters_on_storage_that_does_not_last(run: Run, well: dict[str, str], tmp_path: Path) -> None:
    ran = run("doctor", **{name: value for name, value in well.items() if "ACCEPT_LOSS" not in name})
    assert states(ran)["dead letters"] == "wrong"
    assert f"wrong dead letters: deadletters.path: {tmp_path / 'letters'} is in " in ran.out
    assert "goes away with the machine" in ran.out
    assert "deadletters.accept_loss = true" in ran.out


def test_a_lambda_keeps_no_files(run: Run, well: dict[str, str]) -> None:
    ran = run("doctor", **well, AWS_LAMBDA_FUNCTION_NAME="forwarder")
    assert states(ran)["dead letters"] == "wrong"
    assert "a Lambda has no disk that stays" in ran.out


def test_a_folder_for_dead_letters_that_is_a_file(run: Run, well: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("")
    ran = run("doctor", **well)
    assert states(ran)["dead letters"] == "wrong"
    assert "may write to; set deadletters.path" in ran.out


def test_dead_letters_in_an_index(run: Run, well: dict[str, str], peer: Peer) -> None:
    peer.answers["GET /vpcflow-deadletters"] = (200, {"vpcflow-deadletters": {}})
    ran = run("doctor", **well, VPCFLOW_DEADLETTERS__KIND="index")
    assert "ok    dead letters: index vpcflow-deadletters\n" in ran.out
