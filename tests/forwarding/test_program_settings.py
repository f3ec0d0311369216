"""Settings of a process that is used again and again, by a clock that stands still."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError
from vpcflow.forwarding import program_settings
from vpcflow.forwarding.program_settings import ProgramSettings
from vpcflow.settings.document import Document
from vpcflow.settings.load import named_document

TTL = 300.0
PAUSE = 30.0


class Given:
    """Settings out of a file, and how often it was read."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "vpcflow.toml"
        self.clock = FakeClock()
        self.reads = 0
        self.write("one")
        self.settings = ProgramSettings({"VPCFLOW_SETTINGS": str(self.path)}, self.clock)
        monkeypatch.setattr(program_settings, "named_document", self.read)

    def read(self, environ: Mapping[str, str]) -> Document | None:
        self.reads += 1
        return named_document(environ)

    def write(self, namespace: str, more: str = "") -> None:
        self.path.write_text(f'[document]\nnamespace = "{namespace}"\n{more}', encoding="utf-8")

    @property
    def namespace(self) -> str:
        return self.settings.current().settings.document.namespace


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Given:
    caplog.set_level(logging.INFO)
    return Given(tmp_path, monkeypatch)


def test_nothing_is_read_before_it_is_asked_for(given: Given) -> None:
    assert given.reads == 0


def test_54_nothing_is_read_again_within_the_time_to_live(given: Given) -> None:
    first = given.settings.current()
    given.write("two")
    for _ in range(299):
        given.clock.advance(1)
        assert given.settings.current() is first
    assert given.reads == 1


def test_what_has_changed_is_another_object_after_it(given: Given, caplog: pytest.LogCaptureFixture) -> None:
    first = given.settings.current()
    given.write("two")
    given.clock.advance(TTL)
    assert given.namespace == "two"
    assert given.settings.current() is not first
    assert given.reads == 2
    assert [line.getMessage() for line in caplog.records] == ["settings have changed"]
    given.clock.advance(TTL - 1)
    assert given.namespace == "two"
    assert given.reads == 2


def test_what_has_not_changed_is_the_same_object(given: Given, caplog: pytest.LogCaptureFixture) -> None:
    first = given.settings.current()
    given.write("one", "# another comment\n")
    given.clock.advance(TTL)
    assert given.settings.current() is first
    assert given.reads == 2
    assert not caplog.records


@pytest.mark.parametrize(
    "more",
    [
        "[outputs.a.document]\ntags = ['x']\n",
        "[inputs.a]\nmatch = ['*']\n",
        "[filter]\ninclude = ['action == REJECT']\n",
    ],
)
def test_inputs_and_outputs_are_settings_too(given: Given, more: str) -> None:
    first = given.settings.current()
    given.write("one", more)
    given.clock.advance(TTL)
    assert given.settings.current() is not first


def test_a_secret_that_has_changed_is_a_change(given: Given, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("old")
    given.write("one", f'[outputs.a.elasticsearch]\napi_key = "file:{key}"\n')
    first = given.settings.current()
    key.write_text("new")
    given.clock.advance(TTL)
    second = given.settings.current()
    assert second is not first
    (route,) = second.routes
    assert route.outputs["a"].elasticsearch.api_key.reveal() == "new"


@pytest.mark.parametrize(
    "text", ["[document\n", "[document]\nnamespase = 'x'\n", "[filter]\ninclude = ['action =']\n", None]
)
def test_settings_that_cannot_be_read_again_leave_the_old_ones(
    given: Given, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    first = given.settings.current()
    if text is None:
        given.path.unlink()
    else:
        given.path.write_text(text)
    given.clock.advance(TTL)
    for _ in range(int(PAUSE)):
        assert given.settings.current() is first
        given.clock.advance(1)
    assert given.reads == 2
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("WARNING", "settings not read again; the old ones stay")
    fields = line.__dict__["fields"]
    assert fields["seconds"] == PAUSE
    assert str(given.path) in fields["reason"] or "filter.include[0]" in fields["reason"]
    # The pause is over: it is tried again, and the next time to live begins when it could be read.
    assert given.settings.current() is first
    assert given.reads == 3
    given.write("two")
    given.clock.advance(PAUSE)
    assert given.namespace == "two"
    given.clock.advance(TTL - 1)
    assert given.namespace == "two"
    assert given.reads == 4


def test_settings_that_never_could_be_read_are_an_error_each_time(given: Given) -> None:
    given.path.write_text("[document\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="not TOML"):
            given.settings.current()
    given.write("one")
    assert given.namespace == "one"


def test_a_wrong_filter_of_any_output_is_an_error_at_the_start(given: Given) -> None:
    given.write("one", "[outputs.a.filter]\ninclude = ['action =']\n")
    with pytest.raises(ConfigError, match=r"^outputs\.a\.filter\.include\[0\]: "):
        given.settings.current()


def test_without_a_time_to_live_they_are_read_once(given: Given) -> None:
    given.write("one", "[forwarder]\nsettings_ttl_seconds = 0\n")
    first = given.settings.current()
    given.write("two")
    given.clock.advance(1e9)
    assert given.settings.current() is first
    assert given.reads == 1


def test_a_new_time_to_live_holds_from_when_it_is_read(given: Given) -> None:
    given.write("one", "[forwarder]\nsettings_ttl_seconds = 10\n")
    assert given.namespace == "one"
    given.write("two", "[forwarder]\nsettings_ttl_seconds = 1000\n")
    given.clock.advance(10)
    assert given.namespace == "two"
    given.clock.advance(999)
    given.write("three")
    assert given.namespace == "two"
    given.clock.advance(1)
    assert given.namespace == "three"
