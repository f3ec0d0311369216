"""Settings of a process: read once in their time to live, and bounded by the invocation's time."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.process import Process
from tests.forwarder.events import LINE, kinesis_event
from tests.forwarder.scene import Context, Scene
from vpcflow.clock import FakeClock
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


@pytest.mark.parametrize(("seconds", "patience"), [(900.0, 6.0), (8.0, 2.4)])
def test_a_request_has_no_more_time_than_there_is_for_settling(scene: Scene, seconds: float, patience: float) -> None:
    process = Process({**scene.settings(), "AWS_REGION": "eu-west-1"}, FakeClock())
    program, _ = process.program(Context(seconds))
    (route,) = program._outputs._routes
    for settings in route.outputs.values():
        assert settings.elasticsearch.request_timeout_seconds == pytest.approx(patience)
