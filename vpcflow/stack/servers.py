"""How each server of the stack is started: command, settings, environment."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from vpcflow.stack import parts
from vpcflow.stack.cache import Cache, Progress
from vpcflow.stack.errors import StackError
from vpcflow.stack.server import NOBODY, Server, free_port

__all__ = ["dynamodb_server", "engine_server", "kinesis_server"]

# Servers here live for minutes: with the quick compiler alone they start with half of the work.
_QUICK = "-XX:TieredStopAtLevel=1"
# What the engines' option files hold and a read-only home or the packaged Java runtime cannot take.
_DROPPED_OPTIONS = re.compile(r"(?m)^.*(-Xlog:gc|jdk\.incubator\.vector).*$")


def kinesis_server(cache: Cache, progress: Progress, work: Path) -> Server:
    """Kinesis: kinesis-local, in memory, loopback only."""
    package, port = parts.kinesis(cache, progress), free_port()
    loopback = work / "loopback.cjs"
    loopback.write_text((resources.files("vpcflow.stack") / "data" / "loopback.cjs").read_text())
    quick = {
        f"{call}_DURATION": "10ms" for call in ("CREATE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS", "UPDATE_SHARD_COUNT")
    }
    return Server(
        name="kinesis",
        command=[str(parts.node(cache)), "--require", str(loopback), str(package / "main.js")],
        url=f"http://127.0.0.1:{port}",
        log=work / "kinesis.log",
        ready_path="/healthcheck",
        environ={
            "KINESIS_MOCK_CERT_PATH": str(package / "server.json"),
            "KINESIS_MOCK_PLAIN_PORT": str(port),
            "KINESIS_MOCK_TLS_PORT": str(free_port()),
            "AWS_ACCOUNT_ID": "000000000000",
            "LOG_LEVEL": "WARN",
            "SHARD_LIMIT": "100",
            **quick,
        },
    )


def dynamodb_server(cache: Cache, progress: Progress, work: Path) -> Server:
    """DynamoDB Local, in memory, loopback only."""
    jars, port = parts.dynamodb(cache, progress), free_port()
    java = [str(parts.java(cache)), "-Xmx256m", "-XX:-UsePerfData", "-XX:+UseSerialGC", _QUICK]
    options = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    return Server(
        name="dynamodb",
        command=[
            *java,
            f"-Djava.io.tmpdir={work}",  # it unpacks a library there, and leaves it
            "--enable-native-access=ALL-UNNAMED",
            f"-Djava.library.path={jars}",
            "-cp",
            f"{jars / 'classes'}{os.pathsep}{jars}/*",
            "LoopbackDynamoDB",
            *options,
        ],
        url=f"http://127.0.0.1:{port}",
        log=work / "dynamodb.log",
    )


def engine_server(
    kind: parts.Engine,
    cache: Cache,
    progress: Progress,
    work: Path,
    *,
    folder: Path,
    heap: str,
    settings: Mapping[str, str],
) -> Server:
    """A search engine of one node without security; its data, configuration and temporary files in `folder`."""
    home, java = parts.engine(kind, cache, progress), parts.java_home(cache, progress)
    port, opensearch = free_port(), kind == "opensearch"
    config = _configuration(home, folder)
    values = {
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": str(port),
        "transport.port": "0",
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        **({} if opensearch else {"xpack.security.enabled": "false"}),
        **settings,
    }
    if os.geteuid() == 0:
        for path in (home, java, folder.parent):
            _require_open(path)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    prefix = "OPENSEARCH" if opensearch else "ES"
    return Server(
        name=kind,
        command=[
            str(home / "bin" / home.name.partition("-")[0]),
            *(f"-E{key}={value}" for key, value in values.items()),
        ],
        url=f"http://127.0.0.1:{port}",
        log=work / f"{kind}.log",
        ready_path="/_cluster/health?wait_for_status=green&timeout=1s",
        cwd=home,
        unprivileged=True,
        environ={
            "HOME": str(folder),
            f"{prefix}_JAVA_HOME": str(java),
            f"{prefix}_JAVA_OPTS": f"-Xms{heap} -Xmx{heap} -XX:-UsePerfData {_QUICK}",
            f"{prefix}_TMPDIR": str(folder / "tmp"),
            # Elasticsearch's launcher, a Java process of its own, makes a folder and leaves it.
            "CLI_JAVA_OPTS": f"-Djava.io.tmpdir={folder / 'tmp'} -XX:-UsePerfData -XX:+UseSerialGC {_QUICK}",
            f"{prefix}_PATH_CONF": str(config),
        },
    )


def _configuration(home: Path, folder: Path) -> Path:
    """Copy the configuration next to the data; some options in it want what is not there."""
    for name in ("data", "logs", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = folder / "config"
    if not config.exists():
        shutil.copytree(home / "config", config)
        options = config / "jvm.options"
        options.write_text(_DROPPED_OPTIONS.sub("", options.read_text()))
    return config


def _require_open(path: Path) -> None:
    """As root: the engine's user must be able to enter every folder above."""
    for each in (path, *path.parents):
        if not each.stat().st_mode & 0o001:
            message = f"as root the engine runs as user {NOBODY}, who cannot enter {each}: chmod o+x it"
            raise StackError(f"{message}, or choose other folders with VPCFLOW_CACHE, JAVA_HOME and TMPDIR")
