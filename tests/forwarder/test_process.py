"""Settings of a process: read once in their time to live, and bounded by the invocation's time."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.process import Process
from tests.forwarder.events import LINE, kinesis_event
from tests.forwarder.scene import Context, Scene
from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError, DeadLetterError
from vpcflow.metrics.meters import UNMETERED


def test_a_program_is_made_anew_only_when_settings_have_changed(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[document]\nnamespace = "one"\n')
    clock = FakeClock()
    process = Process({**scene.settings(), "VPCFLOW_SETTINGS": str(path), "AWS_REGION": "eu-west-1"}, clock)
    first, namespace = process.program(Context())
    assert namespace == "vpcflow"
    path.write_text('[document]\nnamespace = "two"\n')
    assert process.program(Context())[0] is first
    clock.advance(301)
    second, _ = process.program(Context())
    assert second is not first
    clock.advance(301)
    assert process.program(Context())[0] is second  # nothing has changed
    assert second.answer(kinesis_event(LINE.encode()), Context(), UNMETERED) == {"batchItemFailures": []}


@pytest.mark.parametrize("trouble", [None, DeadLetterError("not closed")])
def test_the_old_program_is_closed_when_there_is_a_new_one(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str], trouble: DeadLetterError | None
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[document]\nnamespace = "one"\n')
    clock = FakeClock()
    process = Process({**scene.settings(), "VPCFLOW_SETTINGS": str(path), "AWS_REGION": "eu-west-1"}, clock)
    first, _ = process.program(Context())
    assert first.answer(kinesis_event(LINE.encode()), Context(), UNMETERED) == {"batchItemFailures": []}
    ((_, engine),) = first._outputs._engines.made
    closed = []

    def close() -> None:
        closed.append(process._program)
        if trouble is not None:
            raise trouble

    engine.sink.close = close  # type: ignore[attr-defined]
    path.write_text('[document]\nnamespace = "two"\n')
    assert process.program(Context())[0] is first
    assert closed == []
    clock.advance(301)
    second, _ = process.program(Context())
    assert closed == [second]
    assert first._clients == {}
    assert second is not first
    assert ("connections of the old settings were not closed" in capsys.readouterr().err) == (trouble is not None)


def test_settings_that_make_no_program_fail_each_invocation_until_they_do(scene: Scene, tmp_path: Path) -> None:
    path, labels = tmp_path / "settings.toml", tmp_path / "labels.csv"
    path.write_text(f'[labels]\nfiles = ["{labels}"]\n')
    process = Process({**scene.settings(), "VPCFLOW_SETTINGS": str(path), "AWS_REGION": "eu-west-1"}, FakeClock())
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"^labels\.files"):
            process.program(Context())
    labels.write_text("10.0.0.1,web\n")
    process.program(Context())


@pytest.mark.parametrize(("seconds", "patience"), [(900.0, 6.0), (8.0, 2.4)])
def test_a_request_has_no_more_time_than_there_is_for_settling(scene: Scene, seconds: float, patience: float) -> None:
    process = Process({**scene.settings(), "AWS_REGION": "eu-west-1"}, FakeClock())
    program, _ = process.program(Context(seconds))
    (route,) = program._outputs._routes
    for settings in route.outputs.values():
        assert settings.elasticsearch.request_timeout_seconds == pytest.approx(patience)
