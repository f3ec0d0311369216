"""What the daemon is given: files and command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from consumer import daemon
from consumer.run_folder import RunFolder
from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError, VpcFlowError
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings

ROOT = Path(__file__).resolve().parents[2]


def settings(**environ: str) -> Settings:
    return load(None, {f"VPCFLOW_{name}": value for name, value in environ.items()}).settings


def written(folder: Path, one: Settings) -> dict[str, str]:
    run = RunFolder(folder / "a folder")
    run.create()
    daemon.write_files(run, one, daemon.worker_of(one, {}), [sys.executable, "-c", "import os; print(os.getcwd())"])
    return dict(line.split("=", 1) for line in run.properties.read_text(encoding="ascii").splitlines())


def test_properties(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        settings(
            KINESIS__STREAM="flow-logs",
            KINESIS__REGION="eu-central-1",
            KINESIS__KINESIS_ENDPOINT="http://127.0.0.1:4567",
            CONSUMER__WORKER_ID="pod-0",
            CONSUMER__LEASE_ASSIGNMENT_MILLISECONDS="1000",
        ),
    )
    assert found == {
        "executableName": "/bin/sh ./child",
        "processingLanguage": f"python/{sys.version_info.major}.{sys.version_info.minor}",
        "applicationName": "vpcflow-flow-logs",
        "streamName": "flow-logs",
        "regionName": "eu-central-1",
        "workerId": "pod-0",
        "AwsCredentialsProvider": "DefaultCredentialsProvider",
        "initialPositionInStream": "TRIM_HORIZON",
        "retrievalMode": "POLLING",
        "maxRecords": "1000",
        "idleTimeBetweenReadsInMillis": "1000",
        "callProcessRecordsEvenForEmptyRecordList": "true",
        "metricsLevel": "NONE",
        "failoverTimeMillis": "10000",
        "shardSyncIntervalMillis": "60000",
        "parentShardPollIntervalMillis": "10000",
        "shutdownGraceMillis": "10000",
        "isGracefulLeaseHandoffEnabled": "false",
        "leaseAssignmentIntervalMillis": "1000",
        "kinesisEndpoint": "http://127.0.0.1:4567",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a b", "a b"), (" a", "\\ a"), ("a\\b", "a\\\\b"), ("é", "\\u00e9"), ("\U0001f600", "\\ud83d\\ude00")],
)
def test_values_are_escaped_as_java_reads_them(value: str, expected: str) -> None:
    assert daemon.escaped(value) == expected


def test_launcher_runs_where_the_supervisor_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "it's here"
    there.mkdir()
    monkeypatch.chdir(there)
    written(tmp_path, settings(KINESIS__STREAM="s", KINESIS__REGION="r"))
    # As the daemon does it: relative to its working folder, split on spaces.
    done = subprocess.run(["/bin/sh", "./child"], cwd=tmp_path / "a folder", capture_output=True, text=True, check=True)
    assert done.stdout == f"{there}\n"


def test_region_comes_from_the_environment_too() -> None:
    one = settings(KINESIS__STREAM="s")
    assert daemon.worker_of(one, {"AWS_REGION": "eu-west-1"}).region == "eu-west-1"
    with pytest.raises(ConfigError, match=r"^kinesis.region: "):
        daemon.worker_of(one, {})


def test_stream_must_be_named() -> None:
    with pytest.raises(ConfigError, match=r"^kinesis.stream: "):
        daemon.worker_of(settings(), {"AWS_REGION": "eu-west-1"})


def test_worker_names_are_kept_apart_in_the_run_folder(tmp_path: Path) -> None:
    names = [("a", "b-c"), ("a-b", "c/d"), ("a", "../x"), ("é", " ")]
    folders = [RunFolder.of_worker(tmp_path, *name).path for name in names]
    assert len(set(folders)) == len(names)
    assert all(folder.parent == tmp_path for folder in folders)


def test_folder_that_cannot_be_made_is_a_matter_of_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^consumer.run_folder: "):
        RunFolder(tmp_path / "file" / "worker").create()


def test_lock_waits_then_refuses(tmp_path: Path) -> None:
    folder, clock = RunFolder(tmp_path / "worker"), FakeClock()
    folder.create()
    with (
        folder.locked(clock=clock, seconds=15, should_stop=lambda: False),
        pytest.raises(VpcFlowError) as refused,
        folder.locked(clock=clock, seconds=15, should_stop=lambda: False),
    ):
        pass
    assert refused.value.exit_code == 75
    assert 15 <= clock.now < 16
    with folder.locked(clock=clock, seconds=0, should_stop=lambda: False):
        pass


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "consumer", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_shows_examples_and_not_what_is_hidden() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "vpcflow-consumer --settings vpcflow.toml" in done.stdout
    assert "--child" not in done.stdout


def test_wrong_usage_is_64() -> None:
    done = run("--nonsense")
    assert done.returncode == 64
    assert len(done.stderr.splitlines()) == 1


def test_wrong_settings_are_one_line_and_78() -> None:
    done = run(VPCFLOW_KINESIS__STREAM="s", AWS_REGION="r", VPCFLOW_CONSUMER__JAVA="/nowhere/java")
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
    assert "consumer.java" in done.stderr
