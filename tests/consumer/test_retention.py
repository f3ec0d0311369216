"""The stream's retention, asked for once for all children."""

from __future__ import annotations

import logging
import os
from collections import deque
from pathlib import Path

import pytest

from consumer.retention import RetentionReader, ask_kinesis
from consumer.run_folder import RunFolder
from vpcflow.stack import Stack
from vpcflow.stack.streams import CREDENTIALS, client, create_stream


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    one = RunFolder(tmp_path / "run")
    one.create()
    return one


def test_a_failure_is_told_once_and_the_last_answer_stays(folder: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    answers: deque[float | Exception] = deque(
        [OSError("no route"), OSError("no route"), 3600.0, OSError("away"), 7200.0]
    )

    def ask() -> float:
        answer = answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    reader = RetentionReader(folder, ask)
    with caplog.at_level(logging.INFO):
        told = [(reader.ask_once(), folder.retention()) for _ in range(5)]
    assert told == [(False, None), (False, None), (True, 3600.0), (False, 3600.0), (True, 7200.0)]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING", "INFO"]
    assert caplog.records[0].__dict__["fields"] == {"reason": "OSError: no route"}
    assert "kinesis:DescribeStreamSummary" in caplog.records[0].getMessage()


def test_its_thread_ends_when_told(folder: RunFolder) -> None:
    reader = RetentionReader(folder, lambda: 60.0)
    reader.start()
    reader.stop()
    reader.join(60)
    assert not reader.is_alive()
    assert folder.retention() == 60


@pytest.mark.stack
def test_kinesis_is_asked(stack_kinesis: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    name = f"retention-{os.getpid()}"
    create_stream(stack_kinesis.kinesis_url, name, 1)
    region = CREDENTIALS["AWS_REGION"]
    assert ask_kinesis(name, region, stack_kinesis.kinesis_url) == 24 * 3600
    with client("kinesis", stack_kinesis.kinesis_url) as kinesis:
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    assert ask_kinesis(name, region, stack_kinesis.kinesis_url) == 48 * 3600
