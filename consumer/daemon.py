"""The Java daemon: the files that it reads, its command line, and its start."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from consumer import tether
from consumer.run_folder import RunFolder
from vpcflow.errors import ConfigError
from vpcflow.settings.model import Settings

__all__ = ["Worker", "command", "start", "worker_of", "write_files"]

_MAIN = "software.amazon.kinesis.multilang.MultiLangDaemon"
_LEVELS = {"debug": "INFO", "info": "WARN", "warning": "WARN", "error": "ERROR"}  # at INFO it tells every batch
_LOGBACK = """\
<configuration>
  <appender name="ERR" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target>
    <encoder class="ch.qos.logback.classic.encoder.JsonEncoder"/>
  </appender>
  <root level={level}><appender-ref ref="ERR"/></root>
</configuration>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What the lease table knows this replica by."""

    stream: str
    region: str
    application: str
    worker_id: str


def worker_of(settings: Settings, environ: Mapping[str, str]) -> Worker:
    """Fill in what the settings leave to the environment.

    Raises:
        ConfigError: no stream, or no region.
    """
    stream = settings.kinesis.stream
    if not stream:
        raise ConfigError("kinesis.stream: not set; name the Kinesis data stream to read")
    region = settings.kinesis.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise ConfigError("kinesis.region: not set, nor is AWS_REGION; name the stream's region")
    return Worker(
        stream=stream,
        region=region,
        application=settings.kinesis.application or f"vpcflow-{stream}",
        worker_id=settings.consumer.worker_id or socket.gethostname(),
    )


def properties(settings: Settings, worker: Worker) -> dict[str, str]:
    """Return the daemon's properties. It ignores unknown keys silently: names are those of KCL 3.1.3."""
    kinesis, consumer = settings.kinesis, settings.consumer
    found = {
        # Split on spaces, without quoting: relative to the daemon's working folder, so no path with spaces gets in.
        "executableName": "/bin/sh ./child",  # read, not executed: the folder may be mounted noexec
        "processingLanguage": f"python/{sys.version_info.major}.{sys.version_info.minor}",
        "applicationName": worker.application,
        "streamName": worker.stream,
        "regionName": worker.region,
        "workerId": worker.worker_id,
        "AwsCredentialsProvider": "DefaultCredentialsProvider",
        "initialPositionInStream": kinesis.initial_position,
        "retrievalMode": "POLLING",
        "maxRecords": str(kinesis.max_records),
        "idleTimeBetweenReadsInMillis": str(kinesis.idle_milliseconds),
        # An idle shard is told so at each read: that is when what waits for company is flushed and checkpointed.
        "callProcessRecordsEvenForEmptyRecordList": "true",
        "metricsLevel": kinesis.metrics_level,
        "failoverTimeMillis": str(consumer.failover_milliseconds),
        "shardSyncIntervalMillis": str(consumer.shard_sync_milliseconds),
        "parentShardPollIntervalMillis": str(consumer.parent_poll_milliseconds),
        "shutdownGraceMillis": str(consumer.shutdown_grace_milliseconds),
        # In KCL 3.1.3 a hand-off is never ended by anybody when the lease was late in the moment in which its old owner let go:
        # that one renews it from then on without reading. Given over at once, the shard's last seconds are read twice instead.
        "isGracefulLeaseHandoffEnabled": "false",
    }
    if consumer.lease_assignment_milliseconds:
        found["leaseAssignmentIntervalMillis"] = str(consumer.lease_assignment_milliseconds)
    if kinesis.kinesis_endpoint:
        found["kinesisEndpoint"] = kinesis.kinesis_endpoint
    if kinesis.dynamodb_endpoint:
        found["dynamoDBEndpoint"] = kinesis.dynamodb_endpoint
    return found


def escaped(value: str) -> str:
    """Return a value as java.util.Properties reads it: Latin-1, backslash escapes, leading blanks kept."""
    lead = "\\" if value[:1].isspace() else ""
    return lead + "".join(
        {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
        or (character if " " <= character <= "~" else "".join(f"\\u{unit:04x}" for unit in _utf16(character)))
        for character in value
    )


def _utf16(character: str) -> Sequence[int]:
    raw = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def write_files(folder: RunFolder, settings: Settings, worker: Worker, child: Sequence[str]) -> None:
    """Write what the daemon reads: properties, logback configuration and the launcher of its children."""
    lines = [f"{key}={escaped(value)}\n" for key, value in properties(settings, worker).items()]
    folder.properties.write_text("".join(lines), encoding="ascii")
    folder.logback.write_text(_LOGBACK.format(level=quoteattr(_LEVELS[settings.logs.level])), encoding="utf-8")
    # Back to where the supervisor was started: relative paths in the settings mean that folder.
    folder.launcher.write_text(
        f"#!/bin/sh\ncd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(child)}\n", encoding="utf-8"
    )
    folder.launcher.chmod(0o700)


def command(folder: RunFolder, settings: Settings, java: str, jars: Path) -> list[str]:
    """Return the daemon's command line."""
    return [
        str(Path(java).absolute()) if os.sep in java else java,
        f"-Xmx{settings.consumer.java_heap}",
        "-XX:+ExitOnOutOfMemoryError",
        "-cp",
        f"{jars.absolute()}/*",
        _MAIN,
        "--properties-file",
        str(folder.properties.absolute()),
        "--log-configuration",
        str(folder.logback.absolute()),
    ]


def start(arguments: Sequence[str], folder: RunFolder) -> subprocess.Popen[bytes]:
    """Start the daemon in a session of its own, with nothing on stdin and our stderr for all that it says.

    A session of its own: signals for the supervisor's process group (Ctrl-C) do not reach daemon and children. It dies with
    the thread that calls this: to be called by the main thread.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *arguments],
        cwd=folder.path,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,
    )
