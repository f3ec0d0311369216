from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

Peer: TypeAlias = Any  # tests/cli/conftest.py
Run = Callable[..., Any]
NAME = "vpcflow-logs-aws.vpcflow-default"


def test_created_unchanged_updated(run: Run, peer: Peer) -> None:
    said = [run("setup", "--template", VPCFLOW_ELASTICSEARCH__HOSTS=peer.url) for _ in range(2)]
    assert [one.code for one in said] == [0, 0]
    assert said[0].out == f"index template {NAME}: created (logs-aws.vpcflow-default)\n"
    assert said[1].out == f"index template {NAME}: unchanged (logs-aws.vpcflow-default)\n"
    peer.templates[NAME]["priority"] = 1
    assert ": updated (" in run("setup", "--template", VPCFLOW_ELASTICSEARCH__HOSTS=peer.url).out
    assert peer.templates[NAME]["data_stream"] == {}


@pytest.mark.parametrize("elastic", [True, False])
def test_the_template_is_that_of_the_product_that_answers(run: Run, peer: Peer, *, elastic: bool) -> None:
    peer.elastic = elastic
    assert run("setup", "--template", VPCFLOW_ELASTICSEARCH__HOSTS=peer.url).code == 0
    settings = peer.templates[NAME]["template"]["settings"]["index"]
    assert ("mapping" in settings) is elastic


def test_a_product_that_is_told_is_not_asked_for(run: Run, peer: Peer) -> None:
    told = {"VPCFLOW_ELASTICSEARCH__PRODUCT": "opensearch", "VPCFLOW_ELASTICSEARCH__HOSTS": peer.url}
    assert run("setup", "--template", **told).code == 0
    assert "GET /" not in peer.asked
    assert "mapping" not in peer.templates[NAME]["template"]["settings"]["index"]


@pytest.mark.parametrize("option", ["--dry-run", "--print"])
def test_dry_run_prints_and_asks_nobody(run: Run, peer: Peer, option: str) -> None:
    pattern = {"VPCFLOW_INDEX__MODE": "pattern", "VPCFLOW_ELASTICSEARCH__HOSTS": peer.url}
    ran = run("setup", "--template", option, "--product", "opensearch", **pattern)
    assert ran.code == 0
    body = json.loads(ran.out)
    assert body["index_patterns"] == ["logs-aws.vpcflow-*"]
    assert "data_stream" not in body
    assert ran.err == "PUT /_index_template/vpcflow-logs-aws.vpcflow\n"
    assert peer.asked == []


def test_a_refusal_is_one_line(run: Run, peer: Peer) -> None:
    error = {"error": {"type": "security_exception", "reason": "action is unauthorized"}}
    peer.answers[f"GET /_index_template/{NAME}"] = (403, error)
    ran = run("setup", "--template", VPCFLOW_ELASTICSEARCH__HOSTS=peer.url)
    assert (ran.code, ran.out, ran.err.count("\n")) == (77, "", 1)
    assert "action is unauthorized" in ran.err


def test_nobody_there_is_75(run: Run) -> None:
    ran = run("setup", "--template", VPCFLOW_ELASTICSEARCH__HOSTS="http://127.0.0.1:1")
    assert (ran.code, ran.out, ran.err.count("\n")) == (75, "", 1)


def test_nothing_asked_for_is_64(run: Run) -> None:
    ran = run("setup")
    assert (ran.code, ran.err) == (64, "vpcflow: setup: nothing asked for; --template puts the index template\n")
